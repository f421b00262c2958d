"""Sign in a bot on mautrix-python, as a verified device whose keys are mautrix' own.

    client = Client(base_url="example.org")
    await matrix_qr.mautrix.sign_in(client, directory)
    await matrix_qr.mautrix.restore_keys(client, directory)
    await client.start(None)
    await matrix_qr.mautrix.close(client)

What mautrix 0.21 can do of cross-signing, and what it cannot:

- Other clients see the device as verified by its owner, from its first moment: the signature of the
  account's self-signing key is on its keys.
- mautrix looks at cross-signing itself. It regards this device, and every other one that its owner
  has signed, as `TrustState.CROSS_SIGNED_TOFU`: signed with the master key that it has seen first.
  Of the account itself, that is the key from the sign-in. So another one that the homeserver shows
  later is not trusted.
- It goes no further. It does not look at signatures of one user for another, so nothing is ever
  `CROSS_SIGNED_TRUSTED`, and it cannot compare emoji.
- It sends to devices that are not verified unless it is told not to:
  `client.crypto.send_keys_min_trust = TrustState.CROSS_SIGNED_TOFU`.
- `client.crypto.sign_own_device` verifies another device of the account. mautrix' store has no
  place for the private keys that it needs, and none for the key of the key backup. They are in the
  session's directory. Whoever can read it can act as the account.
- `client.crypto.generate_recovery_key` without `seeds` replaces the account's cross-signing keys:
  every device of the account has to be verified again. There is no need for it here.
- It does not back up the room keys that it receives.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

from mautrix.client import Client
from mautrix.crypto import PgCryptoStore
from mautrix.types import DeviceID, UserID
from yarl import URL

from . import SignedIn
from . import sign_in as _sign_in
from ._files import (
    create_private,
    is_abandoned,
    is_over,
    is_signed_in,
    remove_if_empty,
    remove_store,
)
from ._mautrix_client import DATABASE, GOOD_FOR, STORE, keep_token_fresh, open_again
from ._mautrix_keys import SECRETS, MautrixKeys, import_private_keys, read_secrets
from .person import Person
from .session import RestoredKeys, Session

__all__ = ["MautrixKeys", "close", "logout", "restore_keys", "restore_login", "sign_in"]

#: Beside mautrix' database: the keys of old messages are in it.
_RESTORED = "restored"


async def sign_in(
    client: Client,
    directory: str | os.PathLike[str],
    *,
    person: Person | None = None,
    homeserver: str | None = None,
    user: str | None = None,
    scan: bool = False,
    rendezvous: str | None = None,
    revision: Literal["msc4108", "msc4388", "newest"] | None = None,
    dialect: Literal["as-deployed", "as-written"] | None = None,
    device_name: str | None = None,
    client_id: str | None = None,
    program: str | os.PathLike[str] | None = None,
    allow_loopback_http: bool = False,
) -> SignedIn:
    """Makes the client a verified device. Its session and mautrix' stores are in the directory.

    The client must be new, without stores: it gets its `OlmMachine`, and all stores in one SQLite
    database. The parameters are those of `matrix_qr.sign_in`; the homeserver is the client's
    `base_url` if neither `homeserver` nor `scan` is given. From then on each request of the client
    has a valid access token.

    A sign-in that fails leaves nothing behind, and the client is closed: make another one.
    """
    path = _for_new_client(client, directory)
    if is_abandoned(path):
        _remove_store(path)
    try:
        signed_in = await _sign_in(
            path,
            person=person,
            keys=MautrixKeys(client, path),
            homeserver=homeserver or (None if scan else str(client.api.base_url)),
            user=user,
            scan=scan,
            rendezvous=rendezvous,
            revision=revision,
            dialect=dialect,
            device_name=device_name,
            client_id=client_id,
            program=program,
            allow_loopback_http=allow_loopback_http,
        )
    except BaseException:
        has_store = client.crypto is not None
        await close(client)
        # If it was cancelled when everything was done, the device stays.
        if has_store and not is_signed_in(path):
            _remove_store(path)
            remove_if_empty(path)
        raise
    keep_token_fresh(client, signed_in.session)
    return signed_in


async def restore_login(
    client: Client,
    directory: str | os.PathLike[str],
    *,
    program: str | os.PathLike[str] | None = None,
    allow_loopback_http: bool = False,
) -> None:
    """Goes on with the session in the directory. The client must be new, without stores.

    From then on each request of the client has a valid access token. If it fails, the client is
    closed.
    """
    path = _for_new_client(client, directory)
    session = Session(path, program=program, allow_loopback_http=allow_loopback_http)
    try:
        token = await session.token(GOOD_FOR)
        user, device = UserID(token.user_id), DeviceID(token.device_id)
        machine = await open_again(client, path / STORE, user, device)
        import_private_keys(machine, read_secrets(path / STORE))
    except BaseException:
        await close(client)
        raise
    client.api.base_url = URL(token.homeserver)
    client.api.token = token.access_token
    keep_token_fresh(client, session)


async def restore_keys(
    client: Client,
    directory: str | os.PathLike[str],
    *,
    again: bool = False,
    program: str | os.PathLike[str] | None = None,
    allow_loopback_http: bool = False,
) -> RestoredKeys | None:
    """Gives mautrix the keys of old messages from the key backup, for messages that it reads from
    then on.

    Call it at each start, before the client's. It downloads the whole backup, until that has
    succeeded once; `again` downloads it once more. `None`: it was done, or the backup was not
    connected. mautrix says of these messages that their keys were forwarded
    (`TrustState.FORWARDED`), because the backup does not prove who sent them.
    """
    path = Path(directory)
    done = path / STORE / _RESTORED
    if read_secrets(path / STORE).backup is None or (done.exists() and not again):
        return None
    session = Session(path, program=program, allow_loopback_http=allow_loopback_http)
    restored = await session.restore_keys(MautrixKeys(client, path))
    if not done.exists():
        create_private(done)
    return restored


async def logout(
    client: Client,
    directory: str | os.PathLike[str],
    *,
    local: bool = False,
    program: str | os.PathLike[str] | None = None,
    allow_loopback_http: bool = False,
) -> None:
    """Ends the session on the server, closes the client, and removes the directory with mautrix'
    stores.

    A session that has ended on the server (`NotReady`) cannot be ended again: with `local` no
    server is contacted. If the device is still in the account then, remove it there.
    """
    client.stop()
    path = Path(directory)
    session = Session(path, program=program, allow_loopback_http=allow_loopback_http)
    if not is_over(path):
        await session.logout(local=local)
    await close(client)
    _remove_store(path)
    remove_if_empty(path)


async def close(client: Client) -> None:
    """Stops the client, and closes its stores and its HTTP session. It is of no use afterwards."""
    client.stop()
    if isinstance(client.sync_store, PgCryptoStore):
        await client.sync_store.db.stop()
    await client.api.session.close()


def _for_new_client(client: Client, directory: str | os.PathLike[str]) -> Path:
    if client.crypto is not None or client.api.token:
        raise ValueError("this client is signed in already")
    if client.state_store is not None:
        raise ValueError("leave state_store empty: mautrix' stores are in the session's directory")
    return Path(directory)


def _remove_store(directory: Path) -> None:
    """Removes the files that mautrix and this package made, and their directory if it is empty."""
    remove_store(directory / STORE, (DATABASE, SECRETS, _RESTORED))
