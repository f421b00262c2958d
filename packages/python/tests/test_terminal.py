"""The person at a terminal."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import said
from fake_helper import HARMLESS
from terminal import SOURCE, Terminal, started

SIGN_IN = """
import asyncio, sys, matrix_qr
asyncio.run(matrix_qr.sign_in(sys.argv[1], user="@bot:example.org", program=sys.argv[2]))
print("then:", input())
"""
GRANT = SIGN_IN.replace("sign_in", "grant").replace('user="@bot:example.org", ', "")
SCAN = GRANT.replace("program=", "scan=True, program=")


def answers(directory: Path) -> list[Any]:
    messages = (line["message"] for line in said(directory) if line["to"] == "helper")
    return [message["result"] for message in messages if "result" in message]


async def then(terminal: Terminal) -> None:
    """Nothing of what is typed after the sign-in is lost."""
    terminal.type("hello\n")
    await terminal.until("then: hello")
    assert await terminal.end() == 0


async def test_a_new_device(fake: str, tmp_path: Path) -> None:
    directory = tmp_path / "works"
    with started(SIGN_IN, str(directory), fake, path=tmp_path) as terminal:
        await terminal.until("TUFU\r\n\r\n█▀▀\r\n\r\nScan this code with the other device.")
        await terminal.until("│   0  7   │")
        await terminal.until("added to @bot:example.org.")
        await terminal.until(r"Is this your account, .*\? \[y/N\] ")
        terminal.type("y\n")
        await terminal.until("│   J  T  N  G  T  N   │")
        await then(terminal)
    assert answers(directory) == [None, None, {"confirmed": True}]


async def test_what_is_half_typed_before_the_question_does_not_answer_it(
    fake: str, tmp_path: Path
) -> None:
    directory = tmp_path / "works"
    with started(SIGN_IN, str(directory), fake, path=tmp_path) as terminal:
        terminal.type("y")
        await terminal.until(r"\[y/N\] ")
        terminal.type("\n")
        await then(terminal)
    assert answers(directory)[2] == {"confirmed": False}


@pytest.mark.parametrize("answer", ["\n", "n\n", "yeah\n"])
async def test_what_is_typed_before_the_question_does_not_answer_it(
    fake: str, tmp_path: Path, answer: str
) -> None:
    directory = tmp_path / "works"
    with started(SIGN_IN, str(directory), fake, path=tmp_path) as terminal:
        terminal.type("y\ny\ny\n")
        await terminal.until(r"\[y/N\] ")
        await asyncio.sleep(0.2)
        assert len(answers(directory)) == 2
        terminal.type(answer)
        await then(terminal)
    assert answers(directory)[2] == {"confirmed": False}


async def test_an_existing_device(fake: str, tmp_path: Path) -> None:
    directory = tmp_path / "grants"
    with started(GRANT, str(directory), fake, path=tmp_path) as terminal:
        await terminal.until("Before you sign in another device:")
        await terminal.until("Support staff")
        await terminal.until(r"did you start this yourself\? \[y/N\] ")
        terminal.type("y\n")
        for wrong in (
            "7",
            "007",
            "\N{ARABIC-INDIC DIGIT ZERO}\N{ARABIC-INDIC DIGIT SEVEN}",
            "o7",
            "",
        ):
            await terminal.until("two digits")
            terminal.type(f"{wrong}\n")
        await terminal.until("That is not two digits")
        terminal.type(" 07 \n")
        await terminal.until("\r\n    account.example.org\r\n")
        await terminal.until(r"link  https://account.example.org/link\?code=JTNGTN")
        await terminal.until(r"Will you open it\? \[y/N\] ")
        terminal.type("YES\n")
        await then(terminal)
    assert answers(directory) == [{"confirmed": True}, {"digits": "07"}, {"opened": True}]


async def test_a_code_is_pasted_after_a_yes(fake: str, tmp_path: Path) -> None:
    directory = tmp_path / "grants"
    with started(SCAN, str(directory), fake, path=tmp_path) as terminal:
        terminal.type("TUFU\n")
        await terminal.until(r"did you start this yourself\? \[y/N\] ")
        assert "Paste" not in terminal.screen
        terminal.type("y\n")
        await terminal.until("Paste the other device's code as text, then press Enter: ")
        terminal.type("TUF\n")
        await terminal.until(f"This is not the code: {re.escape(HARMLESS)}.\r\n")
        await terminal.until("Paste the other device's code as text, then press Enter: ")
        terminal.type(" TUFU \n")
        await terminal.until("│   0  7   │")
        await terminal.until(r"Will you open it\? \[y/N\] ")
        terminal.type("y\n")
        await then(terminal)
    codes = [{"code": "TUF"}, {"code": "TUFU"}]
    assert answers(directory) == [{"confirmed": True}, *codes, None, {"opened": True}]


async def test_a_question_that_is_not_needed_any_more(fake: str, tmp_path: Path) -> None:
    directory = tmp_path / "withdraws"
    with started(SIGN_IN, str(directory), fake, path=tmp_path) as terminal:
        await terminal.until("Type the two digits that the other device shows: \r\n")
        await terminal.until(r"Will you open it\? \[y/N\] ")
        terminal.type("y\n")
        await then(terminal)
    assert answers(directory) == [{"opened": True}]


async def test_text_of_a_server_cannot_control_the_terminal(fake: str, tmp_path: Path) -> None:
    directory = tmp_path / "says_what_a_server_said"
    with started(SIGN_IN, str(directory), fake, path=tmp_path) as terminal:
        for _ in range(2):
            await terminal.until(r"\[y/N\] ")
            terminal.type("y\n")
        assert await terminal.end() == 1
    assert len(re.findall("e ?v ?i ?l|e  v  i  l", terminal.screen)) == 15, terminal.screen
    for control in ("\x1b", "\u202e", "\u2028"):
        assert control not in terminal.screen
    # No line break but those of our own text, which the terminal writes as \r\n.
    for line in (line for line in terminal.screen.split("\r\n") if "evil" in line):
        assert re.search(r"\ufffd\[2J\ufffd{3,4}evil", line), line
        assert "\r" not in line and "\n" not in line


async def test_nobody_answers(fake: str, tmp_path: Path) -> None:
    directory = tmp_path / "asks_and_takes_the_error"
    with started(SIGN_IN, str(directory), fake, path=tmp_path) as terminal:
        await terminal.until("two digits")
        terminal.type("\x04")
        assert await terminal.end() == 1
        assert "EOFError: standard input has ended" in terminal.screen


@pytest.mark.parametrize("kind", ["pipe", "file"])
def test_answers_from_a_pipe_or_a_file(fake: str, tmp_path: Path, kind: str) -> None:
    directory = tmp_path / "grants"
    command = [sys.executable, "-c", GRANT, str(directory), fake]
    text = b"y\n07\ny\nhello\n"
    (tmp_path / "answers").write_bytes(text)
    with (tmp_path / "answers").open("rb") as file:
        ended = subprocess.run(
            command,
            input=text if kind == "pipe" else None,
            stdin=file if kind == "file" else None,
            env={"PYTHONPATH": str(SOURCE), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            timeout=30,
        )
    assert ended.stdout.endswith(b"then: hello\n"), ended.stderr
    assert answers(directory) == [{"confirmed": True}, {"digits": "07"}, {"opened": True}]
