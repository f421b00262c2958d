"""Signs out a bot of packages/python/examples: python sign_out.py LIBRARY DIRECTORY"""

import asyncio
import os
import sys


async def main(library: str, directory: str) -> None:
    options = {"program": os.environ["MATRIX_QR_PROGRAM"], "allow_loopback_http": True}
    if library == "nio":
        import matrix_qr.nio
        import nio

        await matrix_qr.nio.logout(nio.AsyncClient(""), directory, **options)
    else:
        import matrix_qr.mautrix
        from mautrix.client import Client

        await matrix_qr.mautrix.logout(Client(base_url="http://localhost"), directory, **options)


asyncio.run(main(*sys.argv[1:]))
