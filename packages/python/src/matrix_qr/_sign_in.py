"""A sign-in, of this device and of another one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ._conversation import StrPath, read
from ._terminal import TerminalPerson
from .keys import Keys
from .person import Person
from .session import Session

Revision = Literal["msc4108", "msc4388", "newest"]
Dialect = Literal["as-deployed", "as-written"]


@dataclass(frozen=True)
class Backup:
    """Whether the new device uses the key backup."""

    connected: bool
    #: The version of the key backup.
    version: str | None = None
    #: Why it is not connected.
    why: str | None = None


@dataclass(frozen=True)
class SignedIn:
    """The new device: it is verified, and its session is in the directory."""

    user_id: str
    device_id: str
    #: The base URL of the homeserver's client API.
    homeserver: str
    #: The account's public master key, in unpadded base64.
    master_key: str
    backup: Backup
    session: Session


@dataclass(frozen=True)
class Granted:
    """The device that was signed in with the help of this one."""

    user_id: str
    device_id: str
    #: Whether its ID is derived from the secure channel: nobody else could have signed it in.
    bound: bool
    #: Whether the homeserver lists it as verified already.
    verified: bool
    #: Whether it was cancelled only after the secrets were sent.
    too_late_to_cancel: bool


async def sign_in(
    directory: StrPath,
    *,
    person: Person | None = None,
    keys: Keys | None = None,
    passphrase: str | None = None,
    homeserver: str | None = None,
    user: str | None = None,
    scan: bool = False,
    rendezvous: str | None = None,
    revision: Revision | None = None,
    dialect: Dialect | None = None,
    device_name: str | None = None,
    client_id: str | None = None,
    program: StrPath | None = None,
    allow_loopback_http: bool = False,
) -> SignedIn:
    """Signs in a new device, with the help of one that is signed in already.

    :param directory: where the session is stored. It must be empty or not exist.
    :param person: who shows and types what is needed; by default the person at this terminal.
    :param keys: who makes and holds the device's keys; by default an encryption store for
        matrix-sdk in the directory.
    :param passphrase: what that store is encrypted with; `grant` and `restore_keys` then need it.
    :param homeserver: `example.org`, or the base URL of its client API.
    :param user: the only account to which the device may be signed in, `@bot:example.org`. It
        names the homeserver, too.
    :param scan: whether the other device shows the code, for which the person is then asked
        (`scan_code`). Otherwise this device shows one, and needs `homeserver`, `user` or
        `rendezvous`.
    :param rendezvous: the URL of another rendezvous server than the homeserver's.
    :param revision: which proposal to follow if this device shows the code; by default `msc4108`,
        which the apps in use support.
    :param dialect: which reading of the key derivation to follow; by default `as-deployed`.
    :param device_name: the name of the device in the account.
    :param client_id: a client that the authorization server knows already.
    :param program: the program `matrix-qr`; by default the one that this package has.
    :param allow_loopback_http: allow `http` to this machine itself, for tests.
    :raises MatrixQrError: if the device could not be signed in. It was signed out again;
        otherwise `device_left` names it.

    If the task is cancelled, the other device is told, and the new one is signed out again, before
    `asyncio.CancelledError` is raised. This can take some seconds. If it ends in another way, for
    example because the device could not be signed out, that is logged as a warning. If everything
    was done already, the device stays signed in; `Session(directory).logout()` signs it out.
    """
    session = Session(directory, program=program, allow_loopback_http=allow_loopback_http)
    params: dict[str, Any] = {
        "directory": str(session.directory),
        "passphrase": passphrase,
        "homeserver": homeserver,
        "user": user,
        "scan": scan or None,
        "rendezvous": rendezvous,
        "revision": revision,
        "dialect": dialect,
        "device_name": device_name,
        "client_id": client_id,
    }
    person = person or TerminalPerson()
    answer = await session._connection.request("login", params, person, keys)
    backup = read(Backup, answer.get("backup") or {})
    return read(SignedIn, answer, backup=backup, session=session)


async def grant(
    directory: StrPath,
    *,
    person: Person | None = None,
    keys: Keys | None = None,
    passphrase: str | None = None,
    scan: bool = False,
    rendezvous: str | None = None,
    revision: Revision | None = None,
    dialect: Dialect | None = None,
    announce: Literal["base-url", "server-name"] | None = None,
    require_bound_device: bool = False,
    program: StrPath | None = None,
    allow_loopback_http: bool = False,
) -> Granted:
    """Signs in another device, with the help of this one.

    First the person is asked whether that device is theirs (`confirm_own_device`): whoever has it
    can read all messages of the account and act as its user. Only after a yes is a code shown or
    asked for.

    :param directory: the session of this device.
    :param keys: who holds the secrets; by default the store in the directory. Give the `keys` with
        which this device was signed in.
    :param passphrase: what that store is encrypted with.
    :param scan: whether the new device shows the code, for which the person is then asked
        (`scan_code`). Otherwise this device shows one.
    :param announce: how the homeserver is named to the new device; by default `base-url`.
    :param require_bound_device: refuses a device whose ID is not derived from the secure channel.
        By default it is not refused: the apps in use do not derive it yet.

    The other parameters and the errors are those of `sign_in`.

    If the task is cancelled, the new device is told before `asyncio.CancelledError` is raised. If
    the secrets were sent already, the new device may be complete.
    """
    session = Session(directory, program=program, allow_loopback_http=allow_loopback_http)
    params = {
        "directory": str(session.directory),
        "passphrase": passphrase,
        "scan": scan or None,
        "rendezvous": rendezvous,
        "revision": revision,
        "dialect": dialect,
        "announce": announce,
        "require_bound_device": require_bound_device,
    }
    answer = await session._connection.request("link", params, person or TerminalPerson(), keys)
    return read(Granted, answer)
