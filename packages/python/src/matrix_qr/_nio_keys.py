"""The keys of a device in matrix-nio's account and store."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import nio
from nio.crypto import InboundGroupSession, Olm

from ._files import create_private, make_store, read_private
from .keys import BackupKey, Keys, VerifiedDevice

_log = logging.getLogger(__name__)

#: The key of the backup, beside nio's store, until it was used.
BACKUP_KEY = "backup-key.json"


class NioKeys(Keys):
    """The keys of a new device, in nio's account and store for it."""

    def __init__(self, client: nio.AsyncClient, store: Path) -> None:
        self._client = client
        self._store = store

    async def device_keys(self, user_id: str, device_id: str) -> dict[str, Any]:
        """Makes the account and the store. Returns what nio would upload for them.

        nio has no fallback keys.
        """
        make_store(self._store)
        self._client.user_id = user_id
        self._client.device_id = device_id
        self._client.load_store()
        body: dict[str, Any] = loaded(self._client).share_keys()
        return body

    async def keep(self, device: VerifiedDevice) -> None:
        """Signs the client in, and tells nio that its keys are uploaded, which nio stores."""
        answer = nio.KeysUploadResponse.from_dict(device.uploaded)
        if not isinstance(answer, nio.KeysUploadResponse):
            raise ValueError("the homeserver's answer to the upload has no counts")
        if device.secrets.backup is not None:
            # nio cannot use the other secrets: they are not stored.
            create_private(self._store / BACKUP_KEY, json.dumps(vars(device.secrets.backup)))
        # The paths that nio appends begin with a slash.
        self._client.homeserver = device.homeserver.rstrip("/")
        self._client.access_token = device.access_token
        await self._client.receive_response(answer)

    async def secrets(self) -> BackupKey:
        """What `keep` stored: enough for old messages."""
        return BackupKey(**json.loads(read_private(self._store / BACKUP_KEY)))

    async def room_keys(self, room_keys: list[dict[str, Any]]) -> None:
        """Imports the keys. Those that nio cannot read are left out."""
        olm = loaded(self._client)
        with olm.store.database.atomic():
            for room_key in room_keys:
                try:
                    session = _group_session(room_key)
                except (KeyError, ValueError) as error:
                    _log.warning("a room key was left out: %s", type(error).__name__)
                    continue
                known = olm.inbound_group_store.get(session.room_id, session.sender_key, session.id)
                if known is None or _reaches_further_back(session, known):
                    olm.inbound_group_store.add(session)
                    olm.save_inbound_group_session(session)


def _group_session(room_key: dict[str, Any]) -> InboundGroupSession:
    if room_key["algorithm"] != "m.megolm.v1.aes-sha2":
        raise ValueError("a key of another algorithm")
    sender_key = room_key["sender_key"]
    session = InboundGroupSession.import_session(
        room_key["session_key"],
        room_key["sender_claimed_keys"]["ed25519"],
        sender_key,
        room_key["room_id"],
        # Whoever can write to the backup can claim any sender. nio calls a message verified if its
        # sender is, unless its key was forwarded.
        room_key["forwarding_curve25519_key_chain"] or [sender_key],
    )
    if session.id != room_key["session_id"]:
        raise ValueError("another session's key")
    return session


def _reaches_further_back(session: InboundGroupSession, known: InboundGroupSession) -> bool:
    """Whether it can replace the known one: it decrypts the same messages, and earlier ones."""
    first: int = known.first_known_index
    if session.first_known_index >= first:
        return False
    return bool(session.export_session(first) == known.export_session(first))


def loaded(client: nio.AsyncClient) -> Olm:
    if client.olm is None:
        raise ValueError("this client is not signed in")
    return client.olm
