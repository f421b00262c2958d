"""The session of a device that is signed in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .keys import Keys


@dataclass(frozen=True)
class Token:
    """An access token, and whose it is."""

    access_token: str = field(repr=False)
    #: When it ends, in seconds since 1970; `None` if the server does not say it.
    expires_at: int | None
    user_id: str
    device_id: str
    #: The base URL of the homeserver's client API.
    homeserver: str


@dataclass(frozen=True)
class RestoredKeys:
    """How many room keys the key backup had."""

    keys: int
    #: Entries that could not be decrypted or read.
    undecryptable: int
    #: Why the device cannot go on using this backup; `None` if it can.
    outdated: Any


class Session:
    """The session in a directory, as `sign_in` left it there.

    Take tokens of a directory only from here: a refresh ends the previous token on many servers.
    """

    def __init__(
        self,
        directory: str | os.PathLike[str],
        *,
        program: str | os.PathLike[str] | None = None,
        allow_loopback_http: bool = False,
    ) -> None:
        self.directory = Path(directory)

    async def access_token(self, good_for: int = 60, *, fresh: bool = False) -> str:
        """An access token that is valid for at least `good_for` seconds.

        A token is kept in memory while it lasts. After the homeserver has refused one
        (`M_UNKNOWN_TOKEN`), `fresh=True` has the next one checked with the homeserver first.
        """
        return (await self.token(good_for, fresh=fresh)).access_token

    async def token(self, good_for: int = 60, *, fresh: bool = False) -> Token:
        """As `access_token`, with its expiry, user, device and homeserver."""
        raise NotImplementedError

    async def restore_keys(self, keys: Keys | None = None) -> RestoredKeys:
        """Fetches the keys of old messages from the key backup.

        They are given to `keys.room_keys`, or go into the store of the directory.
        """
        raise NotImplementedError

    async def logout(self) -> None:
        """Ends the session on the server, and removes the files of the directory."""
        raise NotImplementedError
