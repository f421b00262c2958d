"""A homeserver of the test's own, and the helper that signs a library in there: the test itself."""

# ruff: noqa: ASYNC240 -- the files are few, and on a local disk
from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import vodozemac
from aiohttp import web
from olm.pk import PkSigning

import matrix_qr
from matrix_qr import errors, keys, session

USER = "@bot:example.org"
DEVICE = "BOTDEVICE"
ROOM = "!room:example.org"
BACKUP = keys.BackupKey("m.megolm_backup.v1.curve25519-aes-sha2", "YmFja3Vw", "1")


@dataclass
class Server:
    """A homeserver for one device. Each token that it issues ends those before it."""

    url: str = ""
    lifetime: float = 300
    token: str = "token-0"
    issued: int = 0
    #: What was uploaded, and with which token each request came.
    uploads: list[dict[str, Any]] = field(default_factory=list)
    requests: list[tuple[str, str]] = field(default_factory=list)
    one_time_keys: int = 0
    #: `/sync` waits for these.
    timeline: asyncio.Queue[list[dict[str, Any]]] = field(default_factory=asyncio.Queue)
    waiting: int = 0
    #: What the next answer of `/sync` has for the device.
    to_device: list[dict[str, Any]] = field(default_factory=list)
    #: What is answered to other requests: JSON or a file, with another HTTP status than 200 in
    #: front of it. And their bodies.
    answers: dict[str, Any] = field(default_factory=lambda: {"joined_rooms": {"joined_rooms": []}})
    bodies: dict[str, Any] = field(default_factory=dict)

    def issue(self) -> session.Token:
        self.issued += 1
        self.token = f"token-{self.issued}"
        expires_at = int(time.time() + self.lifetime)
        return session.Token(self.token, expires_at, USER, DEVICE, self.url + "/")

    def upload(self, body: dict[str, Any]) -> dict[str, Any]:
        self.uploads.append(body)
        self.one_time_keys += len(body.get("one_time_keys", {}))
        return {"one_time_key_counts": {"signed_curve25519": self.one_time_keys}}

    async def answer(self, request: web.Request) -> web.Response:
        path = request.path.removeprefix("/_matrix/").removeprefix("client/v3/").rstrip("/")
        token = request.headers.get("Authorization", "").removeprefix("Bearer ")
        self.requests.append((path, token))
        if token != self.token:
            return web.json_response({"errcode": "M_UNKNOWN_TOKEN", "error": "ended"}, status=401)
        if path == "sync":
            return web.json_response(await self.sync())
        body = await request.read()
        if path == "keys/upload":
            return web.json_response(self.upload(json.loads(body)))
        self.bodies[path] = body
        answer = self.answers[path]
        status, value = answer if isinstance(answer, tuple) else (200, answer)
        if isinstance(value, bytes):
            return web.Response(body=value, status=status)
        return web.json_response(value, status=status)

    async def sync(self) -> dict[str, Any]:
        self.waiting += 1
        try:
            events = await self.timeline.get()
        finally:
            self.waiting -= 1
        room = {
            "timeline": {"events": events, "limited": False, "prev_batch": "p"},
            "state": {"events": []},
            "ephemeral": {"events": []},
            "account_data": {"events": []},
        }
        to_device, self.to_device = self.to_device, []
        return {
            "next_batch": f"s{len(self.requests)}",
            "device_one_time_keys_count": {"signed_curve25519": self.one_time_keys},
            "device_lists": {"changed": [], "left": []},
            "rooms": {"join": {ROOM: room} if events else {}, "invite": {}, "leave": {}},
            "to_device": {"events": to_device},
        }


@contextlib.asynccontextmanager
async def running() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", server.answer)
    # A client that has gone must not take what the next one waits for.
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    server.url = f"http://{host}:{port}"
    yield server
    await runner.cleanup()


class FakeSession:
    """The session of the core, without a helper: its tokens come from the server."""

    def __init__(self, server: Server, secrets: keys.Secrets) -> None:
        self.server = server
        self.secrets = secrets
        self.last: session.Token | None = None
        self.fails: list[errors.MatrixQrError] = []
        self.room_keys: list[dict[str, Any]] = []
        self.directory = Path()

    async def token(self, good_for: int = 60, *, fresh: bool = False) -> session.Token:
        if self.fails:
            raise self.fails.pop(0)
        left = (self.last.expires_at or 0) - time.time() if self.last else 0
        if self.last is None or fresh or left < good_for:
            self.last = self.server.issue()
        return self.last

    async def access_token(self, good_for: int = 60, *, fresh: bool = False) -> str:
        return (await self.token(good_for, fresh=fresh)).access_token

    async def restore_keys(self, holder: keys.Keys) -> session.RestoredKeys:
        if self.fails:
            raise self.fails.pop(0)
        assert await holder.secrets() in (self.secrets, self.secrets.backup)
        await holder.room_keys(self.room_keys)
        return session.RestoredKeys(len(self.room_keys), 0, None)

    async def logout(self, *, local: bool = False) -> None:
        self.contacts_servers = not local
        if self.fails:
            raise self.fails.pop(0)
        (self.directory / "session.json").unlink()
        with contextlib.suppress(OSError):
            self.directory.rmdir()


class Account:
    """The account's cross-signing keys."""

    def __init__(self, first: int = 1) -> None:
        seeds = [bytes([first + number] * 32) for number in range(3)]
        self.master, self.self_signing, self.user_signing = map(PkSigning, seeds)
        self.private = keys.CrossSigningKeys(
            *(base64.b64encode(seed).decode().rstrip("=") for seed in seeds)
        )
        self.identity = keys.Identity(
            self._public(self.master, "master"),
            self._public(self.self_signing, "self_signing"),
            self._public(self.user_signing, "user_signing"),
        )

    def _public(self, key: PkSigning, usage: str) -> dict[str, Any]:
        public = key.public_key
        value = {"user_id": USER, "usage": [usage], "keys": {f"ed25519:{public}": public}}
        return sign(value, self.master)

    def published(self, *devices: dict[str, Any]) -> dict[str, Any]:
        """The answer to `keys/query`."""
        return {
            "device_keys": {USER: {device["device_id"]: device for device in devices}},
            "master_keys": {USER: self.identity.master_key},
            "self_signing_keys": {USER: self.identity.self_signing_key},
            "user_signing_keys": {USER: self.identity.user_signing_key},
        }


class Helper:
    """Takes the place of `matrix_qr.sign_in` and `matrix_qr.Session` in the module of a library."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.account = Account()
        self.backup: keys.BackupKey | None = BACKUP
        self.session = FakeSession(server, self.secrets)
        self.fails_after: str | None = None
        self.asked: dict[str, Any] = {}

    @property
    def secrets(self) -> keys.Secrets:
        return keys.Secrets(self.account.private, self.backup)

    def takes_over(self, monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> None:
        monkeypatch.setattr(module, "_sign_in", self.sign_in)
        monkeypatch.setattr(module, "Session", self.session_in)

    def session_in(self, directory: Path, **_options: Any) -> FakeSession:
        self.session.directory = Path(directory)
        return self.session

    async def sign_in(
        self, directory: Path, *, keys: keys.Keys, **asked: Any
    ) -> matrix_qr.SignedIn:
        self.asked = asked
        if (directory / "session.json").exists() or any(
            file.name != "session.lock" for file in directory.glob("*")
        ):
            raise errors.MatrixQrError("the directory is not empty", code=2)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.session.directory = directory
        try:
            device = self.verified(await keys.device_keys(USER, DEVICE))
            if self.fails_after == "device_keys":
                raise errors.TimedOut("too late", code=5)
            await keys.keep(device)
            if self.fails_after == "keep":
                raise errors.ServerFailed("no", code=8)
        except BaseException:
            with contextlib.suppress(OSError):
                directory.rmdir()
            raise
        (directory / "session.json").write_text("{}")
        if self.fails_after == "everything":
            raise asyncio.CancelledError
        return matrix_qr.SignedIn(
            user_id=USER,
            device_id=DEVICE,
            homeserver=self.server.url + "/",
            master_key=self.account.master.public_key,
            backup=matrix_qr.Backup(self.backup is not None, "1", None),
            session=self.session,  # type: ignore[arg-type]
        )

    def verified(self, body: dict[str, Any]) -> keys.VerifiedDevice:
        device_keys = sign(body["device_keys"], self.account.self_signing)
        token = self.server.issue()
        self.session.last = token
        self.session.secrets = self.secrets
        return keys.VerifiedDevice(
            user_id=USER,
            device_id=DEVICE,
            homeserver=token.homeserver,
            access_token=token.access_token,
            expires_at=token.expires_at,
            uploaded=self.server.upload(body),
            identity=self.account.identity,
            device_keys=device_keys,
            secrets=self.secrets,
        )


@dataclass
class OldRoom:
    """A room of another device: its encrypted messages, and the key of them."""

    sending: vodozemac.GroupSession = field(default_factory=vodozemac.GroupSession)
    sender: vodozemac.Account = field(default_factory=vodozemac.Account)

    def __post_init__(self) -> None:
        self.first_key = self.sending.session_key.to_base64()
        self.receiving = vodozemac.InboundGroupSession(self.sending.session_key)

    def room_key(self, index: int = 0, **other: Any) -> dict[str, Any]:
        exported = self.receiving.export_at(index)
        assert exported
        return {
            "algorithm": "m.megolm.v1.aes-sha2",
            "room_id": ROOM,
            "session_id": self.sending.session_id,
            "session_key": exported.to_base64(),
            "sender_key": self.sender.curve25519_key.to_base64(),
            "sender_claimed_keys": {"ed25519": self.sender.ed25519_key.to_base64()},
            "forwarding_curve25519_key_chain": [],
        } | other

    def message(self, text: str) -> dict[str, Any]:
        content = {"msgtype": "m.text", "body": text}
        plain = {"type": "m.room.message", "room_id": ROOM, "content": content}
        ciphertext = self.sending.encrypt(json.dumps(plain).encode()).to_base64()
        return {
            "type": "m.room.encrypted",
            "event_id": f"${text}",
            "sender": USER,
            "origin_server_ts": 1,
            "content": {
                "algorithm": "m.megolm.v1.aes-sha2",
                "ciphertext": ciphertext,
                "sender_key": self.sender.curve25519_key.to_base64(),
                "device_id": "OTHER",
                "session_id": self.sending.session_id,
            },
        }


def canonical(value: dict[str, Any]) -> bytes:
    """What is signed of a JSON object."""
    signed = {name: part for name, part in value.items() if name not in ("signatures", "unsigned")}
    return json.dumps(signed, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()


def sign(value: dict[str, Any], key: PkSigning) -> dict[str, Any]:
    """The value with one more signature."""
    name, signature = f"ed25519:{key.public_key}", key.sign(canonical(value).decode())
    earlier = value.get("signatures", {}).get(USER, {})
    return value | {"signatures": {USER: earlier | {name: signature}}}


def assert_signed(value: dict[str, Any], key: str) -> None:
    """The device has signed the value."""
    signature = value["signatures"][USER][f"ed25519:{DEVICE}"]
    vodozemac.Ed25519PublicKey.from_base64(key).verify_signature(
        canonical(value), vodozemac.Ed25519Signature.from_base64(signature)
    )
