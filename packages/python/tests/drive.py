"""Runs an example as it is, for a test that plays the person.

    python drive.py [--scan CODE] nio ../examples/nio_bot.py DIRECTORY HOMESERVER

The person is told and asked what `matrix-qr login --json` tells and asks: JSON objects on standard
output, between the lines of the example, and a line on standard input that answers each question.
`http` is allowed to this machine. MATRIX_QR_PROGRAM can name the program.
"""

from __future__ import annotations

import asyncio
import functools
import importlib
import inspect
import json
import os
import runpy
import sys
from typing import Any

from matrix_qr import Code, ConsentLink


class Script:
    """The person: a program at the other end of standard input and output."""

    def __init__(self) -> None:
        #: The code that the other device shows.
        self.scanned: str | None = None
        self._input: asyncio.StreamReader | None = None

    async def confirm_own_device(self, warning: str) -> bool:
        _event({"event": "question", "question": "own_device", "warning": warning})
        return await self._line() == "y"

    async def scan_code(self, problem: str | None) -> str:
        assert self.scanned is not None and problem is None, problem
        return self.scanned

    async def show_code(self, code: Code) -> None:
        _event({"event": "show", "code": code.text})

    async def show_check_code(self, digits: str) -> None:
        _event({"event": "check_code", "digits": digits})

    async def enter_check_code(self) -> str:
        _event({"event": "question", "question": "check_code"})
        return await self._line()

    async def open_link(self, link: ConsentLink) -> bool:
        page = {"host": link.host, "link": link.url, "warning": link.warning}
        _event({"event": "question", "question": "open_link", **page})
        return await self._line() == "y"

    async def confirm_user(self, user_id: str) -> bool:
        _event({"event": "question", "question": "confirm_user", "user_id": user_id})
        return await self._line() == "y"

    async def progress(self, event: dict[str, Any]) -> None:
        _event(event)

    async def _line(self) -> str:
        if self._input is None:
            self._input = asyncio.StreamReader()
            await asyncio.get_running_loop().connect_read_pipe(
                functools.partial(asyncio.StreamReaderProtocol, self._input), sys.stdin
            )
        return (await self._input.readline()).decode().strip()


def _event(event: dict[str, Any]) -> None:
    print(json.dumps(event), flush=True)


def main(arguments: list[str]) -> None:
    person = Script()
    options: dict[str, Any] = {"person": person, "allow_loopback_http": True}
    if arguments[0] == "--scan":
        options["scan"] = True
        person.scanned = arguments[1]
        arguments = arguments[2:]
    if program := os.environ.get("MATRIX_QR_PROGRAM"):
        options["program"] = program
    library, example, *sys.argv[1:] = arguments
    sys.argv[0] = example
    module = importlib.import_module(f"matrix_qr.{library}")
    for name, function in list(vars(module).items()):
        if inspect.iscoroutinefunction(function) and not name.startswith("_"):
            takes = inspect.signature(function).parameters
            given = {option: value for option, value in options.items() if option in takes}
            setattr(module, name, functools.partial(function, **given))
    runpy.run_path(example, run_name="__main__")


if __name__ == "__main__":
    main(sys.argv[1:])
