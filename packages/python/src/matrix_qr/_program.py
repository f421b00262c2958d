"""Where the program is."""

from __future__ import annotations

import os
import shutil
from importlib import metadata

from .errors import HelperError

_NAME = "matrix-qr"


def find() -> str:
    """The program that was installed with this package, otherwise the one on the PATH."""
    program = _installed() or shutil.which(_NAME, path=_absolute_path())
    if program is None:
        raise HelperError(
            "the program matrix-qr is neither installed with this package nor on the PATH",
            advice="Run `python -m pip install --force-reinstall matrix-qr`, "
            "or give the program's path as `program`.",
        )
    return program


def _absolute_path() -> str:
    """The PATH without its relative entries: they would find a program of whoever wrote there."""
    return os.pathsep.join(entry for entry in os.get_exec_path() if os.path.isabs(entry))


def _installed() -> str | None:
    try:
        files = metadata.files(_NAME) or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == _NAME and (program := shutil.which(str(file.locate()))):
            return program
    return None
