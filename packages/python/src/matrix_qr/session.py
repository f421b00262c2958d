"""The session of a device that is signed in."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from pathlib import Path

from ._conversation import Connection, StrPath, read
from ._text import harmless
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

    def lasts(self, seconds: float) -> bool:
        """Whether it is known to be valid for so long."""
        return self.expires_at is not None and self.expires_at - time.time() >= seconds


@dataclass(frozen=True)
class RestoredKeys:
    """How many room keys the key backup had."""

    keys: int
    #: Entries that could not be decrypted or read.
    undecryptable: int
    #: Why the device cannot go on using this backup; `None` if it can.
    outdated: str | None


class Session:
    """The session in a directory, as `sign_in` left it there.

    Take the tokens of a device only from one place: a refresh ends the previous token on many
    servers. Several sessions of one directory may be used at the same time, if all of them ask for
    the same `good_for`.
    """

    def __init__(
        self,
        directory: StrPath,
        *,
        program: StrPath | None = None,
        allow_loopback_http: bool = False,
    ) -> None:
        self.directory = Path(directory).absolute()
        self._connection = Connection(program, allow_loopback_http)
        self._token: Token | None = None
        self._asking = asyncio.Lock()

    async def access_token(self, good_for: int = 60, *, fresh: bool = False) -> str:
        """An access token that is valid for at least `good_for` seconds.

        A token is kept in memory while it lasts, so call this before each request. After the
        homeserver has refused one (`M_UNKNOWN_TOKEN`), ask for a `fresh` one: it is checked with
        the homeserver.
        """
        return (await self.token(good_for, fresh=fresh)).access_token

    async def token(self, good_for: int = 60, *, fresh: bool = False) -> Token:
        """As `access_token`, with its expiry, user, device and homeserver."""
        async with self._asking:
            token = self._token
            if token is None or fresh or not token.lasts(good_for):
                params = {"directory": str(self.directory), "good_for": good_for}
                token = read(Token, await self._connection.request("token", params))
                self._token = token
            return token

    async def restore_keys(
        self, keys: Keys | None = None, *, passphrase: str | None = None
    ) -> RestoredKeys:
        """Fetches the keys of old messages from the key backup.

        They are given to `keys.room_keys`, or go into the store of the directory; `passphrase` is
        what that is encrypted with.
        """
        params = {"directory": str(self.directory), "passphrase": passphrase}
        answer = await self._connection.request("restore_keys", params, keys=keys)
        return read(RestoredKeys, answer)

    async def logout(self, *, local: bool = False) -> str | None:
        """Ends the session on the server, and removes the files of the directory.

        A session that has ended on the server (`NotReady`) cannot be ended again. `local` removes
        the files without contacting a server, and returns where the device can be removed from the
        account, where it may still be: the end of a sentence ("in your account at https://...").
        """
        params = {"directory": str(self.directory), "local": local or None}
        async with self._asking:
            self._token = None
            answer = await self._connection.request("logout", params)
        place = answer.get("remove_it")
        return None if place is None else harmless(place)
