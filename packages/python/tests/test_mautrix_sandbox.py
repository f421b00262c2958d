"""`matrix_qr.mautrix` and its example, with the real program and the homeserver of its sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from bots import OLD_MESSAGE, ask, assert_cross_signed, bot, devices, friend, sign_in_by_its_code
from mautrix.client import Client
from sandbox import Sandbox, running

import matrix_qr.mautrix

#: How long access tokens live, in seconds.
TOKEN_LIFETIME = 8


@pytest.fixture
def sandbox(program: str, tmp_path: Path) -> Iterator[Sandbox]:
    lifetime = f"--token-lifetime={TOKEN_LIFETIME}"
    with running(program, tmp_path / "sandbox", lifetime) as sandbox:
        yield sandbox


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
