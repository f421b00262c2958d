"""Text that others wrote: a server, another device, or whoever wrote a message."""

from __future__ import annotations

from typing import Any


def harmless(text: Any) -> str:
    """The text for a terminal or a log: one line, without characters that steer a terminal or turn
    the text around. Each of them becomes U+FFFD.
    """
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in str(text))
