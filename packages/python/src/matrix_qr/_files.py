"""Files of a library's store, in a session's directory."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path

from .errors import MatrixQrError

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


def read_private(path: Path) -> str:
    """The text of a file that nobody but this user could read, or write."""
    file, mode = _opened(path)
    with open(file) as text:
        if not stat.S_ISREG(mode):
            raise MatrixQrError(f"{path} is not a file")
        return text.read()


def require_private(directory: Path) -> None:
    """Refuses a directory that others can enter."""
    file, _ = _opened(directory)
    os.close(file)


def _opened(path: Path) -> tuple[int, int]:
    """A file descriptor, and the mode. It is that file which is examined, whatever happens to the
    path meanwhile. A pipe with this name keeps nobody waiting.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise MatrixQrError(
            f"{path} is a symbolic link", advice="Put what it points to in its place."
        ) from error
    try:
        found = os.fstat(file)
        _check_owner(path, found)
    except BaseException:
        os.close(file)
        raise
    return file, found.st_mode


def _check_owner(path: Path, found: os.stat_result) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.geteuid():
        raise MatrixQrError(
            f"{path} belongs to user {found.st_uid}, and this is user {os.geteuid()}",
            advice="Run this program as the user to whom the keys belong.",
        )
    if mode & 0o077:
        private = 700 if stat.S_ISDIR(found.st_mode) else 600
        raise MatrixQrError(
            f"other users have access to {path} (mode {mode:03o}), and so to this device's keys",
            advice=f"Run `chmod {private} {path}`. If somebody may have read it, sign this device "
            "out, and sign in again.",
        )


def remove_if_empty(directory: Path) -> None:
    with suppress(OSError):
        directory.rmdir()
