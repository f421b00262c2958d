"""The tokens of a session, on a fake helper."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from conftest import said
from fake_helper import HARMLESS

from matrix_qr import Session


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "counts_tokens"


def lifetime(directory: Path, seconds: int | None) -> None:
    text = "null" if seconds is None else str(seconds)
    directory.with_name(directory.name + ".lifetime").write_text(text)


async def test_a_token_is_kept_while_it_lasts(fake: str, directory: Path) -> None:
    lifetime(directory, 300)
    session = Session(directory, program=fake)
    assert await session.access_token() == "SECRET1"
    assert await session.access_token(200) == "SECRET1"
    assert said(directory)[2]["message"]["params"] == {"directory": str(directory), "good_for": 60}
    # For this caller it does not last long enough.
    assert await session.access_token(301) == "SECRET2"
    assert said(directory)[2]["message"]["params"]["good_for"] == 301
    assert await session.access_token(fresh=True) == "SECRET3"
    assert await session.access_token() == "SECRET3"


async def test_the_first_of_many_callers_asks(fake: str, directory: Path) -> None:
    lifetime(directory, 300)
    session = Session(directory, program=fake)
    assert await asyncio.gather(*[session.access_token() for _ in range(5)]) == ["SECRET1"] * 5


async def test_a_token_without_an_end_is_asked_for_each_time(fake: str, directory: Path) -> None:
    lifetime(directory, None)
    session = Session(directory, program=fake)
    assert await session.access_token() == "SECRET1"
    assert await session.access_token() == "SECRET2"


async def test_what_is_known_of_a_token(fake: str, directory: Path) -> None:
    lifetime(directory, 300)
    token = await Session(directory, program=fake).token()
    assert (token.user_id, token.device_id) == ("@bot:example.org", "JML4LTCICTXL2WP35O6V")
    assert token.homeserver == "https://matrix.example.org/"
    assert token.lasts(290) and not token.lasts(310)
    assert "SECRET" not in repr(token)


async def test_a_token_gets_to_the_disk_although_the_caller_is_cancelled(
    fake: str, directory: Path
) -> None:
    lifetime(directory, 300)
    session = Session(directory, program=fake)
    task = asyncio.create_task(session.access_token())
    while not directory.with_name("counts_tokens.count").exists():  # noqa: ASYNC110 - a file
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert directory.with_name("counts_tokens.stored").exists()
    assert await session.access_token() == "SECRET2"


async def test_a_directory_is_where_it_was(
    fake: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    session = Session("logs_out", program=fake)
    monkeypatch.chdir(os.sep)
    assert await session.logout() is None
    logout = said(tmp_path / "logs_out")[2]["message"]
    assert (logout["method"], logout["params"]) == ("logout", {"directory": str(session.directory)})


async def test_a_local_logout_says_where_to_remove_the_device(fake: str, tmp_path: Path) -> None:
    session = Session(tmp_path / "logs_out", program=fake)
    assert await session.logout(local=True) == f"in your account at {HARMLESS}"
    assert said(tmp_path / "logs_out")[2]["message"]["params"]["local"] is True
