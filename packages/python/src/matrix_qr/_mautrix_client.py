"""A mautrix client with its machine, its stores, and tokens that are valid."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp import ClientResponseError
from mautrix.client import Client, DecryptionDispatcher
from mautrix.crypto import OlmAccount, OlmMachine, PgCryptoStateStore, PgCryptoStore
from mautrix.errors import MatrixConnectionError, MUnknownToken
from mautrix.types import DeviceID, EncryptedEvent, EncryptedMegolmEventContent, UserID
from mautrix.util.async_db import Database
from yarl import URL

from ._files import create_private, make_store, require_private
from .errors import MatrixQrError, NetworkFailed, NotReady, ServerFailed
from .session import Session

#: Where mautrix' stores are, in the session's directory.
STORE = "mautrix"
#: The file with all of them. SQLite has others that begin with its name.
DATABASE = "mautrix.db"
#: mautrix encrypts with it what it pickles. A secret one would have to be beside the database.
_PICKLE_KEY = "matrix-qr"
#: How long a token must last when a request is sent, in seconds. Some servers' live for 15 s only.
GOOD_FOR = 5
#: How long a message may be earlier than its key, in seconds.
_KEY_IS_LATE = 5.0


async def create(client: Client, store: Path, user: UserID, device: DeviceID) -> OlmMachine:
    """Makes an account and its stores, for a new device."""
    _make(store)
    machine = await _open(client, store, user, device)
    await machine.crypto_store.put_device_id(device)
    await machine.load()
    return machine


async def open_again(client: Client, store: Path, user: UserID, device: DeviceID) -> OlmMachine:
    """Goes on with the account and its stores."""
    missing = NotReady(
        f"mautrix' store of the device {device} is missing: {store / DATABASE}",
        code=10,
        advice="Sign this device out, and sign in again.",
    )
    if not (store / DATABASE).exists():
        raise missing
    require_private(store)
    machine = await _open(client, store, user, device)
    # mautrix would make new keys, for a device that has other ones already.
    if await machine.crypto_store.get_account() is None:
        raise missing
    await machine.load()
    return machine


def _make(store: Path) -> None:
    make_store(store)
    # SQLite gives its other files the mode of this one.
    create_private(store / DATABASE)


async def _open(client: Client, store: Path, user: UserID, device: DeviceID) -> OlmMachine:
    database = Database.create(
        URL.build(scheme="sqlite", path=str((store / DATABASE).absolute())),
        upgrade_table=PgCryptoStore.upgrade_table,
        # What is stored is on disk then, after a sign-in and each time that a ratchet goes on.
        db_args={"init_commands": ["PRAGMA synchronous = FULL"]},
    )
    await database.start()
    await PgCryptoStateStore.upgrade_table.upgrade(database)
    crypto_store = PgCryptoStore(f"{user}/{device}", _PICKLE_KEY, database)
    state_store = PgCryptoStateStore(database)
    client.mxid, client.device_id = user, device
    client.sync_store, client.state_store = crypto_store, state_store
    machine = OlmMachine(client, crypto_store, state_store)
    client.crypto = machine
    client.remove_dispatcher(DecryptionDispatcher)
    client.add_dispatcher(_PatientDispatcher)
    return machine


def machine_of(client: Client) -> OlmMachine:
    machine: OlmMachine | None = client.crypto
    if machine is None:
        raise ValueError("this client is not signed in")
    return machine


def account_of(machine: OlmMachine) -> OlmAccount:
    if machine.account is None:
        raise ValueError("mautrix' account is not loaded")
    return machine.account


class _PatientDispatcher(DecryptionDispatcher):
    """Waits for the key of a message: mautrix handles all events of an answer at the same time."""

    async def handle(self, evt: EncryptedEvent) -> None:
        if isinstance(evt.content, EncryptedMegolmEventContent):
            machine, session_id = machine_of(self.client), evt.content.session_id
            if not await machine.crypto_store.has_group_session(evt.room_id, session_id):
                await machine.wait_for_session(evt.room_id, session_id, _KEY_IS_LATE)
        await super().handle(evt)


def keep_token_fresh(client: Client, session: Session) -> None:
    """Gives each request a token that is valid when it is sent.

    mautrix uses one token for ever. All its requests go through `api.request`; downloads alone take
    the token from `api` themselves. Nothing runs in the background: a long poll that outlasts its
    token is answered all the same, and the next request has the next token.
    """

    async def take_token(*, refused: bool) -> None:
        try:
            client.api.token = await session.access_token(GOOD_FOR, fresh=refused)
        except (NetworkFailed, ServerFailed) as error:
            # After this error, mautrix' sync waits and tries again.
            raise MatrixConnectionError(str(error)) from error
        except MatrixQrError as error:
            # This one ends it.
            raise MUnknownToken(401, str(error)) from error

    def with_token(plain: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        @functools.wraps(plain)
        async def ask(*args: Any, **options: Any) -> Any:
            await take_token(refused=False)
            try:
                return await plain(*args, **options)
            except (MUnknownToken, ClientResponseError) as error:
                if not _can_be_repeated(error, [*args, *options.values()]):
                    raise
            await take_token(refused=True)
            return await plain(*args, **options)

        return ask

    for owner, name in (
        (client.api, "request"),
        (client, "download_media"),
        (client, "download_thumbnail"),
    ):
        setattr(owner, name, with_token(getattr(owner, name)))


def _can_be_repeated(error: MUnknownToken | ClientResponseError, sent: list[Any]) -> bool:
    """Whether it was the token. A body that is a stream is used up."""
    if isinstance(error, ClientResponseError) and error.status != 401:
        return False
    return not any(inspect.isasyncgen(value) for value in sent)
