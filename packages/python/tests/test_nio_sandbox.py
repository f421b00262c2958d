"""`matrix_qr.nio` and its example, with the real program and the homeserver of its sandbox."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import nio
import pytest
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
from sandbox import Sandbox, running

import matrix_qr.nio

#: How long access tokens live, in seconds.
TOKEN_LIFETIME = 10
KEYS = "matrix_qr._nio_keys.NioKeys"


@pytest.fixture
def sandbox(program: str, tmp_path: Path) -> Iterator[Sandbox]:
    lifetime = f"--token-lifetime={TOKEN_LIFETIME}"
    with running(program, tmp_path / "sandbox", lifetime) as sandbox:
        yield sandbox


async def test_the_example_from_its_first_sign_in_to_its_logout(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    directory = tmp_path / "bot"
    async with bot("nio", sandbox, directory) as first:
        granted = await sign_in_by_its_code(sandbox, first)
        assert granted.verified
        ready = await first.line(sandbox.user_id)
        assert ready == f"{sandbox.user_id} is ready, on {granted.device_id}"
        [room_id] = (await ask(sandbox, "joined_rooms"))["joined_rooms"]
        assert f"{room_id} {sandbox.user_id}: {OLD_MESSAGE}\n" in first.lines
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

    async with bot("nio", sandbox, directory) as second:
        assert await second.line(sandbox.user_id) == ready
        async with friend(sandbox, tmp_path / "another") as other:
            await other.ping()
    after = await ask(sandbox, "keys/query", {"device_keys": {sandbox.user_id: []}})
    assert_cross_signed(after, sandbox.user_id, granted.device_id)

    client = nio.AsyncClient(sandbox.homeserver)
    await matrix_qr.nio.restore_login(client, directory, **sandbox.options)
    await matrix_qr.nio.logout(client, directory, **sandbox.options)
    assert not directory.exists()
    assert granted.device_id not in await devices(sandbox)


async def test_a_scanned_code_and_old_messages(sandbox: Sandbox, tmp_path: Path) -> None:
    directory = tmp_path / "bot"
    client = nio.AsyncClient(sandbox.homeserver)
    signed_in = await sign_in_by_scanning(
        sandbox, functools.partial(matrix_qr.nio.sign_in, client, directory)
    )
    assert signed_in.backup.connected
    restored = await matrix_qr.nio.restore_keys(client, directory, **sandbox.options)
    assert restored is not None
    assert (restored.keys, restored.undecryptable) == (1, 0)
    await client.sync()
    [room_id] = client.rooms
    page = await client.room_messages(room_id, "", limit=10)
    assert isinstance(page, nio.RoomMessagesResponse)
    assert OLD_MESSAGE in [getattr(event, "body", None) for event in page.chunk]
    await matrix_qr.nio.logout(client, directory, program=sandbox.program, allow_loopback_http=True)
    assert not directory.exists()


async def test_a_bot_that_was_killed_at_its_sign_in(sandbox: Sandbox, tmp_path: Path) -> None:
    directory = tmp_path / "bot"
    before = await kill_at_its_sign_in("nio", sandbox, directory, f"{KEYS}.keep")
    kept = sorted(file.suffix for file in (directory / "nio").iterdir())
    assert kept == ["", ".db"], "the store, and the mark that it is ours"
    async with bot("nio", sandbox, directory) as second:
        granted = await sign_in_by_its_code(sandbox, second)
        await second.line(sandbox.user_id)
    assert await devices(sandbox) == before | {granted.device_id}


async def test_a_bot_that_was_killed_after_its_sign_in_reads_old_messages(
    sandbox: Sandbox, tmp_path: Path
) -> None:
    directory = tmp_path / "bot"
    async with bot("nio", sandbox, directory, killed=f"{KEYS}.room_keys") as first:
        granted = await sign_in_by_its_code(sandbox, first)
    async with bot("nio", sandbox, directory) as second:
        ready = await second.line(sandbox.user_id)
        assert ready == f"{sandbox.user_id} is ready, on {granted.device_id}"
        assert any(line.endswith(f"{OLD_MESSAGE}\n") for line in second.lines), second.lines


async def test_a_session_that_was_ended_elsewhere(sandbox: Sandbox, tmp_path: Path) -> None:
    client = nio.AsyncClient(sandbox.homeserver)
    await sign_in_by_scanning(
        sandbox, functools.partial(matrix_qr.nio.sign_in, client, tmp_path / "bot")
    )
    headers = {"Authorization": f"Bearer {client.access_token}"}
    url = f"{sandbox.homeserver}_matrix/client/v3/logout"
    async with aiohttp.ClientSession(headers=headers) as http, http.post(url) as answer:
        assert answer.status == 200
    with pytest.raises(matrix_qr.NotReady, match="this session has ended"):
        await client.sync_forever()
    await client.close()
    assert client.store
    client.store.database.close()
