"""Sign in a Matrix device by QR code (MSC4108, MSC4388)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from .errors import (
    Cancelled,
    Declined,
    HelperError,
    MatrixQrError,
    NetworkFailed,
    NotReady,
    SecurityCheckFailed,
    ServerFailed,
    TimedOut,
    UnusableCode,
)
from .keys import BackupKey, CrossSigningKeys, Identity, Keys, Secrets, VerifiedDevice
from .person import Code, Person
from .session import RestoredKeys, Session, Token


@dataclass(frozen=True)
class Backup:
    """Whether the new device uses the key backup."""

    connected: bool
    version: str | None
    #: Why it is not connected.
    why: str | None


@dataclass(frozen=True)
class SignedIn:
    """The new device: verified, and with its session in the directory."""

    user_id: str
    device_id: str
    #: The base URL of the homeserver's client API.
    homeserver: str
    #: The account's public master key, in base64.
    master_key: str
    backup: Backup
    directory: Path
    session: Session


@dataclass(frozen=True)
class Granted:
    """The device that was signed in with the help of this one."""

    user_id: str
    device_id: str
    #: Whether the homeserver lists it as verified already.
    verified: bool
    #: Whether it was cancelled only after the secrets were sent.
    too_late_to_cancel: bool


async def sign_in(
    directory: str | os.PathLike[str],
    *,
    person: Person | None = None,
    keys: Keys | None = None,
    homeserver: str | None = None,
    user: str | None = None,
    scan: str | None = None,
    rendezvous: str | None = None,
    revision: Literal["msc4108", "msc4388", "newest"] | None = None,
    dialect: Literal["as-deployed", "as-written"] | None = None,
    device_name: str | None = None,
    client_id: str | None = None,
    program: str | os.PathLike[str] | None = None,
    allow_loopback_http: bool = False,
) -> SignedIn:
    """Signs in a new device."""
    raise NotImplementedError


async def grant(
    directory: str | os.PathLike[str],
    *,
    person: Person | None = None,
    keys: Keys | None = None,
    scan: str | None = None,
    rendezvous: str | None = None,
    revision: Literal["msc4108", "msc4388", "newest"] | None = None,
    dialect: Literal["as-deployed", "as-written"] | None = None,
    announce: Literal["base-url", "server-name"] | None = None,
    program: str | os.PathLike[str] | None = None,
    allow_loopback_http: bool = False,
) -> Granted:
    """Signs in another device, with the help of this one."""
    raise NotImplementedError
