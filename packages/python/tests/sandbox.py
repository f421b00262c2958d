"""The sandbox of the program: servers with an account, and the person at its consent page."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matrix_qr


@dataclass(frozen=True)
class Sandbox:
    """A homeserver with an account, and the session of its first device."""

    program: str
    homeserver: str
    user_id: str
    existing: Path

    def get(self, path: str, token: str) -> dict[str, Any]:
        """Asks the homeserver. `path` follows `/_matrix/client/v3/`."""
        request = urllib.request.Request(f"{self.homeserver}_matrix/client/v3/{path}")
        request.add_header("Authorization", f"Bearer {token}")
        with urllib.request.urlopen(request, timeout=10) as answer:
            value: dict[str, Any] = json.load(answer)
        return value

    @property
    def options(self) -> dict[str, Any]:
        """For each function of the package."""
        return {"program": self.program, "allow_loopback_http": True}


@contextmanager
def running(program: str, directory: Path, *arguments: str) -> Iterator[Sandbox]:
    """A sandbox, until the end of the block."""
    command = [program, "sandbox", "--json", "--directory", str(directory), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            ready = json.loads(process.stdout.readline())
            existing = Path(ready["existing_directory"])
            yield Sandbox(program, ready["homeserver"], ready["user_id"], existing)
        finally:
            process.terminate()


async def both(
    sign_in: Coroutine[Any, Any, matrix_qr.SignedIn],
    grant: Coroutine[Any, Any, matrix_qr.Granted],
) -> tuple[matrix_qr.SignedIn, matrix_qr.Granted]:
    """The results of both devices, or the error of the new one if both fail."""
    ends = asyncio.gather(sign_in, grant, return_exceptions=True)
    signed_in, granted = await asyncio.wait_for(ends, 60)
    if isinstance(signed_in, BaseException):
        assert isinstance(granted, matrix_qr.MatrixQrError), granted
        raise signed_in
    assert not isinstance(granted, BaseException), granted
    return signed_in, granted


async def consent(link: str, action: str = "allow") -> None:
    """Opens the consent page, and agrees there."""
    await asyncio.to_thread(_consent, link, action)


def _consent(link: str, action: str) -> None:
    with urllib.request.urlopen(link, timeout=10) as answer:
        page = answer.read().decode()
    form = dict(re.findall('name="(code|csrf)" value="([^"]+)"', page))
    data = urllib.parse.urlencode({**form, "action": action}).encode()
    target = urllib.parse.urljoin(link, "/link")
    with urllib.request.urlopen(target, data, timeout=10) as answer:
        assert answer.status == 200
