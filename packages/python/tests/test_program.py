"""Where the program is looked for."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

import matrix_qr
from matrix_qr import _program


class Installed(metadata.PackagePath):
    """A file of the installed package."""

    def locate(self) -> Path:
        return Path(self)


def program(directory: Path) -> Path:
    directory.mkdir()
    file = directory / "matrix-qr"
    file.touch(0o700)
    return file


def install(monkeypatch: pytest.MonkeyPatch, *files: Path) -> None:
    monkeypatch.setattr(metadata, "files", lambda _name: [Installed(file) for file in files])


def test_the_one_of_this_package_comes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours, theirs = program(tmp_path / "ours"), program(tmp_path / "theirs")
    monkeypatch.setenv("PATH", str(theirs.parent))
    install(monkeypatch, tmp_path / "matrix_qr.py", ours)
    assert _program.find() == str(ours)
    # One that is not there any more.
    install(monkeypatch, tmp_path / "gone" / "matrix-qr")
    assert _program.find() == str(theirs)


def test_a_package_that_is_not_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    theirs = program(tmp_path / "theirs")
    monkeypatch.setattr(_program, "_NAME", "matrix-qr-not-installed")
    monkeypatch.setenv("PATH", str(theirs.parent))
    theirs.rename(theirs.with_name("matrix-qr-not-installed"))
    assert _program.find() == str(theirs.with_name("matrix-qr-not-installed"))


async def test_no_program(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    install(monkeypatch)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(matrix_qr.HelperError, match="nor on the PATH") as raised:
        await matrix_qr.Session(tmp_path).access_token()
    assert "pip install" in str(raised.value)
