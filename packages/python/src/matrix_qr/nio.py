"""Sign in a bot on matrix-nio, as a verified device whose keys are nio's own.

What nio can do of cross-signing, and what it cannot:

- Other clients see the device as verified by its owner, from its first moment: the signature of the
  account's self-signing key is on its keys.
- nio itself does not look at cross-signing. To nio every other device is unverified, those of its
  own account included, until `client.verify_device` or a comparison of emoji. It does not send to
  encrypted rooms with such devices unless it is told to: `ignore_unverified_devices=True` of
  `client.room_send`.
- It has no place for cross-signing keys and none for the key of the key backup. They stay in the
  session's directory until `restore_keys` has used them. So a bot on nio cannot help another device
  to sign in, and does not back up the room keys that it receives.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Literal

import aiohttp
import nio

from . import SignedIn
from . import sign_in as _sign_in
from ._files import (
    is_abandoned,
    is_over,
    is_signed_in,
    remove_if_empty,
    remove_store,
    require_private,
)
from ._nio_keys import BACKUP_KEY, NioKeys, loaded
from .errors import NetworkFailed, NotReady, ServerFailed
from .person import Person
from .session import RestoredKeys, Session

_log = logging.getLogger(__name__)

#: How long a token must last when a request is sent, in seconds. Some servers' live for 15 s only.
_GOOD_FOR = 5
#: Where nio's store is, in the session's directory.
_STORE = "nio"


async def sign_in(
    client: nio.AsyncClient,
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
    """Makes the client a verified device. Its session and nio's store are in the directory.

    The client must be new, without `store_path`. The parameters are those of `matrix_qr.sign_in`;
    the homeserver is the client's if neither `homeserver` nor `scan` is given. From then on each
    request of the client has a valid access token.

    A sign-in that fails leaves nothing in the directory, and the client can be used for another.
    """
    store = _store_for(client, directory)
    if is_abandoned(store.parent):
        _remove_store(client, store)
    asked = client.homeserver
    try:
        signed_in = await _sign_in(
            directory,
            person=person,
            keys=NioKeys(client, store),
            homeserver=homeserver or (None if scan else asked),
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
        has_store = bool(client.user_id)
        _forget(client)
        client.homeserver = asked
        # If it was cancelled when everything was done, the device stays.
        if has_store and not is_signed_in(store.parent):
            _remove_store(client, store)
            remove_if_empty(store.parent)
        raise
    _keep_token_fresh(client, signed_in.session)
    return signed_in


async def restore_login(
    client: nio.AsyncClient,
    directory: str | os.PathLike[str],
    *,
    program: str | os.PathLike[str] | None = None,
    allow_loopback_http: bool = False,
) -> None:
    """Goes on with the session in the directory. The client must be new, without `store_path`.

    From then on each request of the client has a valid access token.
    """
    store = _store_for(client, directory)
    session = Session(directory, program=program, allow_loopback_http=allow_loopback_http)
    try:
        token = await session.token(_GOOD_FOR)
        database = store / (client.config.store_name or f"{token.user_id}_{token.device_id}.db")
        # Without its keys, nio would make new ones, for a device that has others already.
        no_keys = NotReady(
            f"nio's keys of the device {token.device_id} are not in {database}",
            code=10,
            advice="Sign this device out, and sign in again.",
        )
        if not database.exists():
            raise no_keys
        require_private(store)
        client.homeserver = token.homeserver.rstrip("/")
        client.restore_login(token.user_id, token.device_id, token.access_token)
        if not client.olm_account_shared:
            raise no_keys
    except BaseException:
        _forget(client)
        raise
    # nio ignores it when the homeserver says that no one-time key is left. If it starts from here,
    # it makes new ones then, too; any other number of the homeserver's takes the place of this one.
    loaded(client).uploaded_key_count = 0
    _keep_token_fresh(client, session)


async def restore_keys(
    client: nio.AsyncClient,
    directory: str | os.PathLike[str],
    *,
    program: str | os.PathLike[str] | None = None,
    allow_loopback_http: bool = False,
) -> RestoredKeys | None:
    """Gives nio the keys of old messages from the key backup, for messages that it reads from then
    on.

    Call it at each start, before the first sync. It downloads the whole backup, until that has
    succeeded once: then the key of the backup is removed. `None`: it was done, or the backup was
    not connected.
    """
    store = Path(directory) / _STORE
    if not (store / BACKUP_KEY).exists():
        return None
    keys = NioKeys(client, store)
    await keys.secrets()  # If they cannot be read, the reason is said here, and not by the helper.
    session = Session(directory, program=program, allow_loopback_http=allow_loopback_http)
    restored = await session.restore_keys(keys)
    (store / BACKUP_KEY).unlink()
    return restored


async def logout(
    client: nio.AsyncClient,
    directory: str | os.PathLike[str],
    *,
    local: bool = False,
    program: str | os.PathLike[str] | None = None,
    allow_loopback_http: bool = False,
) -> None:
    """Ends the session on the server, removes the directory with nio's store, and closes the
    client.

    A session that has ended on the server (`NotReady`) cannot be ended again: with `local` no
    server is contacted. If the device is still in the account then, remove it there.
    """
    session = Session(directory, program=program, allow_loopback_http=allow_loopback_http)
    if not is_over(Path(directory)):
        await session.logout(local=local)
    await client.close()
    _forget(client)
    vars(client).pop("send", None)
    _remove_store(client, Path(directory) / _STORE)
    remove_if_empty(Path(directory))


def _keep_token_fresh(client: nio.AsyncClient, session: Session) -> None:
    """Gives each request a token that is valid when it is sent.

    nio uses one token for ever. `send` is the one method through which all its requests go, those
    that it repeats included. Nothing runs in the background: a long poll that outlasts its token is
    answered all the same, and the next request has the next token.
    """
    plain: Callable[..., Awaitable[aiohttp.ClientResponse]] = client.send

    async def token(*, refused: bool) -> dict[str, str]:
        try:
            client.access_token = await session.access_token(_GOOD_FOR, fresh=refused)
        except (NetworkFailed, ServerFailed) as error:
            _log.warning("there is no access token at the moment: %s", error)
            # After this error nio waits and tries again.
            raise aiohttp.ClientConnectionError(str(error)) from error
        return {"Authorization": f"Bearer {client.access_token}"}

    async def send(
        method: str,
        path: str,
        data: Any = None,
        headers: dict[str, str] | None = None,
        trace_context: Any = None,
        timeout: float | None = None,
    ) -> aiohttp.ClientResponse:
        if headers is None or "Authorization" not in headers:
            return await plain(method, path, data, headers, trace_context, timeout)
        headers = headers | await token(refused=False)
        answer = await plain(method, path, data, headers, trace_context, timeout)
        # A body that is a stream is used up.
        if isinstance(data, str | bytes | None) and await _is_unknown_token(answer):
            headers = headers | await token(refused=True)
            answer = await plain(method, path, data, headers, trace_context, timeout)
        return answer

    client.send = send


async def _is_unknown_token(answer: aiohttp.ClientResponse) -> bool:
    if answer.status != 401:
        return False
    try:
        error = await answer.json(content_type=None)
    except ValueError:
        return False
    return isinstance(error, dict) and error.get("errcode") == "M_UNKNOWN_TOKEN"


def _store_for(client: nio.AsyncClient, directory: str | os.PathLike[str]) -> Path:
    """Has the client's store in the directory."""
    if not client.config.encryption_enabled:
        raise ValueError("nio's encryption is off: install matrix-nio[e2e]")
    if client.access_token or client.store:
        raise ValueError("this client is signed in already")
    if client.store_path:
        raise ValueError("leave store_path empty: nio's store is in the session's directory")
    store = Path(directory) / _STORE
    client.store_path = str(store)
    return store


def _forget(client: nio.AsyncClient) -> None:
    """The client is as it was before it was signed in."""
    if client.store:
        client.store.database.close()
    client.store = client.olm = None
    client.user_id = client.device_id = client.access_token = client.store_path = ""


def _remove_store(client: nio.AsyncClient, store: Path) -> None:
    """Removes the files that nio and this package made, and their directory if it is empty then.

    nio names its files after the user ID, and one of them by `store_name` if that is set.
    """
    ours = tuple(filter(None, ("@", BACKUP_KEY, client.config.store_name)))
    remove_store(store, ours)
