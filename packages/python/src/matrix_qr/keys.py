"""Keys that the program holds itself: what it hands over, and what it is given to keep.

Without them, the device's keys are in an encryption store for matrix-sdk in the directory.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class CrossSigningKeys:
    """The account's three private cross-signing keys, in unpadded base64."""

    master_key: str = field(repr=False)
    self_signing_key: str = field(repr=False)
    user_signing_key: str = field(repr=False)


@dataclass(frozen=True)
class BackupKey:
    """The private key of the key backup, in base64, and the backup that it opens."""

    algorithm: str
    key: str = field(repr=False)
    backup_version: str


@dataclass(frozen=True)
class Secrets:
    """What one device of an account tells another. Whoever has it can add devices to the account.

    `backup` is `None` if there is no key for the backup that the homeserver has now.
    """

    cross_signing: CrossSigningKeys
    backup: BackupKey | None = None

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Secrets:
        """Reads what `to_json` returned."""
        backup = value.get("backup")
        return cls(
            CrossSigningKeys(**_strings(CrossSigningKeys, value["cross_signing"])),
            None if backup is None else BackupKey(**_strings(BackupKey, backup)),
        )

    def to_json(self) -> dict[str, Any]:
        """The secrets, unprotected, to be stored by the caller or given to another device."""
        value: dict[str, Any] = {"cross_signing": dict(vars(self.cross_signing))}
        if self.backup is not None:
            value["backup"] = dict(vars(self.backup))
        return value


@dataclass(frozen=True)
class Identity:
    """The account's three public cross-signing keys, as the homeserver publishes them."""

    master_key: dict[str, Any]
    self_signing_key: dict[str, Any]
    user_signing_key: dict[str, Any]


@dataclass(frozen=True)
class VerifiedDevice:
    """A new device that is verified: everything that is to be stored."""

    user_id: str
    device_id: str
    #: The base URL of the homeserver's client API.
    homeserver: str
    access_token: str = field(repr=False)
    #: When the access token ends, in seconds since 1970; `None` if the server does not say it.
    expires_at: int | None
    #: The homeserver's answer to the upload: `{"one_time_key_counts": {...}}`.
    uploaded: dict[str, Any]
    identity: Identity
    #: What was uploaded, with the signatures of the device and of the self-signing key.
    device_keys: dict[str, Any]
    secrets: Secrets

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> VerifiedDevice:
        """Reads the parameters of `keep` (docs/helper.md)."""
        identity = value["identity"]
        return cls(
            user_id=value["user_id"],
            device_id=value["device_id"],
            homeserver=value["homeserver"],
            access_token=value["access_token"],
            expires_at=value["expires_at"],
            uploaded=value["uploaded"],
            identity=Identity(
                identity["master_key"], identity["self_signing_key"], identity["user_signing_key"]
            ),
            device_keys=value["device_keys"],
            secrets=Secrets.from_json(value["secrets"]),
        )


class Keys(Protocol):
    """Whoever holds the keys of a device. Each answer must come within 30 seconds.

    An exception ends the sign-in. If that is the one of a new device, it is signed out again.
    """

    async def device_keys(self, user_id: str, device_id: str) -> dict[str, Any]:
        """New device: the body of `POST /keys/upload`, as the library would send it.

        It has `device_keys`, signed by the device, and perhaps `one_time_keys` and
        `fallback_keys`. The library must not send it itself.
        """
        ...

    async def keep(self, device: VerifiedDevice) -> None:
        """New device: stores everything of `device`. Returns when it is on disk."""
        ...

    async def secrets(self) -> Secrets | BackupKey:
        """Existing device: the secrets that `keep` stored. The key of the backup is enough for
        `Session.restore_keys`.
        """
        ...

    async def room_keys(self, room_keys: list[dict[str, Any]]) -> None:
        """`Session.restore_keys`: imports at most 100 room keys, in the form of a key export."""
        ...


def _strings(kind: type[Any], value: dict[str, Any]) -> dict[str, str]:
    """The fields of `kind`. A missing or other value is an error that does not quote it."""
    fields: dict[str, str] = {}
    for name in kind.__dataclass_fields__:
        text = value.get(name)
        if not isinstance(text, str):
            raise ValueError(f"{kind.__name__}: {name} is not a string")
        fields[name] = text
    return fields
