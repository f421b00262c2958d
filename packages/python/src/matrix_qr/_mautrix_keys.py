"""The keys of a device in mautrix' account and store."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

from mautrix.client import Client
from mautrix.crypto import CryptoStore, InboundGroupSession, OlmMachine
from mautrix.crypto.cross_signing_key import CrossSigningSeeds
from mautrix.errors import GroupSessionWithheldError
from mautrix.types import (
    CrossSigner,
    CrossSigningUsage,
    DeviceID,
    SessionID,
    SigningKey,
    TrustState,
    UserID,
)
from olm.group_session import OlmGroupSessionError
from unpaddedbase64 import decode_base64
from yarl import URL

from ._files import create_private, read_private
from ._mautrix_client import STORE, account_of, create, machine_of
from .keys import Keys, Secrets, VerifiedDevice

_log = logging.getLogger(__name__)

#: The secrets, beside mautrix' database.
SECRETS = "secrets.json"
#: What is wrong with a room key that is left out.
_UNREADABLE = (KeyError, ValueError, OlmGroupSessionError, GroupSessionWithheldError)
#: No device has this key (it is no point of the curve that a device can have).
_NO_DEVICE = "A" * 43


class MautrixKeys(Keys):
    """The keys of a device, in mautrix' account and store.

    `matrix_qr.grant(directory, keys=MautrixKeys(client, directory))` signs in another device with
    the help of the client's, which must be signed in.
    """

    def __init__(self, client: Client, directory: str | Path) -> None:
        self._client = client
        self._store = Path(directory) / STORE

    async def device_keys(self, user_id: str, device_id: str) -> dict[str, Any]:
        """Makes the account and the store. Returns what mautrix would upload for them.

        mautrix has no fallback keys.
        """
        user, device = UserID(user_id), DeviceID(device_id)
        machine = await create(self._client, self._store, user, device)
        account = account_of(machine)
        return {
            "device_keys": account.get_device_keys(user, device).serialize(),
            "one_time_keys": account.get_one_time_keys(user, device, 0),
        }

    async def keep(self, device: VerifiedDevice) -> None:
        """Signs the client in, and tells mautrix what is uploaded and who has signed what."""
        machine = machine_of(self._client)
        create_private(self._store / SECRETS, json.dumps(device.secrets.to_json()))
        await _put_identity(machine.crypto_store, device)
        import_private_keys(machine, device.secrets)
        trust = await machine.resolve_trust(machine.own_identity, allow_fetch=False)
        if trust < TrustState.CROSS_SIGNED_TOFU:
            raise ValueError("mautrix does not regard this device as verified")
        account = account_of(machine)
        account.shared = True
        account.mark_keys_as_published()
        await machine.crypto_store.put_account(account)
        self._client.api.base_url = URL(device.homeserver)
        self._client.api.token = device.access_token

    async def secrets(self) -> Secrets:
        """What `keep` stored."""
        return read_secrets(self._store)

    async def room_keys(self, room_keys: list[dict[str, Any]]) -> None:
        """Imports the keys. Those that mautrix cannot read are left out."""
        store = machine_of(self._client).crypto_store
        async with store.transaction():
            for room_key in room_keys:
                try:
                    await _import(store, room_key)
                except _UNREADABLE as error:
                    _log.warning("a room key was left out: %s", type(error).__name__)


def read_secrets(store: Path) -> Secrets:
    return Secrets.from_json(json.loads(read_private(store / SECRETS)))


def import_private_keys(machine: OlmMachine, secrets: Secrets) -> None:
    """mautrix has them in memory only, and its crypto store has no place for them."""
    private = secrets.cross_signing
    machine._import_cross_signing_keys(
        CrossSigningSeeds(
            master_key=decode_base64(private.master_key),
            self_signing_key=decode_base64(private.self_signing_key),
            user_signing_key=decode_base64(private.user_signing_key),
        )
    )


async def _put_identity(store: CryptoStore, device: VerifiedDevice) -> None:
    """Stores the account's public keys, and the signatures that lead from them to the device.

    mautrix trusts a device if it has the signatures, and if the master key is the first that it
    has seen. So this one has to come from the sign-in, and not from the homeserver.
    """
    user_id = UserID(device.user_id)
    identity = device.identity
    master = _public_key(identity.master_key)
    self_signing = _public_key(identity.self_signing_key)
    user_signing = _public_key(identity.user_signing_key)
    own = SigningKey(device.device_keys["keys"][f"ed25519:{device.device_id}"])
    async with store.transaction():
        for usage, key in (
            (CrossSigningUsage.MASTER, master),
            (CrossSigningUsage.SELF, self_signing),
            (CrossSigningUsage.USER, user_signing),
        ):
            await store.put_cross_signing_key(user_id, usage, key)
        for signed, key, signer in (
            (identity.self_signing_key, self_signing, master),
            (identity.user_signing_key, user_signing, master),
            (device.device_keys, own, self_signing),
        ):
            await store.put_signature(
                CrossSigner(user_id, key),
                CrossSigner(user_id, signer),
                signed["signatures"][user_id][f"ed25519:{signer}"],
            )


def _public_key(cross_signing_key: dict[str, Any]) -> SigningKey:
    [key] = cross_signing_key["keys"].values()
    return SigningKey(key)


async def _import(store: CryptoStore, room_key: dict[str, Any]) -> None:
    sender_key = room_key["sender_key"]
    session = InboundGroupSession.import_session(
        room_key["session_key"],
        room_key["sender_claimed_keys"]["ed25519"],
        sender_key,
        room_key["room_id"],
        # Whoever can write to the backup can claim any sender. So mautrix must not go by the
        # sender's device: it takes the key for one that was forwarded by an unknown one.
        [*(room_key["forwarding_curve25519_key_chain"] or [sender_key]), _NO_DEVICE],
    )
    if session.id != room_key["session_id"]:
        raise ValueError("another session's key")
    session_id = SessionID(session.id)
    known = await store.get_group_session(session.room_id, session_id)
    if known is not None:
        if not _reaches_further_back(session, known):
            return
        session.signing_key = known.signing_key
        session.sender_key = known.sender_key
        session.forwarding_chain = known.forwarding_chain
    await store.put_group_session(session.room_id, session.sender_key, session_id, session)


def _reaches_further_back(session: InboundGroupSession, known: InboundGroupSession) -> bool:
    """Whether it can replace the known one: it decrypts the same messages, and earlier ones."""
    first = known.first_known_index
    if session.first_known_index >= first:
        return False
    return bool(session.export_session(first) == known.export_session(first))
