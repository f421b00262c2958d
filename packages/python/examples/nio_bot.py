"""Shows the messages, and answers `!ping`: python nio_bot.py DIRECTORY SERVER USER"""

import asyncio
import sys
from pathlib import Path
from typing import Any

import nio

import matrix_qr.nio


async def main(directory: Path, server: str, user: str | None = None) -> None:
    client = nio.AsyncClient(server, config=nio.AsyncClientConfig(store_sync_tokens=True))

    async def show(room: nio.MatrixRoom, event: Any) -> None:
        print(matrix_qr.harmless(f"{room.room_id} {event.sender}: {event.body}"), flush=True)

    async def answer(room: nio.MatrixRoom, event: Any) -> None:
        if event.body == "!ping":
            pong = {"msgtype": "m.text", "body": "pong"}
            # The last argument: to nio every device is unverified, as it has no cross-signing.
            await client.room_send(room.room_id, "m.room.message", pong, None, True)

    try:
        if (directory / "session.json").exists():
            await matrix_qr.nio.restore_login(client, directory)
        else:  # The first time, a person scans a QR code.
            await matrix_qr.nio.sign_in(client, directory, user=user)
        await matrix_qr.nio.restore_keys(client, directory)
        client.add_event_callback(show, nio.RoomMessageText)
        await client.sync(full_state=True)  # What came before is shown, and not answered.
        client.add_event_callback(answer, nio.RoomMessageText)
        print(f"{client.user_id} is ready, on {client.device_id}", flush=True)
        await client.sync_forever(timeout=30_000)
    finally:
        await client.close()


asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
