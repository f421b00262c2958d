"""A bot that is an example, as a process, and the others that it meets in the sandbox."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import nio
import vodozemac
from sandbox import Sandbox, consent

import matrix_qr.nio
from matrix_qr import CallbackPerson, ConsentLink

HERE = Path(__file__).parent
#: What the account's first device wrote before there was another one.
OLD_MESSAGE = "All of them. They were in the blue suitcase."


async def ask(sandbox: Sandbox, path: str, body: Any = None) -> Any:
    """What the homeserver answers the account's first device."""
    session = matrix_qr.Session(sandbox.existing, **sandbox.options)
    headers = {"Authorization": f"Bearer {await session.access_token(5)}"}
    method = "GET" if body is None else "POST"
    url = f"{sandbox.homeserver}_matrix/client/v3/{path}"
    async with (
        aiohttp.ClientSession(headers=headers) as http,
        http.request(method, url, json=body) as answer,
    ):
        return await answer.json()


async def devices(sandbox: Sandbox) -> set[str]:
    return {device["device_id"] for device in (await ask(sandbox, "devices"))["devices"]}


async def agree(link: ConsentLink) -> bool:
    await consent(link.url)
    return True


class Bot:
    """The example, as a process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: list[str] = []

    async def line(self, start: str) -> str:
        """The next line of it that starts so."""
        assert self.process.stdout
        while True:
            line = (await asyncio.wait_for(self.process.stdout.readline(), 60)).decode()
            assert line, self.lines
            self.lines.append(line)
            if line.startswith(start):
                return line.strip()

    async def event(self, name: str) -> dict[str, Any]:
        """The next event of this name."""
        while True:
            event: dict[str, Any] = json.loads(await self.line("{"))
            if event["event"] == name:
                return event

    def answer(self, line: str) -> None:
        assert self.process.stdin
        self.process.stdin.write(f"{line}\n".encode())


def killed_at(step: str) -> str:
    """A program that is killed when it comes to this method of its keys."""
    module, name, method = step.rsplit(".", 2)
    return f"""
import os, signal, sys
import drive
from {module} import {name}
{name}.{method} = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
drive.main(sys.argv[1:])
"""


@contextlib.asynccontextmanager
async def bot(
    library: str, sandbox: Sandbox, directory: Path, *, killed: str | None = None
) -> AsyncIterator[Bot]:
    """The example of this library. `killed` names a method of its keys, where it is killed."""
    program = ["-c", killed_at(killed)] if killed else [HERE / "drive.py"]
    example = HERE.parent / "examples" / f"{library}_bot.py"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *program, library, example, directory, sandbox.homeserver),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=os.environ
        | {"MATRIX_QR_PROGRAM": sandbox.program, "PYTHONPATH": f"{HERE.parent / 'src'}:{HERE}"},
    )
    try:
        yield Bot(process)
        if killed:
            assert await process.wait() == -signal.SIGKILL
            return
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 10)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def sign_in_by_its_code(sandbox: Sandbox, bot: Bot) -> matrix_qr.Granted:
    """The bot shows the code, and the first device scans it."""
    code = (await bot.event("show"))["code"]
    shown: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    person = CallbackPerson(
        confirm_own_device=lambda _warning: True,
        scan_code=lambda _problem: code,
        show_check_code=shown.set_result,
        open_link=agree,
    )
    granting = asyncio.create_task(
        matrix_qr.grant(sandbox.existing, scan=True, person=person, **sandbox.options)
    )
    assert (await bot.event("question"))["question"] == "check_code"
    bot.answer(await shown)
    question = await bot.event("question")
    assert (question["question"], question["user_id"]) == ("confirm_user", sandbox.user_id)
    bot.answer("y")
    return await granting


async def kill_at_its_sign_in(name: str, sandbox: Sandbox, directory: Path, at: str) -> set[str]:
    """The bot is killed there. Returns the account's devices, which are those of before."""
    before = await devices(sandbox)
    async with bot(name, sandbox, directory, killed=at) as killed:
        # The first device may have found that everything is complete.
        with contextlib.suppress(matrix_qr.MatrixQrError):
            await sign_in_by_its_code(sandbox, killed)
    # The helper signs the device out again.
    for _ in range(100):
        if await devices(sandbox) == before:
            break
        await asyncio.sleep(0.1)
    assert await devices(sandbox) == before
    return before


async def sign_in_by_scanning(
    sandbox: Sandbox,
    sign_in: Callable[..., Awaitable[matrix_qr.SignedIn]],
    grant: Callable[..., Awaitable[matrix_qr.Granted]] | None = None,
) -> matrix_qr.SignedIn:
    """The device that grants shows the code. By default that is the first one."""
    loop = asyncio.get_running_loop()
    code: asyncio.Future[matrix_qr.Code] = loop.create_future()
    digits: asyncio.Future[str] = loop.create_future()

    async def enter_check_code() -> str:
        return await digits

    async def scan_code(_problem: str | None) -> str:
        return (await code).text

    existing = CallbackPerson(
        confirm_own_device=lambda _warning: True,
        show_code=code.set_result,
        enter_check_code=enter_check_code,
        open_link=agree,
    )
    new = CallbackPerson(
        scan_code=scan_code,
        show_check_code=digits.set_result,
        confirm_user=lambda _user: True,
    )
    grant = grant or functools.partial(matrix_qr.grant, sandbox.existing)
    granting = asyncio.ensure_future(grant(person=existing, **sandbox.options))
    signed_in = await sign_in(scan=True, person=new, **sandbox.options)
    granted = await granting
    assert granted.verified
    assert granted.device_id == signed_in.device_id
    return signed_in


def assert_cross_signed(published: dict[str, Any], user_id: str, device_id: str) -> None:
    """The homeserver publishes keys that the master key vouches for."""
    master = public_key(published["master_keys"][user_id])
    self_signing_keys = published["self_signing_keys"][user_id]
    assert_signed(self_signing_keys, user_id, master, master)
    device_keys = published["device_keys"][user_id][device_id]
    assert_signed(device_keys, user_id, *[public_key(self_signing_keys)] * 2)
    own = device_keys["keys"][f"ed25519:{device_id}"]
    assert_signed(device_keys, user_id, device_id, own)


def public_key(keys: dict[str, Any]) -> str:
    [key] = keys["keys"].values()
    assert isinstance(key, str)
    return key


def assert_signed(value: dict[str, Any], user_id: str, key_id: str, key: str) -> None:
    signature = value["signatures"][user_id][f"ed25519:{key_id}"]
    signed = {name: part for name, part in value.items() if name not in ("signatures", "unsigned")}
    text = json.dumps(signed, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    vodozemac.Ed25519PublicKey.from_base64(key).verify_signature(
        text.encode(), vodozemac.Ed25519Signature.from_base64(signature)
    )


class Friend:
    """Another device of the account, on nio, which writes to the bot."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.client = nio.AsyncClient(sandbox.homeserver)
        self.room_id = ""
        self.read: asyncio.Queue[nio.RoomMessageText] = asyncio.Queue()

    async def see(self, _room: nio.MatrixRoom, event: Any) -> None:
        await self.read.put(event)

    async def sync(self) -> None:
        """Not nio's `sync_forever`: it asks for keys, as `room_send` does, and fails if that has
        just done it."""
        while True:
            await self.client.sync(timeout=30_000)
            await self.client.send_to_device_messages()

    async def say(self, body: str) -> None:
        """Writes, encrypted."""
        content = {"msgtype": "m.text", "body": body}
        await self.client.room_send(
            self.room_id, "m.room.message", content, ignore_unverified_devices=True
        )

    async def ping(self) -> None:
        """Reads the answer, which was encrypted."""
        await self.say("!ping")
        while (event := await asyncio.wait_for(self.read.get(), 30)).body != "pong":
            assert event.body == "!ping"
        assert event.decrypted


@contextlib.asynccontextmanager
async def friend(sandbox: Sandbox, directory: Path) -> AsyncIterator[Friend]:
    friend = Friend(sandbox)
    await sign_in_by_scanning(
        sandbox, functools.partial(matrix_qr.nio.sign_in, friend.client, directory)
    )
    await friend.client.sync()
    [friend.room_id] = friend.client.rooms
    friend.client.add_event_callback(friend.see, nio.RoomMessageText)
    syncing = asyncio.create_task(friend.sync())
    try:
        yield friend
        assert not syncing.done(), syncing
    finally:
        syncing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await syncing
        await friend.client.close()
        assert friend.client.store
        friend.client.store.database.close()
