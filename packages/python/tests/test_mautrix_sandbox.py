"""`matrix_qr.mautrix` and its example, with the real program and the homeserver of its sandbox."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from bots import (
    OLD_MESSAGE,
    ask,
    assert_cross_signed,
    bot,
    devices,
    friend,
    kill_at_its_sign_in,
    sign_in_by_its_code,
    sign_in_by_scanning,
)
from fake_helper import EVIL, HARMLESS
from mautrix.client import Client
from mautrix.types import EventType, MessageEvent, TrustState, UserID
from sandbox import Sandbox, running

import matrix_qr.mautrix

# mautrix uses what it and newer versions of Python call deprecated.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

#: How long access tokens live, in seconds.
TOKEN_LIFETIME = 10
KEYS = "matrix_qr._mautrix_keys.MautrixKeys"


@pytest.fixture
def sandbox(program: str, tmp_path: Path) -> Iterator[Sandbox]:
    lifetime = f"--token-lifetime={TOKEN_LIFETIME}"
    with running(program, tmp_path / "sandbox", lifetime) as sandbox:
        yield sandbox


@pytest_asyncio.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[Client]:
    client = Client(base_url=sandbox.homeserver)
    yield client
    await matrix_qr.mautrix.close(client)


async def test_the_example_from_its_first_sign_in_to_its_logout(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    directory = tmp_path / "bot"
    async with bot("mautrix", sandbox, directory) as first:
        granted = await sign_in_by_its_code(sandbox, first)
        assert granted.verified
        ready = await first.line(sandbox.user_id)
        assert ready == f"{sandbox.user_id} is ready, on {granted.device_id}"
        [room_id] = (await ask(sandbox, "joined_rooms"))["joined_rooms"]
        await first.line(f"{room_id} {sandbox.user_id}: {OLD_MESSAGE}")
        published = await ask(sandbox, "keys/query", {"device_keys": {sandbox.user_id: []}})
        assert_cross_signed(published, sandbox.user_id, granted.device_id)

        async with friend(sandbox, tmp_path / "friend") as other:
            await other.ping()
            # Over the end of its token, while it waits for messages.
            await asyncio.sleep(TOKEN_LIFETIME + 1)
            await other.ping()
            # What steers a terminal is not shown as it is.
            await other.say(EVIL)
            await first.line(f"{room_id} {sandbox.user_id}: {HARMLESS}")

    async with bot("mautrix", sandbox, directory) as second:
        assert await second.line(sandbox.user_id) == ready
        async with friend(sandbox, tmp_path / "another") as other:
            await other.ping()
    after = await ask(sandbox, "keys/query", {"device_keys": {sandbox.user_id: []}})
    assert_cross_signed(after, sandbox.user_id, granted.device_id)

    client = Client(base_url=sandbox.homeserver)
    await matrix_qr.mautrix.restore_login(client, directory, **sandbox.options)
    await matrix_qr.mautrix.logout(client, directory, **sandbox.options)
    assert not directory.exists()
    assert granted.device_id not in await devices(sandbox)


async def test_a_scanned_code_and_old_messages(
    sandbox: Sandbox, client: Client, tmp_path: Path
) -> None:
    directory = tmp_path / "bot"
    signed_in = await sign_in_by_scanning(
        sandbox, functools.partial(matrix_qr.mautrix.sign_in, client, directory)
    )
    assert signed_in.backup.connected
    restored = await matrix_qr.mautrix.restore_keys(client, directory, **sandbox.options)
    assert restored is not None
    assert (restored.keys, restored.undecryptable) == (1, 0)
    read: asyncio.Queue[MessageEvent] = asyncio.Queue()
    client.add_event_handler(EventType.ROOM_MESSAGE, read.put)
    client.start(None)
    while (event := await asyncio.wait_for(read.get(), 10)).content.body != OLD_MESSAGE:
        pass
    assert event["mautrix"]["trust_state"] == TrustState.FORWARDED
    await matrix_qr.mautrix.logout(client, directory, **sandbox.options)
    assert not directory.exists()


async def test_mautrix_trusts_the_devices_of_the_account(
    sandbox: Sandbox, client: Client, tmp_path: Path
) -> None:
    """From what the homeserver publishes."""
    await sign_in_by_scanning(
        sandbox, functools.partial(matrix_qr.mautrix.sign_in, client, tmp_path / "bot")
    )
    machine = client.crypto
    assert machine is not None
    found = await machine._fetch_keys([UserID(sandbox.user_id)], include_untracked=True)
    identities = found[UserID(sandbox.user_id)]
    assert set(identities) == await devices(sandbox)
    for identity in identities.values():
        assert await machine.resolve_trust(identity) == TrustState.CROSS_SIGNED_TOFU


async def test_the_bot_helps_another_device(
    sandbox: Sandbox, client: Client, tmp_path: Path
) -> None:
    directory = tmp_path / "bot"
    await sign_in_by_scanning(
        sandbox, functools.partial(matrix_qr.mautrix.sign_in, client, directory)
    )
    holder = matrix_qr.mautrix.MautrixKeys(client, directory)
    other = await sign_in_by_scanning(
        sandbox,
        functools.partial(matrix_qr.sign_in, tmp_path / "other"),
        functools.partial(matrix_qr.grant, directory, keys=holder),
    )
    assert other.backup.connected
    published = await ask(sandbox, "keys/query", {"device_keys": {sandbox.user_id: []}})
    assert_cross_signed(published, sandbox.user_id, other.device_id)


async def test_a_bot_that_was_killed_at_its_sign_in(sandbox: Sandbox, tmp_path: Path) -> None:
    directory = tmp_path / "bot"
    before = await kill_at_its_sign_in("mautrix", sandbox, directory, f"{KEYS}.keep")
    assert (directory / "mautrix" / "mautrix.db").exists()
    async with bot("mautrix", sandbox, directory) as second:
        granted = await sign_in_by_its_code(sandbox, second)
        await second.line(sandbox.user_id)
    assert await devices(sandbox) == before | {granted.device_id}


async def test_a_bot_that_was_killed_after_its_sign_in_reads_old_messages(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    directory = tmp_path / "bot"
    async with bot("mautrix", sandbox, directory, killed=f"{KEYS}.room_keys") as first:
        granted = await sign_in_by_its_code(sandbox, first)
    async with bot("mautrix", sandbox, directory) as second:
        ready = await second.line(sandbox.user_id)
        assert ready == f"{sandbox.user_id} is ready, on {granted.device_id}"
        [room_id] = (await ask(sandbox, "joined_rooms"))["joined_rooms"]
        await second.line(f"{room_id} {sandbox.user_id}: {OLD_MESSAGE}")


async def test_a_session_that_was_ended_elsewhere(
    sandbox: Sandbox, client: Client, tmp_path: Path
) -> None:
    await sign_in_by_scanning(
        sandbox, functools.partial(matrix_qr.mautrix.sign_in, client, tmp_path / "bot")
    )
    headers = {"Authorization": f"Bearer {client.api.token}"}
    url = f"{sandbox.homeserver}_matrix/client/v3/logout"
    async with aiohttp.ClientSession(headers=headers) as http, http.post(url) as answer:
        assert answer.status == 200
    task = client.start(None)
    await asyncio.wait([task], timeout=10)
    assert task.done()
