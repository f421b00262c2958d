"""Files that only their owner may read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from matrix_qr import MatrixQrError
from matrix_qr._files import create_private, read_private, require_private


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    create_private(tmp_path / "secret", "SECRET")
    return tmp_path / "secret"


def refusal(path: Path) -> MatrixQrError:
    with pytest.raises(MatrixQrError) as raised:
        read_private(path)
    assert "SECRET" not in str(raised.value)
    return raised.value


def test_a_private_file_is_read(secret: Path) -> None:
    assert read_private(secret) == "SECRET"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_file_of_others_too_is_not_read(secret: Path, mode: int) -> None:
    secret.chmod(mode)
    error = refusal(secret)
    assert f"{secret} (mode {mode:03o})" in error.message
    assert error.advice is not None and f"`chmod 600 {secret}`" in error.advice
    secret.chmod(0o600)
    assert read_private(secret) == "SECRET"


def test_the_file_of_another_user_is_not_read(
    secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: owner + 1)
    error = refusal(secret)
    assert f"belongs to user {owner}, and this is user {owner + 1}" in error.message


def test_only_a_file_itself_is_read(secret: Path, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(secret)
    assert "is a symbolic link" in refusal(link).message
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe, 0o600)
    assert "is not a file" in refusal(pipe).message


def test_a_directory_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    store = tmp_path / "store"
    store.mkdir(mode=0o700)
    require_private(store)
    store.chmod(0o750)
    with pytest.raises(MatrixQrError) as raised:
        require_private(store)
    assert raised.value.advice is not None and f"`chmod 700 {store}`" in raised.value.advice
