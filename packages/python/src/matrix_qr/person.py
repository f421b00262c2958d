"""The person at a sign-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True)
class Code:
    """A QR code to show to the other device."""

    #: As text, in base64: what `scan=` of the other device takes.
    text: str
    #: Lines of Unicode half blocks, for a terminal with a dark background.
    drawing: str
    #: A picture.
    svg: str


class Person(Protocol):
    """Shows codes, asks a person, and shows progress. An exception ends the sign-in.

    A question that needs no answer any more is cancelled (`asyncio.CancelledError`).
    """

    async def show_code(self, code: Code) -> None:
        """Shows the code until the other device has connected (progress event `connected`)."""
        ...

    async def show_check_code(self, digits: str) -> None:
        """Shows the two digits, which are to be typed on the other device."""
        ...

    async def enter_check_code(self) -> str:
        """The two digits that the other device shows. There is one attempt."""
        ...

    async def open_link(self, link: str, host: str) -> bool:
        """Existing device: shows the consent page. `False`: the person refuses."""
        ...

    async def confirm_user(self, user_id: str) -> bool:
        """New device: whether it may join this account. Not asked if `user` was given."""
        ...

    async def progress(self, event: dict[str, Any]) -> None:
        """An event of `--json` (docs/json-events.md). Unknown ones are to be ignored.

        A new device must show the `user_code` of the event of this name: the consent page may ask
        for it.
        """
        ...
