"""The Python lines of the README and the example, as they are printed."""

from __future__ import annotations

import asyncio
import os
import queue
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from people import Consenting
from sandbox import Sandbox, both, running
from terminal import Terminal, started

import matrix_qr

PACKAGE = Path(__file__).parents[1]
README = PACKAGE.joinpath("README.md").read_text()
BLOCKS: list[str] = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def sandbox(program: str, tmp_path: Path) -> Iterator[Sandbox]:
    # The lines find the program on the PATH.
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "matrix-qr").symlink_to(program)
    with running(program, tmp_path / "sandbox", "--account", "bot") as sandbox:
        yield sandbox


def run(code: str, sandbox: Sandbox, directory: Path, *arguments: str) -> Any:
    """Runs it as it is. Before that, http to this machine is allowed."""
    for function in ("matrix_qr.sign_in", "matrix_qr.Session.__init__"):
        code = f"{function}.__kwdefaults__['allow_loopback_http'] = True\n{code}"
    code = f"import matrix_qr\n{code}"
    path = os.pathsep.join([str(directory / "bin"), os.environ["PATH"]])
    return started(code, *arguments, path=directory, PATH=path)


async def signed_in(terminal: Terminal, sandbox: Sandbox) -> matrix_qr.Granted:
    """The first device scans what is in the terminal, and a person types the digits there."""
    existing = Consenting()
    code = await terminal.until(r"cannot scan:\s+([A-Za-z0-9+/=]+)\s")
    existing.seen.set_result(matrix_qr.Code(code.group(1), "", ""))
    granting = asyncio.create_task(
        matrix_qr.grant(sandbox.existing, person=existing, scan=True, **sandbox.options)
    )
    await terminal.until("two digits")
    terminal.type(f"{await existing.digits}\n")
    await terminal.until("The connection is secure.")
    await terminal.until(r"may ask for this code:\s+┌─+┐\s+│   \w(  \w)+   │")
    return await granting


@pytest.mark.parametrize("name", ["mautrix_bot.py", "nio_bot.py"])
def test_an_example_of_a_bot_has_at_most_40_lines(name: str) -> None:
    assert len(PACKAGE.joinpath("examples", name).read_text().splitlines()) <= 40


async def test_the_first_lines(sandbox: Sandbox, tmp_path: Path) -> None:
    first, second = BLOCKS[:2]
    user = '"@bot:example.org"'
    assert first.count(user) == 1
    with run(first.replace(user, repr(sandbox.user_id)), sandbox, tmp_path) as terminal:
        granted = await signed_in(terminal, sandbox)
        await terminal.until(f"{sandbox.user_id} has the verified device {granted.device_id}")
        assert await terminal.end() == 0
    with run(second, sandbox, tmp_path) as terminal:
        await terminal.until(r"The token has \d\d+ bytes")
        assert await terminal.end() == 0


async def test_tokens(sandbox: Sandbox, tmp_path: Path) -> None:
    code = PACKAGE.joinpath("examples", "whoami.py").read_text()
    for is_first in (True, False):
        with run(code, sandbox, tmp_path, "bot", sandbox.user_id) as terminal:
            if is_first:
                granted = await signed_in(terminal, sandbox)
            await terminal.until(re.escape(repr(granted.device_id)))
            assert await terminal.end() == 0


async def test_the_person(
    sandbox: Sandbox,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    lines: dict[str, Any] = {"matrix_qr": matrix_qr, "asyncio": asyncio}
    exec(BLOCKS[2], lines)
    person: matrix_qr.CallbackPerson = lines["person"]
    monkeypatch.chdir(tmp_path)
    existing = Consenting()
    typed: queue.Queue[str] = queue.Queue()
    existing.digits.add_done_callback(lambda digits: typed.put(digits.result()))
    monkeypatch.setattr("builtins.input", lambda _prompt: typed.get(timeout=30))
    show_code = person.show_code

    async def show_and_scan(code: matrix_qr.Code) -> None:
        await show_code(code)
        existing.seen.set_result(code)

    monkeypatch.setattr(person, "show_code", show_and_scan)

    grant = matrix_qr.grant(sandbox.existing, person=existing, scan=True, **sandbox.options)
    options = {"user": sandbox.user_id, "homeserver": sandbox.homeserver, **sandbox.options}
    signed_in, granted = await both(matrix_qr.sign_in("bot", person=person, **options), grant)
    assert signed_in.device_id == granted.device_id
    assert "</svg>" in (tmp_path / "code.svg").read_text()
    assert re.search(r"^For the page: \w{6}$", capsys.readouterr().out, re.MULTILINE)
