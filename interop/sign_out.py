"""Signs out a bot of packages/python/examples: python sign_out.py LIBRARY DIRECTORY"""

import asyncio
import importlib
import os
import sys
from pathlib import Path

import nio


async def main(library: str, directory: Path) -> None:
    module = importlib.import_module(f"matrix_qr.{library}")
    program = os.environ["MATRIX_QR_PROGRAM"]
    await module.logout(nio.AsyncClient(""), directory, program=program, allow_loopback_http=True)


asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
