"""Says whose device this is: how any program gets tokens. python whoami.py DIRECTORY USER"""

import asyncio
import json
import sys
import urllib.request
from pathlib import Path

import matrix_qr


async def main(directory: Path, user: str) -> None:
    if not (directory / "session.json").exists():  # The first time, a person scans a QR code.
        await matrix_qr.sign_in(directory, user=user)
    session = matrix_qr.Session(directory)
    token = await session.token()  # Ask before each request: it is renewed when it has to be.
    request = urllib.request.Request(f"{token.homeserver}_matrix/client/v3/account/whoami")
    request.add_header("Authorization", f"Bearer {token.access_token}")
    with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
        print(json.load(answer))


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
