"""Shows the messages, and answers `!ping`: python mautrix_bot.py DIRECTORY SERVER USER"""

import asyncio
import sys
import time
from pathlib import Path

from mautrix.client import Client
from mautrix.types import EventType, MessageEvent

import matrix_qr.mautrix


async def main(directory: Path, server: str, user: str | None = None) -> None:
    client = Client(base_url=server)
    started = time.time() * 1000

    async def show(event: MessageEvent) -> None:
        shown = matrix_qr.harmless(f"{event.room_id} {event.sender}: {event.content.body}")
        print(shown, flush=True)
        # What came before is shown, and not answered.
        if event.content.body == "!ping" and event.timestamp > started:
            await client.send_text(event.room_id, "pong")

    try:
        if (directory / "session.json").exists():
            await matrix_qr.mautrix.restore_login(client, directory)
        else:  # The first time, a person scans a QR code.
            await matrix_qr.mautrix.sign_in(client, directory, user=user)
        await matrix_qr.mautrix.restore_keys(client, directory)
        client.add_event_handler(EventType.ROOM_MESSAGE, show)
        print(f"{client.mxid} is ready, on {client.device_id}", flush=True)
        await client.start(None)
    finally:
        await matrix_qr.mautrix.close(client)


asyncio.run(main(Path(sys.argv[1]), *sys.argv[2:]))
