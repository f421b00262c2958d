"""The person at this terminal."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import termios
import textwrap
from typing import Any

from ._text import harmless
from .person import Code, ConsentLink


class TerminalPerson:
    """Shows the QR code in this terminal, which must have a dark background, and asks there.

    It writes to standard output and reads from standard input. If a question is not needed any
    more, nothing is lost of what is typed afterwards.
    """

    def __init__(self) -> None:
        #: One question after the other.
        self._asking = asyncio.Lock()

    async def confirm_own_device(self, warning: str) -> bool:
        _say("Before you sign in another device:\n" + textwrap.fill(harmless(warning), 76))
        return await self._agrees(
            "Is the new device yours, and did you start this yourself? [y/N] "
        )

    async def scan_code(self, problem: str | None) -> str:
        if problem is not None:
            _say(f"This is not the code: {harmless(problem)}.")
        return await self._ask("Paste the other device's code as text, then press Enter: ")

    async def show_code(self, code: Code) -> None:
        drawing = "\n".join(map(harmless, code.drawing.split("\n")))
        _say(
            f"The code as text, for a device that cannot scan:\n\n{harmless(code.text)}\n\n"
            f"{drawing}\n\nScan this code with the other device. Ctrl-C cancels."
        )

    async def show_check_code(self, digits: str) -> None:
        _say("Type these two digits on the other device:\n" + _boxed(digits))

    async def enter_check_code(self) -> str:
        prompt = "Type the two digits that the other device shows: "
        while True:
            digits = await self._ask(prompt)
            if re.fullmatch("[0-9]{2}", digits):
                return digits
            prompt = "That is not two digits. Type both, including a leading zero: "

    async def open_link(self, link: ConsentLink) -> bool:
        _say(
            "To sign in the new device, agree on a page of this host, and of no other:\n\n"
            f"    {harmless(link.host)}\n\n  link  {harmless(link.url)}"
        )
        if link.warning is not None:
            _say("Warning:\n" + textwrap.fill(harmless(link.warning), 76))
        return await self._agrees("Will you open it? [y/N] ")

    async def confirm_user(self, user_id: str) -> bool:
        _say(f"This device will be added to {harmless(user_id)}.")
        return await self._agrees(
            "Is this your account, and do you want to add this device to it? [y/N] "
        )

    async def progress(self, event: dict[str, Any]) -> None:
        match event:
            case {"event": "user_code", "user_code": code}:
                if warning := event.get("warning"):
                    _say("Warning:\n" + textwrap.fill(harmless(warning), 76))
                _say("The page where you agree may ask for this code:\n" + _boxed(code))
            case {"event": "backup", "connected": False, "why": why}:
                _say(f"Warning: the key backup is not used: {harmless(why)}.")
            case {"event": "trouble" | "warning", "what": what}:
                _say(f"Warning: {harmless(what)}.")
            case {"event": "left_behind", "what": what}:
                _say(f"Warning: this is left behind: {harmless(what)}.")
                _say(harmless(event.get("advice", "Please remove it yourself.")))
            case {"event": str(name)} if name in _STEPS:
                _say(_STEPS[name])

    async def _agrees(self, prompt: str) -> bool:
        return (await self._ask(prompt)).lower() in ("y", "yes")

    async def _ask(self, prompt: str) -> str:
        async with self._asking:
            keyboard = sys.stdin.fileno()
            if os.isatty(keyboard):
                # What was typed before the question does not answer it.
                termios.tcflush(keyboard, termios.TCIFLUSH)
            print(prompt, end="", flush=True)
            try:
                return (await _line(keyboard)).strip()
            except BaseException:
                _say("")  # The next output starts on a new line.
                raise


_STEPS = {
    "cleared": "An earlier sign-in was interrupted here. Its device and its files were removed.",
    "connected": "The other device has connected.",
    "confirmed": "The connection is secure.",
    "device_found": "The homeserver lists the new device.",
    "keys_uploaded": "This device is verified.",
    "too_late": "The keys were sent already: checking on the new device.",
    "verified": "The new device is verified.",
}


def _say(text: str) -> None:
    print(text, flush=True)


def _boxed(text: Any) -> str:
    """In large: a few characters with space around them."""
    inner = "  ".join(harmless(text))
    rule = "─" * (len(inner) + 6)
    return f"\n    ┌{rule}┐\n    │   {inner}   │\n    └{rule}┘\n"


async def _line(file: int) -> str:
    """One line, and nothing of what follows it."""
    line = bytearray()
    while not line.endswith(b"\n"):
        await _readable(file)
        byte = os.read(file, 1)
        if not byte:
            raise EOFError("standard input has ended, so that nobody can answer")
        line += byte
    return line.decode(errors="replace")


async def _readable(file: int) -> None:
    """In a terminal, that is once a line is complete."""
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    try:
        loop.add_reader(file, readable.set)
    except PermissionError:
        return  # A regular file always is.
    try:
        await readable.wait()
    finally:
        loop.remove_reader(file)
