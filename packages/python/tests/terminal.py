"""A program in a terminal, and what is on its screen."""

from __future__ import annotations

import asyncio
import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import matrix_qr

#: Where the package is that is tested.
SOURCE = Path(matrix_qr.__file__).parents[1]


class Terminal:
    def __init__(self, process: subprocess.Popen[bytes], keyboard: int) -> None:
        self._process = process
        self._keyboard = keyboard
        self._decode = codecs.getincrementaldecoder("utf-8")().decode
        self.screen = ""
        self._seen = 0

    async def until(self, pattern: str) -> re.Match[str]:
        """Waits until this is on the screen, after what was waited for before."""
        while not (match := re.compile(pattern).search(self.screen, self._seen)):
            text = await asyncio.to_thread(self._read)
            assert text, f"{pattern} is not on the screen:\n{self.screen}"
            self.screen += text
        self._seen = match.end()
        return match

    async def end(self) -> int:
        """The exit status."""
        while text := await asyncio.to_thread(self._read):
            self.screen += text
        return await asyncio.to_thread(self._process.wait, 10)

    def type(self, text: str) -> None:
        os.write(self._keyboard, text.encode())

    def _read(self) -> str:
        """Empty if the program has ended, or says nothing for long."""
        readable, _, _ = select.select([self._keyboard], [], [], 30)
        try:
            return self._decode(os.read(self._keyboard, 1 << 16)) if readable else ""
        except OSError:
            return ""


@contextmanager
def started(code: str, *arguments: str, path: Path, **environment: str) -> Iterator[Terminal]:
    """Runs Python code in the directory `path`."""
    keyboard, screen = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("HHHH", 60, 120, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=screen,
        stdout=screen,
        stderr=screen,
        start_new_session=True,
        cwd=path,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
    )
    os.close(screen)
    try:
        yield Terminal(process, keyboard)
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)
