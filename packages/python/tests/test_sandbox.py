"""Real sign-ins: both devices are this package, with the real program and its sandbox."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from people import Agreeing, Consenting
from sandbox import Sandbox, both, running
from terminal import SOURCE

import matrix_qr


@pytest.fixture
def sandbox(program: str, tmp_path: Path) -> Iterator[Sandbox]:
    with running(program, tmp_path / "sandbox") as sandbox:
        yield sandbox


async def new_shows(
    sandbox: Sandbox, directory: Path, new: Agreeing, existing: Agreeing, **options: Any
) -> tuple[matrix_qr.SignedIn, matrix_qr.Granted]:
    """A sign-in in which the new device shows the code."""
    new.other = existing.digits

    existing.seen = new.code
    grant = matrix_qr.grant(sandbox.existing, person=existing, scan=True, **sandbox.options)
    options = {"homeserver": sandbox.homeserver, "device_name": "the bot", **options}
    return await both(matrix_qr.sign_in(directory, person=new, **options, **sandbox.options), grant)


async def existing_shows(
    sandbox: Sandbox, directory: Path, new: Agreeing, existing: Agreeing, **options: Any
) -> tuple[matrix_qr.SignedIn, matrix_qr.Granted]:
    """A sign-in in which the existing device shows the code."""
    existing.other = new.digits

    new.seen = existing.code
    sign_in = matrix_qr.sign_in(
        directory,
        person=new,
        scan=True,
        **{"user": sandbox.user_id, "device_name": "the bot", **options},
        **sandbox.options,
    )
    return await both(
        sign_in, matrix_qr.grant(sandbox.existing, person=existing, **sandbox.options)
    )


async def check(
    sandbox: Sandbox, signed_in: matrix_qr.SignedIn, granted: matrix_qr.Granted
) -> None:
    """What must be true after a sign-in, and after a logout."""
    assert signed_in.user_id == granted.user_id == sandbox.user_id
    assert signed_in.device_id == granted.device_id
    assert signed_in.homeserver == sandbox.homeserver
    assert signed_in.backup.connected and signed_in.backup.version is not None
    assert granted.verified and not granted.too_late_to_cancel
    session = matrix_qr.Session(signed_in.session.directory, **sandbox.options)
    token = await session.token()
    assert (token.user_id, token.device_id) == (signed_in.user_id, signed_in.device_id)
    device = sandbox.get(f"devices/{signed_in.device_id}", token.access_token)
    assert device["display_name"] == "the bot"
    restored = await session.restore_keys()
    assert restored == matrix_qr.RestoredKeys(restored.keys, 0, None)
    assert restored.keys > 0
    await session.logout()
    assert signed_in.device_id not in await devices(sandbox)
    with pytest.raises(matrix_qr.NotReady):
        await session.access_token()


async def devices(sandbox: Sandbox) -> list[str]:
    """The devices of the account, as the first one sees them."""
    token = await matrix_qr.Session(sandbox.existing, **sandbox.options).access_token()
    return [device["device_id"] for device in sandbox.get("devices", token)["devices"]]


@pytest.mark.parametrize("revision", ["msc4108", "msc4388"])
async def test_the_new_device_shows_the_code(
    sandbox: Sandbox, tmp_path: Path, revision: str
) -> None:
    new, existing = Agreeing(), Consenting()
    signed_in, granted = await new_shows(
        sandbox, tmp_path / "new", new, existing, revision=revision
    )
    # The account was not named.
    assert new.asked == ["enter_check_code", sandbox.user_id]
    events = [event["event"] for event in new.events]
    assert "user_code" in events and "keys_uploaded" in events
    assert new.code.result().svg.endswith("</svg>")
    await check(sandbox, signed_in, granted)


async def test_the_existing_device_shows_the_code(sandbox: Sandbox, tmp_path: Path) -> None:
    new, existing = Agreeing(), Consenting()
    signed_in, granted = await existing_shows(sandbox, tmp_path / "new", new, existing)
    # The account was named.
    assert new.asked == []
    assert "verified" in [event["event"] for event in existing.events]
    await check(sandbox, signed_in, granted)


async def test_a_denied_sign_in(sandbox: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(matrix_qr.Declined) as raised:
        await new_shows(sandbox, tmp_path / "new", Agreeing(), Consenting("deny"))
    assert raised.value.device_left is None
    assert len(await devices(sandbox)) == 1


async def test_the_wrong_account(sandbox: Sandbox, tmp_path: Path) -> None:
    user = sandbox.user_id.replace("alice", "bob")
    with pytest.raises(matrix_qr.SecurityCheckFailed):
        await existing_shows(sandbox, tmp_path / "new", Agreeing(), Consenting(), user=user)
    assert len(await devices(sandbox)) == 1


async def test_wrong_digits(sandbox: Sandbox, tmp_path: Path) -> None:
    class Mistyping(Agreeing):
        async def enter_check_code(self) -> str:
            return f"{(int(await super().enter_check_code()) + 1) % 100:02}"

    with pytest.raises(matrix_qr.SecurityCheckFailed):
        await new_shows(sandbox, tmp_path / "new", Mistyping(), Consenting())
    assert len(await devices(sandbox)) == 1


async def test_a_cancelled_sign_in_leaves_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """It is cancelled when the new device has a token, and is asked whether this is its account."""
    asked = asyncio.Event()

    class Undecided(Agreeing):
        async def confirm_user(self, user_id: str) -> bool:
            asked.set()
            return await asyncio.Event().wait()

    existing = Consenting()
    both = asyncio.create_task(new_shows(sandbox, tmp_path / "new", Undecided(), existing))
    await asyncio.wait_for(asked.wait(), 30)
    both.cancel()
    with pytest.raises(asyncio.CancelledError):
        await both
    assert not (tmp_path / "new" / "session.json").exists()
    assert len(await devices(sandbox)) == 1


UNDECIDED = """
import asyncio, sys, matrix_qr
def say(text):
    print(text, flush=True)
async def confirm(user):
    say("asked")
    await asyncio.Event().wait()
person = matrix_qr.CallbackPerson(
    show_code=lambda code: say(code.text), enter_check_code=input, confirm_user=confirm
)
directory, homeserver, program = sys.argv[1:]
options = {"homeserver": homeserver, "program": program, "allow_loopback_http": True}
asyncio.run(matrix_qr.sign_in(directory, person=person, **options))
"""


async def test_a_program_that_is_killed_leaves_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    """It is killed when the new device has a token. The helper notices it."""
    # The directory is in use later.
    token = await matrix_qr.Session(sandbox.existing, **sandbox.options).access_token()
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", UNDECIDED, tmp_path / "new", sandbox.homeserver, sandbox.program),
        stdin=pipe,
        stdout=pipe,
        env={**os.environ, "PYTHONPATH": str(SOURCE)},
    )
    assert process.stdin is not None and process.stdout is not None
    existing = Consenting()
    existing.seen.set_result(matrix_qr.Code((await process.stdout.readline()).decode(), "", ""))
    granting = asyncio.create_task(
        matrix_qr.grant(sandbox.existing, person=existing, scan=True, **sandbox.options)
    )
    process.stdin.write(f"{await existing.digits}\n".encode())
    assert await process.stdout.readline() == b"asked\n"
    assert len(sandbox.get("devices", token)["devices"]) == 2
    process.kill()
    await process.wait()
    with pytest.raises(matrix_qr.MatrixQrError):
        await asyncio.wait_for(granting, 30)
    deadline = time.monotonic() + 10
    while len(sandbox.get("devices", token)["devices"]) > 1:
        assert time.monotonic() < deadline


async def test_a_directory_without_a_session(program: str, tmp_path: Path) -> None:
    with pytest.raises(matrix_qr.NotReady) as raised:
        await matrix_qr.Session(tmp_path, program=program).access_token()
    assert raised.value.code == 10
    assert raised.value.advice


async def test_a_time_limit_while_the_code_is_shown(sandbox: Sandbox, tmp_path: Path) -> None:
    new = Agreeing()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(
            matrix_qr.sign_in(
                tmp_path / "new", person=new, homeserver=sandbox.homeserver, **sandbox.options
            ),
            2,
        )
    assert new.code.done()
