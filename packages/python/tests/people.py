"""People and keys for tests."""

from __future__ import annotations

import asyncio
from typing import Any

from sandbox import consent

from matrix_qr import BackupKey, CallbackPerson, Code, ConsentLink, Secrets, VerifiedDevice


class Agreeing:
    """Agrees to everything, and keeps what it is told."""

    def __init__(self) -> None:
        self.code: asyncio.Future[Code] = asyncio.get_running_loop().create_future()
        self.digits: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        #: What `enter_check_code` answers; without it, the question stays open.
        self.other: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        #: What `scan_code` answers: the code of the other person.
        self.seen: asyncio.Future[Code] = asyncio.get_running_loop().create_future()
        self.asked: list[str] = []
        self.is_asked = asyncio.Event()
        self.events: list[dict[str, Any]] = []

    async def confirm_own_device(self, warning: str) -> bool:
        self.asked.append(warning)
        return True

    async def scan_code(self, problem: str | None) -> str:
        return (await self.seen).text

    async def show_code(self, code: Code) -> None:
        self.code.set_result(code)

    async def show_check_code(self, digits: str) -> None:
        self.digits.set_result(digits)

    async def enter_check_code(self) -> str:
        self.asked.append("enter_check_code")
        self.is_asked.set()
        return await self.other

    async def open_link(self, link: ConsentLink) -> bool:
        self.asked.append(link.url)
        return True

    async def confirm_user(self, user_id: str) -> bool:
        self.asked.append(user_id)
        return True

    async def progress(self, event: dict[str, Any]) -> None:
        self.events.append(event)


class Consenting(Agreeing):
    """The person at the existing device, who answers on the consent page."""

    def __init__(self, action: str = "allow") -> None:
        super().__init__()
        self.action = action

    async def open_link(self, link: ConsentLink) -> bool:
        assert (link.host, link.warning) == ("127.0.0.1", None)
        await consent(link.url, self.action)
        return True


class MemoryKeys:
    """Keys that are kept in memory. They are none that a homeserver would take."""

    def __init__(self, secrets: Secrets | BackupKey | None = None) -> None:
        self.kept: VerifiedDevice | None = None
        self.given = secrets
        self.imported: list[dict[str, Any]] = []

    async def device_keys(self, user_id: str, device_id: str) -> dict[str, Any]:
        return {"device_keys": {"user_id": user_id, "device_id": device_id}}

    async def keep(self, device: VerifiedDevice) -> None:
        self.kept = device

    async def secrets(self) -> Secrets | BackupKey:
        assert self.given is not None
        return self.given

    async def room_keys(self, room_keys: list[dict[str, Any]]) -> None:
        self.imported += room_keys


def nobody() -> CallbackPerson:
    """Cannot be asked anything."""
    return CallbackPerson()
