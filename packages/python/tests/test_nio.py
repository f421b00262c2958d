"""`matrix_qr.nio` with a homeserver of the test's own. Here the test is the helper."""

# ruff: noqa: ASYNC240 -- the files are few, and on a local disk
from __future__ import annotations

import asyncio
import base64
import contextlib
import dataclasses
import fcntl
import stat
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import nio
import pytest
import pytest_asyncio
from homeserver import DEVICE, ROOM, USER, Helper, OldRoom, Server, assert_signed
from homeserver import running as serving
from nio.crypto import OlmDevice

import matrix_qr.nio
from matrix_qr import errors, session
from matrix_qr._nio_keys import NioKeys


@pytest_asyncio.fixture
async def server() -> AsyncIterator[Server]:
    async with serving() as server:
        yield server


@pytest.fixture
def helper(server: Server, monkeypatch: pytest.MonkeyPatch) -> Helper:
    helper = Helper(server)
    helper.takes_over(monkeypatch, matrix_qr.nio)
    return helper


NewClient = Callable[[], nio.AsyncClient]


@pytest_asyncio.fixture
async def new_client() -> AsyncIterator[NewClient]:
    clients: list[nio.AsyncClient] = []

    def new() -> nio.AsyncClient:
        config = nio.AsyncClientConfig(store_sync_tokens=True, backoff_factor=0.001)
        clients.append(nio.AsyncClient("example.org", config=config))
        return clients[-1]

    yield new
    for client in clients:
        await client.close()
        if client.store:
            client.store.database.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "bot"


async def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(work: Awaitable[Any]) -> AsyncIterator[None]:
    task = asyncio.ensure_future(work)
    try:
        yield
        assert not task.done(), task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_nio_makes_the_keys_of_the_upload(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    signed_in = await matrix_qr.nio.sign_in(client, directory)
    assert (signed_in.user_id, client.user_id) == (USER, USER)
    assert client.device_id == DEVICE
    [body] = helper.server.uploads
    device_keys = body["device_keys"]
    assert client.olm
    own = client.olm.account.identity_keys
    assert device_keys["keys"] == {
        f"ed25519:{DEVICE}": own["ed25519"],
        f"curve25519:{DEVICE}": own["curve25519"],
    }
    assert (device_keys["user_id"], device_keys["device_id"]) == (USER, DEVICE)
    assert set(device_keys["algorithms"]) == {
        "m.olm.v1.curve25519-aes-sha2",
        "m.megolm.v1.aes-sha2",
    }
    assert_signed(device_keys, own["ed25519"])
    assert len(body["one_time_keys"]) == 50
    for one_time_key in body["one_time_keys"].values():
        assert_signed(one_time_key, own["ed25519"])


async def test_the_homeserver_is_the_clients_unless_another_is_given(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory / "1", device_name="bot")
    assert helper.asked["homeserver"] == "example.org"
    assert helper.asked["device_name"] == "bot"
    # What the homeserver's API is at, without the slash with which nio begins its paths.
    assert client.homeserver == helper.server.url
    await matrix_qr.nio.sign_in(new_client(), directory / "2", scan=True)
    assert (helper.asked["homeserver"], helper.asked["scan"]) == (None, True)
    await matrix_qr.nio.sign_in(new_client(), directory / "3", homeserver="other.org")
    assert helper.asked["homeserver"] == "other.org"


async def test_device_keys_are_uploaded_once(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    assert not client.should_upload_keys
    async with running(client.sync_forever(timeout=30_000)):
        server.timeline.put_nowait([])
        await until(lambda: client.next_batch != "")
        assert len(server.uploads) == 1
        # Another device has taken some.
        server.one_time_keys = 20
        server.timeline.put_nowait([])
        await until(lambda: len(server.uploads) == 2)
    assert server.one_time_keys == 50
    await until(lambda: server.waiting == 0)
    again = new_client()
    await matrix_qr.nio.restore_login(again, directory)
    async with running(again.sync_forever(timeout=30_000)):
        server.timeline.put_nowait([])
        await until(lambda: again.next_batch != "")
    assert [list(body) for body in server.uploads] == [
        ["device_keys", "one_time_keys"],
        ["one_time_keys"],
    ]


async def test_one_time_keys_that_ran_out_are_replaced_after_a_restart(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    await matrix_qr.nio.sign_in(new_client(), directory)
    server.one_time_keys = 0
    client = new_client()
    await matrix_qr.nio.restore_login(client, directory)
    async with running(client.sync_forever(timeout=30_000)):
        server.timeline.put_nowait([])
        await until(lambda: len(server.uploads) == 2)
    assert list(server.uploads[1]) == ["one_time_keys"]
    assert server.one_time_keys == 50


async def test_old_messages_are_read_with_keys_of_the_backup(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    room = OldRoom()
    old = [room.message("one"), room.message("two")]
    helper.session.room_keys = [room.room_key()]
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    restored = await matrix_qr.nio.restore_keys(client, directory)
    assert restored == session.RestoredKeys(1, 0, None)
    assert await bodies(client, server, old) == ["one", "two"]

    again = new_client()
    await matrix_qr.nio.restore_login(again, directory)
    assert await bodies(again, server, [*old, room.message("three")]) == ["one", "two", "three"]


async def bodies(
    client: nio.AsyncClient, server: Server, events: list[dict[str, Any]]
) -> list[str]:
    """What nio reads of a timeline."""
    seen: list[str] = []

    async def see(_room: nio.MatrixRoom, event: Any) -> None:
        seen.append(event.body)

    client.add_event_callback(see, nio.RoomMessageText)
    server.timeline.put_nowait(events)
    await client.sync()
    return seen


async def test_a_key_of_the_backup_proves_no_sender(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    forged, passed_on = OldRoom(), OldRoom()
    helper.session.room_keys = [
        forged.room_key(),
        passed_on.room_key(forwarding_curve25519_key_chain=["a", "b"]),
    ]
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    await matrix_qr.nio.restore_keys(client, directory)
    assert client.olm
    device = OlmDevice(
        USER,
        "OTHER",
        {
            "ed25519": forged.sender.ed25519_key.to_base64(),
            "curve25519": forged.sender.curve25519_key.to_base64(),
        },
    )
    client.olm.device_store.add(device)
    client.verify_device(device)
    event = nio.Event.parse_encrypted_event(forged.message("forged"))
    assert isinstance(event, nio.MegolmEvent)
    event.room_id = ROOM
    message = client.decrypt_event(event)
    assert isinstance(message, nio.RoomMessageText)
    assert (message.body, message.verified) == ("forged", False)
    chains = {session.id: session.forwarding_chain for session in client.olm.inbound_group_store}
    assert chains[passed_on.sending.session_id] == ["a", "b"]


async def test_unreadable_room_keys_are_left_out(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    good, other = OldRoom(), OldRoom()
    helper.session.room_keys = [
        other.room_key(session_key="AAAA"),
        other.room_key(session_key="not base64!"),
        other.room_key(session_id=good.sending.session_id),
        other.room_key(sender_claimed_keys={}),
        other.room_key(algorithm="m.megolm.v2.aes-sha2"),
        good.room_key(),
    ]
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    await matrix_qr.nio.restore_keys(client, directory)
    assert client.olm
    [session] = client.olm.inbound_group_store
    assert session.id == good.sending.session_id


async def test_only_a_key_that_reaches_further_back_replaces_one(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    room = OldRoom()
    event = room.message("one")
    room.message("two")
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    holder = NioKeys(client, directory / "nio")

    def first_known() -> int:
        assert client.olm and client.store
        [session] = client.olm.inbound_group_store
        [stored] = client.store.load_inbound_group_sessions()
        assert session.first_known_index == stored.first_known_index
        return int(session.first_known_index)

    await holder.room_keys([room.room_key(2)])
    assert first_known() == 2
    # The ID, the index and the public key of this session, with another ratchet.
    exported = from_base64(room.room_key(1)["session_key"])
    forged = exported[:5] + bytes(128) + exported[133:]
    await holder.room_keys([room.room_key(session_key=to_base64(forged))])
    assert first_known() == 2
    await holder.room_keys([room.room_key(0)])
    assert first_known() == 0
    await holder.room_keys([room.room_key(1)])
    assert first_known() == 0
    assert client.olm
    session = next(iter(client.olm.inbound_group_store))
    assert "one" in session.decrypt(event["content"]["ciphertext"])[0]


def from_base64(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def to_base64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


async def test_only_the_backups_key_is_kept_until_the_backup_is_restored(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    kept = directory / "nio" / "backup-key.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    for file in kept.parent.iterdir():
        assert helper.account.private.self_signing_key.encode() not in file.read_bytes()
    helper.session.fails = [errors.NetworkFailed("no", code=9)]
    with pytest.raises(errors.NetworkFailed):
        await matrix_qr.nio.restore_keys(client, directory)
    again = new_client()
    await matrix_qr.nio.restore_login(again, directory)
    assert await matrix_qr.nio.restore_keys(again, directory)
    assert not kept.exists()
    assert await matrix_qr.nio.restore_keys(again, directory) is None


async def test_secrets_without_use_are_not_kept(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    helper.backup = None
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    assert not (directory / "nio" / "backup-key.json").exists()
    assert await matrix_qr.nio.restore_keys(client, directory) is None
    for file in (directory / "nio").iterdir():
        assert helper.account.private.master_key.encode() not in file.read_bytes()


async def test_it_goes_on_from_disk(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    server.timeline.put_nowait([])
    await client.sync()
    assert client.olm and client.store
    own, token = client.olm.account.identity_keys, client.next_batch
    await client.close()
    client.store.database.close()

    again = new_client()
    await matrix_qr.nio.restore_login(again, directory)
    assert again.olm
    assert (again.user_id, again.device_id) == (USER, DEVICE)
    assert again.olm.account.identity_keys == own
    assert again.loaded_sync_token == token
    assert again.homeserver == server.url
    rooms = await again.joined_rooms()
    assert isinstance(rooms, nio.JoinedRoomsResponse)


@pytest.mark.parametrize("files", [[], [f"{USER}_{DEVICE}.db"]])
async def test_without_its_keys_nio_makes_no_others(
    files: list[str], helper: Helper, new_client: NewClient, directory: Path
) -> None:
    directory.mkdir()
    for file in files:
        (directory / "nio").mkdir(mode=0o700)
        (directory / "nio" / file).touch()
    client = new_client()
    with pytest.raises(errors.NotReady, match="nio's keys of the device BOTDEVICE are not in"):
        await matrix_qr.nio.restore_login(client, directory)
    assert (client.olm, client.access_token, client.store_path) == (None, "", "")
    with pytest.raises(nio.LocalProtocolError):
        await client.keys_upload()


async def test_a_token_is_renewed_before_it_ends(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    await client.joined_rooms()
    assert helper.session.last
    soon = int(time.time()) + 4
    helper.session.last = dataclasses.replace(helper.session.last, expires_at=soon)
    await client.joined_rooms()
    assert server.requests == [("joined_rooms", "token-1"), ("joined_rooms", "token-2")]
    assert client.access_token == "token-2"


async def test_a_refused_token_is_replaced_and_the_request_repeated(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    server.token = "another"
    rooms = await client.joined_rooms()
    assert isinstance(rooms, nio.JoinedRoomsResponse)
    assert server.requests == [("joined_rooms", "token-1"), ("joined_rooms", "token-2")]

    again = new_client()
    await matrix_qr.nio.restore_login(again, directory)
    server.token = "another"
    assert isinstance(await again.joined_rooms(), nio.JoinedRoomsResponse)


async def test_a_long_poll_outlasts_its_token(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    async with running(client.sync_forever(timeout=30_000)):
        server.timeline.put_nowait([])
        await until(lambda: len(server.requests) == 2)
        server.token = "another"
        server.timeline.put_nowait([])
        await until(lambda: len(server.requests) == 4)
        server.timeline.put_nowait([])
        await until(lambda: len(server.requests) == 5)
    assert [token for _, token in server.requests] == [
        "token-1",
        "token-1",
        "token-1",
        "token-2",
        "token-2",
    ]


async def test_other_refusals_are_left_to_nio(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    server.answers["devices/OTHER"] = 401, {"flows": [], "session": "1", "params": {}}
    await client.update_device("OTHER", {"display_name": "x"})
    assert server.requests == [("devices/OTHER", "token-1")]


async def test_a_token_that_cannot_be_had_now_is_asked_for_again(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    helper.session.fails = [
        errors.NetworkFailed("no network", code=9),
        errors.ServerFailed("502", code=8),
    ]
    assert isinstance(await client.joined_rooms(), nio.JoinedRoomsResponse)


async def test_the_end_of_the_session_ends_the_sync(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    helper.session.fails = [errors.MatrixQrError("this session has ended", code=1)]
    with pytest.raises(errors.MatrixQrError, match="this session has ended"):
        await client.sync_forever()


async def test_a_request_without_a_token_gets_none(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    answer = await client.send("get", "/_matrix/client/v3/joined_rooms")
    assert answer.status == 401
    assert server.requests == [("joined_rooms", "")]


@pytest.mark.parametrize("step", ["device_keys", "keep"])
async def test_a_sign_in_that_fails_leaves_nothing(
    step: str, helper: Helper, new_client: NewClient, directory: Path
) -> None:
    helper.fails_after = step
    client = new_client()
    with pytest.raises(errors.MatrixQrError):
        await matrix_qr.nio.sign_in(client, directory)
    assert not directory.exists()
    assert (client.access_token, client.user_id, client.olm) == ("", "", None)
    helper.fails_after = None
    await matrix_qr.nio.sign_in(client, directory)
    assert helper.asked["homeserver"] == "example.org"
    assert isinstance(await client.joined_rooms(), nio.JoinedRoomsResponse)


async def test_a_device_that_is_complete_stays_when_it_is_cancelled(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    helper.fails_after = "everything"
    client = new_client()
    with pytest.raises(asyncio.CancelledError):
        await matrix_qr.nio.sign_in(client, directory)
    await matrix_qr.nio.restore_login(client, directory)
    assert isinstance(await client.joined_rooms(), nio.JoinedRoomsResponse)


async def test_a_bad_answer_to_the_upload_ends_the_sign_in(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    client.store_path = str(directory / "nio")
    directory.mkdir()
    holder = NioKeys(client, directory / "nio")
    device = helper.verified(await holder.device_keys(USER, DEVICE))
    vars(device)["uploaded"] = {"one_time_key_counts": "many"}
    with pytest.raises(ValueError, match="no counts"):
        await holder.keep(device)
    assert client.access_token == ""


async def test_the_keys_of_a_session_outlive_a_second_sign_in(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    await matrix_qr.nio.sign_in(new_client(), directory)
    with pytest.raises(errors.MatrixQrError, match="not empty"):
        await matrix_qr.nio.sign_in(new_client(), directory)
    await matrix_qr.nio.restore_login(new_client(), directory)


async def test_what_a_killed_sign_in_left_is_cleared(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    await matrix_qr.nio.sign_in(new_client(), directory)
    (directory / "session.json").unlink()
    (directory / "session.lock").touch()
    with (directory / "session.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        # It is not dead.
        with pytest.raises(errors.MatrixQrError, match="not empty"):
            await matrix_qr.nio.sign_in(new_client(), directory)
    await matrix_qr.nio.sign_in(new_client(), directory)


async def test_files_of_others_are_not_removed(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    (directory / "nio").mkdir(parents=True)
    # A store of another sign-in of the library, which this package did not make.
    others = [directory / "nio" / name for name in ("README.md", "@bot:example.org_DEVICE.db")]
    for file in others:
        file.touch()
    with pytest.raises(errors.MatrixQrError, match="not empty"):
        await matrix_qr.nio.sign_in(new_client(), directory)
    assert all(file.exists() for file in others)


async def test_keys_of_a_session_that_is_over_can_be_removed(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    helper.session.fails = [errors.NotReady("this session has ended")]
    with pytest.raises(errors.NotReady):
        await matrix_qr.nio.logout(client, directory)
    assert directory.exists() and helper.session.contacts_servers
    await matrix_qr.nio.logout(client, directory, local=True)
    assert not directory.exists() and not helper.session.contacts_servers


async def test_nothing_is_left_after_a_logout(
    helper: Helper, server: Server, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    await client.joined_rooms()
    await matrix_qr.nio.logout(client, directory)
    assert not directory.exists()
    assert (client.access_token, client.olm, client.client_session) == ("", None, None)
    # The client asks this session for no more tokens.
    assert "send" not in vars(client)
    await matrix_qr.nio.sign_in(client, directory)
    assert isinstance(await client.joined_rooms(), nio.JoinedRoomsResponse)


async def test_a_client_in_use_is_refused(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    client.access_token = "old"
    with pytest.raises(ValueError, match="signed in already"):
        await matrix_qr.nio.sign_in(client, directory)
    client = new_client()
    client.store_path = "/elsewhere"
    with pytest.raises(ValueError, match="leave store_path empty"):
        await matrix_qr.nio.sign_in(client, directory)
    client = nio.AsyncClient("example.org", config=nio.AsyncClientConfig(encryption_enabled=False))
    with pytest.raises(ValueError, match=r"matrix-nio\[e2e\]"):
        await matrix_qr.nio.sign_in(client, directory)
    assert not directory.exists()


async def test_keys_that_others_can_read_are_not_used(
    helper: Helper, new_client: NewClient, directory: Path
) -> None:
    client = new_client()
    await matrix_qr.nio.sign_in(client, directory)
    kept = directory / "nio" / "backup-key.json"
    kept.chmod(0o644)
    with pytest.raises(errors.MatrixQrError, match="chmod 600"):
        await matrix_qr.nio.restore_keys(client, directory)
    kept.chmod(0o600)
    kept.parent.chmod(0o755)
    with pytest.raises(errors.MatrixQrError, match="chmod 700"):
        await matrix_qr.nio.restore_login(new_client(), directory)
    kept.parent.chmod(0o700)
    await matrix_qr.nio.restore_login(new_client(), directory)
