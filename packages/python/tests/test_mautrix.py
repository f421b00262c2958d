"""`matrix_qr.mautrix` with a homeserver of the test's own. Here the test is the helper."""

# ruff: noqa: ASYNC240 -- the files are few, and on a local disk
from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import fcntl
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import ClientResponseError
from homeserver import (
    DEVICE,
    ROOM,
    USER,
    Account,
    Helper,
    OldRoom,
    Server,
    assert_signed,
    running,
    sign,
)
from mautrix.api import Method
from mautrix.api import Path as ApiPath
from mautrix.client import Client
from mautrix.crypto import InboundGroupSession, OlmAccount, OlmMachine, PgCryptoStore
from mautrix.errors import MatrixConnectionError, MUnknownToken
from mautrix.types import (
    ContentURI,
    DeviceID,
    DeviceIdentity,
    EventType,
    IdentityKey,
    MessageEvent,
    RoomID,
    SessionID,
    SigningKey,
    TrustState,
    UserID,
)

import matrix_qr.mautrix
from matrix_qr import errors
from matrix_qr.mautrix import MautrixKeys

# mautrix uses what it and newer versions of Python call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ROOMS = ApiPath.v3.joined_rooms


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    async with running() as server:
        yield server


@pytest.fixture
def helper(server: Server, monkeypatch: pytest.MonkeyPatch) -> Helper:
    helper = Helper(server)
    helper.takes_over(monkeypatch, matrix_qr.mautrix)
    return helper


NewClient = Callable[[], Client]


@pytest_asyncio.fixture
async def new_client() -> AsyncIterator[NewClient]:
    clients: list[Client] = []

    def new() -> Client:
        clients.append(Client(base_url="example.org"))
        return clients[-1]

    yield new
    for client in clients:
        await matrix_qr.mautrix.close(client)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "bot"


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def syncing(client: Client) -> AsyncIterator[None]:
    task = client.start(None)
    try:
        yield
        assert not task.done(), task
    finally:
        client.stop()
        await task


def machine_of(client: Client) -> OlmMachine:
    machine: OlmMachine | None = client.crypto
    assert machine
    return machine


async def own_trust(client: Client) -> TrustState:
    machine = machine_of(client)
    return await machine.resolve_trust(machine.own_identity, allow_fetch=False)


async def test_mautrix_makes_the_keys_of_the_upload(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    signed_in = await matrix_qr.mautrix.sign_in(client, directory)
    assert (signed_in.user_id, client.mxid) == (USER, USER)
    assert client.device_id == DEVICE
    [body] = helper.server.uploads
    device_keys = body["device_keys"]
    own = machine_of(client).own_identity
    assert device_keys["keys"] == {
        f"ed25519:{DEVICE}": own.signing_key,
        f"curve25519:{DEVICE}": own.identity_key,
    }
    assert (device_keys["user_id"], device_keys["device_id"]) == (USER, DEVICE)
    assert set(device_keys["algorithms"]) == {
        "m.olm.v1.curve25519-aes-sha2",
        "m.megolm.v1.aes-sha2",
    }
    assert_signed(device_keys, own.signing_key)
    assert len(body["one_time_keys"]) == 50
    for one_time_key in body["one_time_keys"].values():
        assert_signed(one_time_key, own.signing_key)


async def test_the_homeserver_is_the_clients_unless_another_is_given(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory / "1", device_name="bot")
    assert helper.asked["homeserver"] == "example.org"
    assert helper.asked["device_name"] == "bot"
    assert str(client.api.base_url) == helper.server.url + "/"
    await matrix_qr.mautrix.sign_in(new_client(), directory / "2", scan=True)
    assert (helper.asked["homeserver"], helper.asked["scan"]) == (None, True)
    await matrix_qr.mautrix.sign_in(new_client(), directory / "3", homeserver="other.org")
    assert helper.asked["homeserver"] == "other.org"


async def test_device_keys_are_uploaded_once(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    async with syncing(client):
        server.timeline.put_nowait([])
        await until(lambda: server.waiting == 1 and len(server.requests) == 2)
        assert len(server.uploads) == 1
        # Another device has taken some.
        server.one_time_keys = 20
        server.timeline.put_nowait([])
        await until(lambda: len(server.uploads) == 2)
    assert server.one_time_keys == 50
    assert [list(body) for body in server.uploads] == [
        ["device_keys", "one_time_keys"],
        ["one_time_keys"],
    ]


async def test_device_keys_are_not_uploaded_after_a_restart(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    await matrix_qr.mautrix.sign_in(new_client(), directory)
    client = new_client()
    await matrix_qr.mautrix.restore_login(client, directory)
    await machine_of(client).share_keys()
    # mautrix asks for the count with an empty upload.
    assert [list(body) for body in server.uploads] == [["device_keys", "one_time_keys"], []]


async def test_the_device_is_trusted_by_mautrix(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    assert await own_trust(client) == TrustState.CROSS_SIGNED_TOFU
    # This needed no request.
    assert server.requests == []
    public = await machine_of(client).get_own_cross_signing_public_keys()
    assert public and public.master_key == helper.account.master.public_key
    again = new_client()
    await matrix_qr.mautrix.restore_login(again, directory)
    assert await own_trust(again) == TrustState.CROSS_SIGNED_TOFU


async def test_other_keys_of_the_account_are_not_trusted(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    """The homeserver shows another identity than the one of the sign-in."""
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    machine = machine_of(client)
    other = Account(first=4)
    device_keys = sign(server.uploads[0]["device_keys"], other.self_signing)
    server.answers["keys/query"] = other.published(device_keys)
    devices = await machine._fetch_keys([UserID(USER)], include_untracked=True)
    trust = await machine.resolve_trust(devices[UserID(USER)][DeviceID(DEVICE)])
    assert trust == TrustState.CROSS_SIGNED_UNTRUSTED


@pytest.mark.parametrize("key", ["self_signing_key", "device_keys"])
async def test_a_device_that_mautrix_does_not_trust_is_not_kept(
    key: str, helper: Helper, new_client: NewClient, directory: Path
) -> None:
    directory.mkdir()
    client = new_client()
    holder = MautrixKeys(client, directory)
    device = helper.verified(await holder.device_keys(USER, DEVICE))
    signed = device.device_keys if key == "device_keys" else vars(device.identity)[key]
    signed["signatures"][USER] = {}
    with pytest.raises(KeyError):
        await holder.keep(device)
    assert client.api.token == ""


async def test_a_device_whose_signatures_are_not_stored_is_not_kept(
    helper: Helper, new_client: NewClient, directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mautrix only logs it when it cannot store them."""

    async def fails(*_: Any) -> None:
        pass

    monkeypatch.setattr(PgCryptoStore, "put_signature", fails)
    with pytest.raises(ValueError, match="does not regard this device as verified"):
        await matrix_qr.mautrix.sign_in(new_client(), directory)
    assert not directory.exists()


@pytest.mark.parametrize("restarts", [False, True])
async def test_another_device_is_verified(
    restarts: bool, helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    """mautrix has the private keys."""
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    if restarts:
        client = new_client()
        await matrix_qr.mautrix.restore_login(client, directory)
    other = OlmAccount()
    device_keys = other.get_device_keys(UserID(USER), DeviceID("OTHER"))
    server.answers["keys/query"] = helper.account.published(device_keys.serialize())
    server.answers["keys/signatures/upload"] = {}
    identity = DeviceIdentity(
        user_id=UserID(USER),
        device_id=DeviceID("OTHER"),
        identity_key=other.identity_key,
        signing_key=other.signing_key,
        trust=TrustState.UNVERIFIED,
        deleted=False,
        name="",
    )
    assert await machine_of(client).resolve_trust(identity) == TrustState.UNVERIFIED
    await machine_of(client).sign_own_device(identity)
    assert await machine_of(client).resolve_trust(identity) == TrustState.CROSS_SIGNED_TOFU
    uploaded = json.loads(server.bodies["keys/signatures/upload"])[USER]["OTHER"]
    expected = sign(device_keys.serialize(), helper.account.self_signing)
    key_id = f"ed25519:{helper.account.self_signing.public_key}"
    assert uploaded["signatures"][USER] == {key_id: expected["signatures"][USER][key_id]}


async def test_files_are_private(helper: Helper, new_client: NewClient, directory: Path) -> None:
    await matrix_qr.mautrix.sign_in(new_client(), directory)
    store = directory / "mautrix"
    assert store.stat().st_mode & 0o777 == 0o700
    names = {file.name for file in store.iterdir()}
    assert names == {".matrix-qr", "mautrix.db", "mautrix.db-wal", "mautrix.db-shm", "secrets.json"}
    for file in store.iterdir():
        assert file.stat().st_mode & 0o777 == 0o600, file


async def test_the_secrets_are_kept(helper: Helper, new_client: NewClient, directory: Path) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    assert await MautrixKeys(client, directory).secrets() == helper.secrets


async def read(client: Client, server: Server, *messages: dict[str, Any]) -> list[MessageEvent]:
    """What the client makes of these messages."""
    events: list[MessageEvent] = []

    async def show(event: MessageEvent) -> None:
        events.append(event)

    client.add_event_handler(EventType.ROOM_MESSAGE, show)
    async with syncing(client):
        server.timeline.put_nowait(list(messages))
        await until(lambda: len(events) == len(messages))
    return sorted(events, key=lambda event: str(event.event_id))


async def test_old_messages_are_decrypted(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    room = OldRoom()
    messages = [room.message("a"), room.message("b")]
    helper.session.room_keys = [room.room_key()]
    server.answers["keys/query"] = helper.account.published()
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    restored = await matrix_qr.mautrix.restore_keys(client, directory)
    assert restored == matrix_qr.RestoredKeys(1, 0, None)
    events = await read(client, server, *messages)
    assert [event.content.body for event in events] == ["a", "b"]

    await until(lambda: server.waiting == 0)
    again = new_client()
    await matrix_qr.mautrix.restore_login(again, directory)
    [event] = await read(again, server, room.message("c"))
    assert event.content.body == "c"


async def test_the_backup_does_not_prove_who_the_sender_is(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    """Whoever can write to the backup can claim the keys of the bot's own device."""
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    own = machine_of(client).own_identity
    device_keys = sign(server.uploads[0]["device_keys"], helper.account.self_signing)
    server.answers["keys/query"] = helper.account.published(device_keys)
    room = OldRoom()
    claim: dict[str, Any] = {
        "sender_key": own.identity_key,
        "sender_claimed_keys": {"ed25519": own.signing_key},
    }
    helper.session.room_keys = [
        room.room_key(**claim, forwarding_curve25519_key_chain=[own.identity_key])
    ]
    await matrix_qr.mautrix.restore_keys(client, directory)
    message = room.message("a")
    message["content"]["device_id"] = DEVICE
    [event] = await read(client, server, message)
    mautrix: Any = event["mautrix"]
    assert mautrix["trust_state"] == TrustState.FORWARDED
    assert mautrix["forwarded_keys"]


async def test_room_keys_that_cannot_be_read_are_left_out(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    room = OldRoom()
    helper.session.room_keys = [
        room.room_key(session_key="AAAA"),
        OldRoom().room_key(session_id=room.sending.session_id),
        room.room_key(sender_claimed_keys={}),
        room.room_key(),
    ]
    await matrix_qr.mautrix.restore_keys(client, directory)
    store = machine_of(client).crypto_store
    [count] = await store.db.fetchrow("SELECT COUNT(*) FROM crypto_megolm_inbound_session")  # type: ignore[attr-defined]
    assert count == 1
    assert await store.has_group_session(RoomID(ROOM), SessionID(room.sending.session_id))


async def test_a_known_room_key_is_replaced_by_an_earlier_one_only(
    helper: Helper, new_client: NewClient, directory: Path, caplog: pytest.LogCaptureFixture
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    room = OldRoom()
    holder = MautrixKeys(client, directory)
    store = machine_of(client).crypto_store

    async def known() -> InboundGroupSession:
        session = await store.get_group_session(RoomID(ROOM), SessionID(room.sending.session_id))
        assert session
        return session

    await holder.room_keys([room.room_key(1)])
    # As if the sender had sent it.
    direct = await known()
    direct.forwarding_chain = []
    await store.put_group_session(RoomID(ROOM), direct.sender_key, SessionID(direct.id), direct)
    # The room key of another ratchet. It cannot decrypt what the known one can.
    forged = bytearray(base64.b64decode(room.room_key()["session_key"] + "=="))
    forged[5] ^= 1
    forged_key = base64.b64encode(forged).decode().rstrip("=")
    for worse in (room.room_key(2), room.room_key(0, session_key=forged_key)):
        await holder.room_keys([worse])
        assert (await known()).first_known_index == 1
    await holder.room_keys([room.room_key(0, sender_key="B" * 43)])
    earlier = await known()
    assert earlier.first_known_index == 0
    assert (earlier.sender_key, earlier.forwarding_chain) == (direct.sender_key, [])
    # None of them could not be read.
    assert caplog.messages == []


async def test_the_backup_is_restored_until_that_has_succeeded_once(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    helper.session.fails = [errors.NetworkFailed("no", code=9)]
    with pytest.raises(errors.NetworkFailed):
        await matrix_qr.mautrix.restore_keys(client, directory)
    next_client = new_client()
    await matrix_qr.mautrix.restore_login(next_client, directory)
    assert await matrix_qr.mautrix.restore_keys(next_client, directory)
    assert await matrix_qr.mautrix.restore_keys(next_client, directory) is None
    assert await matrix_qr.mautrix.restore_keys(next_client, directory, again=True)
    await matrix_qr.mautrix.logout(next_client, directory)
    assert not directory.exists()


async def test_without_the_backups_key_nothing_is_restored(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    helper.backup = None
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    assert await matrix_qr.mautrix.restore_keys(client, directory) is None


class OtherDevice:
    """A device that sends the key of its room to the bot."""

    def __init__(self, client: Client, server: Server) -> None:
        self.account = OlmAccount()
        self.room = OldRoom()
        self.bot = machine_of(client).own_identity
        [one_time_key, *_] = server.uploads[0]["one_time_keys"].values()
        self.session = self.account.new_outbound_session(
            self.bot.identity_key, IdentityKey(one_time_key["key"])
        )

    def key_event(self) -> dict[str, Any]:
        plain = {
            "type": "m.room_key",
            "sender": USER,
            "recipient": USER,
            "recipient_keys": {"ed25519": self.bot.signing_key},
            "keys": {"ed25519": SigningKey(self.account.signing_key)},
            "sender_device": "OTHER",
            "content": {
                "algorithm": "m.megolm.v1.aes-sha2",
                "room_id": ROOM,
                "session_id": self.room.sending.session_id,
                "session_key": self.room.first_key,
            },
        }
        return {
            "type": "m.room.encrypted",
            "sender": USER,
            "content": {
                "algorithm": "m.olm.v1.curve25519-aes-sha2",
                "sender_key": self.account.identity_key,
                "ciphertext": {
                    self.bot.identity_key: self.session.encrypt(json.dumps(plain)).serialize()
                },
            },
        }


async def test_a_message_comes_with_its_key(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    other = OtherDevice(client, server)
    server.answers["keys/query"] = helper.account.published()
    server.answers[f"rooms/{ROOM}/state/m.room.encryption"] = {"algorithm": "m.megolm.v1.aes-sha2"}
    server.to_device = [other.key_event()]
    [event] = await read(client, server, other.room.message("a"))
    assert event.content.body == "a"


async def test_it_goes_on_from_disk(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    own = machine_of(client).own_identity
    async with syncing(client):
        server.timeline.put_nowait([])
        await until(lambda: server.waiting == 1 and len(server.requests) == 2)
    token = await client.sync_store.get_next_batch()
    await matrix_qr.mautrix.close(client)

    again = new_client()
    await matrix_qr.mautrix.restore_login(again, directory)
    assert (again.mxid, again.device_id) == (USER, DEVICE)
    assert machine_of(again).own_identity == own
    assert await machine_of(again).crypto_store.get_device_id() == DEVICE
    assert await again.sync_store.get_next_batch() == token == "s1"
    assert str(again.api.base_url) == server.url + "/"
    await again.api.request(Method.GET, ROOMS)


@pytest.mark.parametrize("store", ["nothing", "another device's"])
async def test_without_its_store_no_new_keys_are_made(
    store: str, helper: Helper, new_client: NewClient, directory: Path
) -> None:
    await matrix_qr.mautrix.sign_in(new_client(), directory)
    if store == "nothing":
        (directory / "mautrix" / "mautrix.db").unlink()
    else:
        client = new_client()
        await matrix_qr.mautrix.restore_login(client, directory)
        await machine_of(client).crypto_store.delete()
    client = new_client()
    with pytest.raises(errors.NotReady, match="mautrix' store of the device BOTDEVICE is missing"):
        await matrix_qr.mautrix.restore_login(client, directory)
    assert client.api.session.closed
    assert (directory / "mautrix" / "mautrix.db").exists() == (store != "nothing")


async def test_a_token_is_renewed_before_it_ends(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    await client.api.request(Method.GET, ROOMS)
    assert helper.session.last
    soon = int(time.time()) + 4
    helper.session.last = dataclasses.replace(helper.session.last, expires_at=soon)
    await client.api.request(Method.GET, ROOMS)
    assert server.requests == [("joined_rooms", "token-1"), ("joined_rooms", "token-2")]


async def test_a_refused_token_is_replaced_and_the_request_repeated(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    server.token = "another"
    await client.api.request(Method.GET, ROOMS)
    assert server.requests == [("joined_rooms", "token-1"), ("joined_rooms", "token-2")]

    again = new_client()
    await matrix_qr.mautrix.restore_login(again, directory)
    server.token = "another"
    await again.api.request(Method.GET, ROOMS)


async def test_a_stream_is_not_repeated(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    async def stream() -> AsyncGenerator[bytes, None]:
        yield b"half"

    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    server.token = "another"
    with pytest.raises(MUnknownToken):
        await client.api.request(Method.POST, ROOMS, stream())
    with pytest.raises(MUnknownToken):
        await client.api.request(Method.POST, ROOMS, content=stream())
    assert len(server.requests) == 2


async def test_downloads_have_valid_tokens(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    picture = ContentURI("mxc://example.org/x")
    server.answers["client/versions"] = {"versions": ["v1.11"]}
    for kind in ("download", "thumbnail"):
        path = f"client/v1/media/{kind}/example.org/x"
        server.answers[path] = b"picture"
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    await client.versions()
    server.token = "another"
    assert await client.download_media(picture) == b"picture"
    server.token = "another"
    assert await client.download_thumbnail(picture) == b"picture"
    assert [token for _, token in server.requests[1:]] == [
        "token-1",
        "token-2",
        "token-2",
        "token-3",
    ]


async def test_other_refusals_are_left_to_mautrix(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    server.answers["client/versions"] = {"versions": ["v1.11"]}
    server.answers["client/v1/media/download/example.org/x"] = 404, {}
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    with pytest.raises(ClientResponseError):
        await client.download_media(ContentURI("mxc://example.org/x"))
    assert len(server.requests) == 2


async def test_a_long_poll_outlasts_its_token(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    async with syncing(client):
        await until(lambda: server.waiting == 1)
        server.token = "another"
        server.timeline.put_nowait([])
        await until(lambda: len(server.requests) == 3)
    assert [token for _, token in server.requests] == ["token-1", "token-1", "token-2"]


async def test_a_token_that_cannot_be_had_now(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    """mautrix waits, and asks again."""
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    for error in (errors.NetworkFailed("no network"), errors.ServerFailed("502")):
        helper.session.fails = [error]
        with pytest.raises(MatrixConnectionError):
            await client.api.request(Method.GET, ROOMS)
    await client.api.request(Method.GET, ROOMS)


async def test_the_end_of_the_session_ends_the_sync(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    helper.session.fails = [errors.NotReady("this session has ended")]
    task = client.start(None)
    await asyncio.wait([task], timeout=3)
    assert task.done()


@pytest.mark.parametrize("step", ["device_keys", "keep"])
async def test_a_sign_in_that_fails_leaves_nothing(
    step: str, helper: Helper, new_client: NewClient, directory: Path
) -> None:
    helper.fails_after = step
    client = new_client()
    with pytest.raises(errors.MatrixQrError):
        await matrix_qr.mautrix.sign_in(client, directory)
    assert not directory.exists()
    assert client.api.session.closed
    helper.fails_after = None
    await matrix_qr.mautrix.sign_in(new_client(), directory)


async def test_a_device_that_is_complete_stays_when_it_is_cancelled(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    helper.fails_after = "everything"
    with pytest.raises(asyncio.CancelledError):
        await matrix_qr.mautrix.sign_in(new_client(), directory)
    client = new_client()
    await matrix_qr.mautrix.restore_login(client, directory)
    await client.api.request(Method.GET, ROOMS)


async def test_the_keys_of_a_session_outlive_a_second_sign_in(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    await matrix_qr.mautrix.sign_in(new_client(), directory)
    with pytest.raises(errors.MatrixQrError, match="not empty"):
        await matrix_qr.mautrix.sign_in(new_client(), directory)
    await matrix_qr.mautrix.restore_login(new_client(), directory)


async def test_what_a_killed_sign_in_left_is_cleared(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    await matrix_qr.mautrix.close(client)
    (directory / "session.json").unlink()
    (directory / "session.lock").touch()
    with (directory / "session.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # It is not dead.
        with pytest.raises(errors.MatrixQrError, match="not empty"):
            await matrix_qr.mautrix.sign_in(new_client(), directory)
        assert (directory / "mautrix" / "mautrix.db").exists()
    await matrix_qr.mautrix.sign_in(new_client(), directory)


async def test_files_of_others_are_not_removed(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    (directory / "mautrix").mkdir(parents=True)
    # A store of another sign-in of the library, which this package did not make.
    others = [directory / "mautrix" / name for name in ("README.md", "mautrix.db")]
    for file in others:
        file.touch()
    with pytest.raises(errors.MatrixQrError, match="not empty"):
        await matrix_qr.mautrix.sign_in(new_client(), directory)
    assert all(file.exists() for file in others)


async def test_keys_of_a_session_that_is_over_can_be_removed(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    helper.session.fails = [errors.NotReady("this session has ended")]
    with pytest.raises(errors.NotReady):
        await matrix_qr.mautrix.logout(client, directory)
    assert directory.exists() and helper.session.contacts_servers
    await matrix_qr.mautrix.logout(client, directory, local=True)
    assert not directory.exists() and not helper.session.contacts_servers


async def test_nothing_is_left_after_a_logout(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    helper.session.fails = [errors.NetworkFailed("no network")]
    with pytest.raises(errors.NetworkFailed):
        await matrix_qr.mautrix.logout(client, directory)
    # It can be repeated.
    await matrix_qr.mautrix.logout(client, directory)
    assert not directory.exists()
    assert client.api.session.closed


async def test_a_client_in_use_is_refused(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    client.api.token = "old"
    with pytest.raises(ValueError, match="signed in already"):
        await matrix_qr.mautrix.sign_in(client, directory)
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory / "1")
    with pytest.raises(ValueError, match="signed in already"):
        await matrix_qr.mautrix.restore_login(client, directory / "1")
    used = new_client()
    used.state_store = client.state_store
    with pytest.raises(ValueError, match="leave state_store empty"):
        await matrix_qr.mautrix.sign_in(used, directory / "2")


async def test_keys_that_others_can_read_are_not_used(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.mautrix.sign_in(client, directory)
    kept = directory / "mautrix" / "secrets.json"
    kept.chmod(0o644)
    with pytest.raises(errors.MatrixQrError, match="chmod 600"):
        await matrix_qr.mautrix.restore_keys(client, directory)
    kept.chmod(0o600)
    kept.parent.chmod(0o755)
    with pytest.raises(errors.MatrixQrError, match="chmod 700"):
        await matrix_qr.mautrix.restore_login(new_client(), directory)
    kept.parent.chmod(0o700)
    await matrix_qr.mautrix.restore_login(new_client(), directory)
