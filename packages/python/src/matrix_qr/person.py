"""The person at a sign-in."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Code:
    """A QR code to show to the other device."""

    #: As text, in base64: what `scan_code` of the other device takes.
    text: str
    #: Lines of Unicode half blocks, for a terminal with a dark background.
    drawing: str
    #: A picture.
    svg: str


@dataclass(frozen=True)
class ConsentLink:
    """The page where the person agrees to the sign-in."""

    #: The whole link.
    url: str
    #: Its host, to be compared with what the browser shows. In ASCII: a name with other letters is
    #: in Punycode.
    host: str
    #: What the person must know first; `None` if the page is on the site of the account's
    #: homeserver or of its authorization server.
    warning: str | None


class Person(Protocol):
    """Shows codes, asks a person, and shows progress. An exception ends the sign-in.

    A question that needs no answer any more is cancelled (`asyncio.CancelledError`). Servers wrote
    parts of what is shown: use `matrix_qr.harmless` for what goes to a terminal.
    """

    async def confirm_own_device(self, warning: str) -> bool:
        """Existing device, before it shows a code or asks for one: tells the person what that can
        lead to (in `warning`, or in the program's own words), and asks whether the new device is
        theirs and they started the sign-in themselves. `False` ends it."""
        ...

    async def scan_code(self, problem: str | None) -> str:
        """With `scan=True`: the text of the code that the other device shows, as it was scanned or
        pasted. There are two attempts: `problem` says at the second one what was wrong with the
        first text."""
        ...

    async def show_code(self, code: Code) -> None:
        """Shows the code until the other device has connected (progress event `connected`)."""
        ...

    async def show_check_code(self, digits: str) -> None:
        """Shows the two digits, which are to be typed on the other device."""
        ...

    async def enter_check_code(self) -> str:
        """The two digits that the other device shows. There is one attempt."""
        ...

    async def open_link(self, link: ConsentLink) -> bool:
        """Existing device: shows the host and the warning of the consent page, and opens it if the
        person agrees. `False`: the person refuses."""
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


class CallbackPerson:
    """Calls a function, plain or `async`, for each thing to show and for each question.

    They take and return what the methods of `Person` do. A plain function must not wait. A question
    without a function ends the sign-in; progress without one is ignored.
    """

    def __init__(
        self,
        *,
        confirm_own_device: Callable[[str], bool | Awaitable[bool]] | None = None,
        scan_code: Callable[[str | None], str | Awaitable[str]] | None = None,
        show_code: Callable[[Code], Awaitable[None] | None] | None = None,
        show_check_code: Callable[[str], Awaitable[None] | None] | None = None,
        enter_check_code: Callable[[], str | Awaitable[str]] | None = None,
        open_link: Callable[[ConsentLink], bool | Awaitable[bool]] | None = None,
        confirm_user: Callable[[str], bool | Awaitable[bool]] | None = None,
        progress: Callable[[dict[str, Any]], Awaitable[None] | None] | None = None,
    ) -> None:
        self._confirm_own_device = confirm_own_device
        self._scan_code = scan_code
        self._show_code = show_code
        self._show_check_code = show_check_code
        self._enter_check_code = enter_check_code
        self._open_link = open_link
        self._confirm_user = confirm_user
        self._progress = progress

    async def confirm_own_device(self, warning: str) -> bool:
        return await _result(_given(self._confirm_own_device, "confirm_own_device")(warning))

    async def scan_code(self, problem: str | None) -> str:
        return await _result(_given(self._scan_code, "scan_code")(problem))

    async def show_code(self, code: Code) -> None:
        await _result(_given(self._show_code, "show_code")(code))

    async def show_check_code(self, digits: str) -> None:
        await _result(_given(self._show_check_code, "show_check_code")(digits))

    async def enter_check_code(self) -> str:
        return await _result(_given(self._enter_check_code, "enter_check_code")())

    async def open_link(self, link: ConsentLink) -> bool:
        return await _result(_given(self._open_link, "open_link")(link))

    async def confirm_user(self, user_id: str) -> bool:
        return await _result(_given(self._confirm_user, "confirm_user")(user_id))

    async def progress(self, event: dict[str, Any]) -> None:
        if self._progress is not None:
            await _result(self._progress(event))


def _given(function: T | None, name: str) -> T:
    if function is None:
        raise LookupError(f"CallbackPerson has no function for {name}")
    return function


async def _result(value: T | Awaitable[T]) -> T:
    return await value if inspect.isawaitable(value) else value
