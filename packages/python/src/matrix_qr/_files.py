"""Files of a library's store, in a session's directory."""

from __future__ import annotations

import fcntl
import os
from contextlib import suppress
from pathlib import Path

#: In each store that this package made. Without it, nothing there is ours to remove.
_MARKER = ".matrix-qr"


def make_store(store: Path) -> None:
    """Makes the directory of a library's store."""
    store.mkdir(mode=0o700)
    create_private(store / _MARKER)


def remove_store(store: Path, ours: tuple[str, ...]) -> None:
    """Removes the files whose names begin like this from a store that `make_store` made, and the
    directory if it is empty then.
    """
    if not (store / _MARKER).exists():
        return
    for file in store.iterdir():
        if file.name.startswith(ours):
            file.unlink()
    (store / _MARKER).unlink()
    remove_if_empty(store)


def is_over(directory: Path) -> bool:
    """Whether there is no session that a sign-out could end: at most the keys are left."""
    names = ("session.json", "session.pending.json", "session.pending.json.new")
    return not any((directory / name).exists() for name in names)


def is_signed_in(directory: Path) -> bool:
    return (directory / "session.json").exists()


def is_abandoned(directory: Path) -> bool:
    """Whether there is no session, and no sign-in is at work: what is there, is of a killed one."""
    if is_signed_in(directory):
        return False
    try:
        with (directory / "session.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except BlockingIOError:
        return False
    return True


def create_private(path: Path, text: str = "") -> None:
    """Writes a new file that only its owner can read, and waits until it is on disk."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def remove_if_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()
