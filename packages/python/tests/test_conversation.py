"""The conversation with the helper, on a fake one."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import said
from fake_helper import EVIL, HARMLESS, ROOM_KEY, SECRETS, WARNING
from people import Agreeing, MemoryKeys, nobody

import matrix_qr
from matrix_qr import (
    CallbackPerson,
    Code,
    ConsentLink,
    HelperError,
    MatrixQrError,
    _helper,
    errors,
)
from matrix_qr._conversation import _Answers

DEVICE = "JML4LTCICTXL2WP35O6V"


async def sign_in(
    fake: str, directory: Path, person: matrix_qr.Person | None = None, **options: Any
) -> matrix_qr.SignedIn:
    options = {"user": "@bot:example.org", **options}
    person = person or nobody()
    return await matrix_qr.sign_in(directory, person=person, program=fake, **options)


def answers(directory: Path) -> list[dict[str, Any]]:
    """What the caller has answered."""
    messages = (line["message"] for line in said(directory) if line["to"] == "helper")
    return [message for message in messages if "method" not in message]


async def test_a_sign_in(fake: str, tmp_path: Path) -> None:
    person = Agreeing()
    signed_in = await sign_in(fake, tmp_path / "works", person, revision="newest")
    assert (signed_in.user_id, signed_in.device_id) == ("@bot:example.org", DEVICE)
    assert signed_in.homeserver == "https://matrix.example.org/"
    assert signed_in.master_key.startswith("nPvj")
    assert signed_in.backup == matrix_qr.Backup(connected=True, version="1")
    assert signed_in.session.directory == tmp_path / "works"
    assert person.code.result() == Code("TUFU", "█▀▀", "<svg />")
    assert person.digits.result() == "07"
    assert person.asked == ["@bot:example.org"]
    assert [event["event"] for event in person.events] == ["checking", "user_code"]
    login = said(tmp_path / "works")[2]["message"]
    # Without what was not given.
    assert login["params"] == {
        "directory": str(tmp_path / "works"),
        "user": "@bot:example.org",
        "revision": "newest",
    }


async def test_a_grant(fake: str, tmp_path: Path) -> None:
    person = Agreeing()
    person.other.set_result("07")
    granted = await matrix_qr.grant(
        tmp_path / "grants", person=person, announce="server-name", program=fake
    )
    assert granted == matrix_qr.Granted("@bot:example.org", DEVICE, True, True, False)
    results = [answer["result"] for answer in answers(tmp_path / "grants")]
    assert results == [{"confirmed": True}, {"digits": "07"}, {"opened": True}]
    assert person.asked[0] == WARNING


async def test_a_grant_by_scanning(fake: str, tmp_path: Path) -> None:
    problems: list[str | None] = []

    def scan_code(problem: str | None) -> str:
        problems.append(problem)
        return "TUFU"

    person = CallbackPerson(
        confirm_own_device=lambda _warning: True,
        scan_code=scan_code,
        show_check_code=lambda _digits: None,
        open_link=lambda _link: True,
    )
    await matrix_qr.grant(tmp_path / "grants", person=person, scan=True, program=fake)
    assert said(tmp_path / "grants")[2]["message"]["params"]["scan"] is True
    results = [answer["result"] for answer in answers(tmp_path / "grants")]
    code = {"code": "TUFU"}
    assert results == [{"confirmed": True}, code, code, None, {"opened": True}]
    assert problems == [None, EVIL]


@pytest.mark.parametrize("person", [CallbackPerson(confirm_own_device=lambda _: False), nobody()])
async def test_a_grant_needs_the_word_that_the_new_device_is_theirs(
    fake: str, tmp_path: Path, person: matrix_qr.Person
) -> None:
    with pytest.raises(MatrixQrError):
        await matrix_qr.grant(tmp_path / "grants", person=person, scan=True, program=fake)
    asked = [line["message"].get("method") for line in said(tmp_path / "grants")]
    assert "scan_code" not in asked and "show_check_code" not in asked


async def test_a_passphrase_is_in_the_request(fake: str, tmp_path: Path) -> None:
    await sign_in(fake, tmp_path / "works", Agreeing(), passphrase="a passphrase")
    person = Agreeing()
    person.other.set_result("07")
    grants = tmp_path / "grants"
    await matrix_qr.grant(grants, person=person, passphrase="a passphrase", program=fake)
    for directory in (tmp_path / "works", grants):
        assert said(directory)[2]["message"]["params"]["passphrase"] == "a passphrase"


async def test_keys_of_the_caller(fake: str, tmp_path: Path) -> None:
    keys = MemoryKeys()
    await sign_in(fake, tmp_path / "all_keys", keys=keys)
    login = said(tmp_path / "all_keys")[2]["message"]
    assert login["params"]["keys"] == "caller"
    assert keys.kept is not None
    assert keys.kept.access_token == "SECRET"
    assert keys.kept.expires_at == 1790000000
    assert keys.kept.device_keys == {"user_id": "@bot:example.org", "device_id": DEVICE}
    assert keys.kept.secrets.backup is None
    assert keys.kept.secrets.cross_signing.user_signing_key == SECRETS[2]
    for secret in ("SECRET", *SECRETS):
        assert secret not in repr(keys.kept)
    # They are given in the form in which they were received.
    keys = MemoryKeys(keys.kept.secrets)
    session = matrix_qr.Session(tmp_path / "restores", program=fake)
    assert await session.restore_keys(keys) == matrix_qr.RestoredKeys(1, 2, None)
    assert keys.imported == [ROOM_KEY]
    master, self_signing, user_signing = SECRETS
    assert answers(tmp_path / "restores")[0]["result"]["cross_signing"] == {
        "master_key": master,
        "self_signing_key": self_signing,
        "user_signing_key": user_signing,
    }


async def test_the_key_of_the_backup_is_enough_for_old_messages(fake: str, tmp_path: Path) -> None:
    backup = matrix_qr.BackupKey("m.megolm", "S4", "1")
    session = matrix_qr.Session(tmp_path / "restores", program=fake)
    await session.restore_keys(MemoryKeys(backup))
    assert answers(tmp_path / "restores")[0]["result"] == {"backup": vars(backup)}


def test_secrets_are_read_as_they_were_written() -> None:
    cross_signing = matrix_qr.CrossSigningKeys("S1", "S2", "S3")
    secrets = matrix_qr.Secrets(cross_signing, matrix_qr.BackupKey("m.megolm", "S4", "1"))
    assert matrix_qr.Secrets.from_json(secrets.to_json()) == secrets
    assert "S1" not in repr(secrets) and "S4" not in repr(secrets)
    with pytest.raises(ValueError, match="self_signing_key is not a string"):
        broken = {"master_key": "S1", "self_signing_key": 2, "user_signing_key": "S3"}
        matrix_qr.Secrets.from_json({"cross_signing": broken})


@pytest.mark.parametrize(
    ("scenario", "message"),
    [
        ("dies", r"has ended \(exit status 7\)"),
        ("is_killed", r"has ended \(signal 9\)"),
        ("dies_in_a_line", r"has ended \(exit status 0\)"),
        ("dies_while_it_asks", r"has ended \(exit status 7\)"),
        ("rubbish", "a line that is not JSON"),
        ("not_a_message", "a line that is not of its protocol"),
        ("answers_another_request", "a line that is not of its protocol"),
        ("too_long", "a line longer than 1 MiB"),
        ("endless", "a line longer than 1 MiB"),
        ("half_an_answer", "an incomplete answer: .*connected"),
        ("no_object", "another answer to login than an object"),
        ("no_error", "an error that is not of its protocol"),
    ],
)
async def test_a_helper_that_fails(fake: str, tmp_path: Path, scenario: str, message: str) -> None:
    with pytest.raises(HelperError, match=message) as raised:
        await asyncio.wait_for(sign_in(fake, tmp_path / scenario, Agreeing()), 10)
    assert "SECRET" not in str(raised.value)
    if scenario == "rubbish":
        # It could clean up: it had somewhere to write to.
        assert (tmp_path / "rubbish.cleaned").exists()


async def test_a_helper_that_dies_with_a_device_names_it(fake: str, tmp_path: Path) -> None:
    with pytest.raises(HelperError, match=r"has ended \(exit status 7\)") as raised:
        await sign_in(fake, tmp_path / "dies_with_a_device", Agreeing(), keys=MemoryKeys())
    assert raised.value.device_left == DEVICE
    assert f"The device {DEVICE} may still be in the account." in str(raised.value)
    with pytest.raises(HelperError) as raised:
        await sign_in(fake, tmp_path / "dies", Agreeing(), keys=MemoryKeys())
    assert raised.value.device_left is None


async def test_a_line_may_have_a_mebibyte(fake: str, tmp_path: Path) -> None:
    await sign_in(fake, tmp_path / "as_long_as_possible")


async def test_a_line_to_the_helper_may_not_have_more(fake: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="longer than 1 MiB"):
        await sign_in(fake, tmp_path / "works", device_name="x" * (1 << 20))
    with pytest.raises(MatrixQrError) as raised:
        person = CallbackPerson(enter_check_code=lambda: "7" * (1 << 20))
        await sign_in(fake, tmp_path / "asks_and_takes_the_error", person)
    assert isinstance(raised.value.__cause__, ValueError)


async def test_the_helper_did_not_understand_a_line(fake: str, tmp_path: Path) -> None:
    with pytest.raises(MatrixQrError, match="the line is not JSON") as raised:
        await sign_in(fake, tmp_path / "did_not_understand")
    assert raised.value.code == -32700


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, MatrixQrError),
        (3, matrix_qr.Cancelled),
        (4, matrix_qr.Declined),
        (5, matrix_qr.TimedOut),
        (6, matrix_qr.UnusableCode),
        (7, matrix_qr.SecurityCheckFailed),
        (8, matrix_qr.ServerFailed),
        (9, matrix_qr.NetworkFailed),
        (10, matrix_qr.NotReady),
    ],
)
async def test_errors(fake: str, tmp_path: Path, code: int, kind: type[MatrixQrError]) -> None:
    with pytest.raises(MatrixQrError) as raised:
        await sign_in(fake, tmp_path / "fails", homeserver=str(code))
    error = raised.value
    assert type(error) is kind
    assert (error.code, error.message, error.cause) == (code, "it failed", "the homeserver")
    assert (error.advice, error.device_left) == ("Wait.", DEVICE)
    assert str(error) == f"it failed\nThe device {DEVICE} may still be in the account.\nWait."


def test_what_others_wrote_cannot_control_a_terminal() -> None:
    """An error is printed somewhere, at the latest when the program ends with it."""
    data = {"cause": EVIL, "advice": EVIL, "device_left": EVIL}
    error = errors.from_json({"code": 8, "message": EVIL, "data": data})
    assert (error.message, error.cause, error.advice, error.device_left) == (HARMLESS,) * 4
    assert (
        str(error) == f"{HARMLESS}\nThe device {HARMLESS} may still be in the account.\n{HARMLESS}"
    )
    assert matrix_qr.harmless("Ünïcode 07 ✓") == "Ünïcode 07 ✓"


async def test_two_questions_at_once(fake: str, tmp_path: Path) -> None:
    asked = asyncio.Event()

    async def show_code(_code: Code) -> None:
        await asked.wait()

    def open_link(_link: ConsentLink) -> bool:
        asked.set()
        return False

    person = CallbackPerson(show_code=show_code, open_link=open_link)
    await asyncio.wait_for(sign_in(fake, tmp_path / "two_questions_at_once", person), 10)
    numbers = [answer["id"] for answer in answers(tmp_path / "two_questions_at_once")]
    assert numbers == [2, 1]


async def test_a_question_that_is_not_needed_any_more(fake: str, tmp_path: Path) -> None:
    cancelled = False

    async def enter_check_code() -> str:
        nonlocal cancelled
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled = True
            raise
        return "07"

    person = CallbackPerson(enter_check_code=enter_check_code, open_link=lambda *_: True)
    await sign_in(fake, tmp_path / "withdraws", person)
    assert cancelled


async def test_secrets_are_only_given_if_the_caller_has_keys(fake: str, tmp_path: Path) -> None:
    with pytest.raises(MatrixQrError) as raised:
        await sign_in(fake, tmp_path / "asks_too_much", Agreeing())
    assert isinstance(raised.value.__cause__, LookupError)


@pytest.mark.parametrize("scenario", ["asks_something_new", "asks_and_takes_the_error"])
async def test_a_question_that_cannot_be_answered(fake: str, tmp_path: Path, scenario: str) -> None:
    with pytest.raises(MatrixQrError, match="could not be answered: LookupError") as raised:
        await sign_in(fake, tmp_path / scenario)
    assert isinstance(raised.value.__cause__, LookupError)


@pytest.mark.parametrize("kind", [OSError, asyncio.CancelledError])
async def test_an_exception_of_the_person(
    fake: str, tmp_path: Path, kind: type[BaseException]
) -> None:
    async def enter_check_code() -> str:
        raise kind("SECRET")

    person = CallbackPerson(enter_check_code=enter_check_code)
    with pytest.raises(MatrixQrError, match=kind.__name__) as raised:
        await sign_in(fake, tmp_path / "asks_and_takes_the_error", person)
    assert isinstance(raised.value.__cause__, kind)
    assert "SECRET" not in str(said(tmp_path / "asks_and_takes_the_error"))


async def test_an_exception_of_progress_cancels(fake: str, tmp_path: Path) -> None:
    def progress(_event: dict[str, Any]) -> None:
        raise OSError("the screen is broken")

    person = CallbackPerson(enter_check_code=asyncio.Event().wait, progress=progress)  # type: ignore[arg-type]
    with pytest.raises(matrix_qr.Cancelled) as raised:
        await sign_in(fake, tmp_path / "is_cancelled", person)
    assert isinstance(raised.value.__cause__, OSError)


async def cancelled(
    fake: str, directory: Path, person: Agreeing
) -> asyncio.Task[asyncio.CancelledError]:
    """A sign-in that was cancelled while it asks for the digits."""

    async def until_cancelled() -> asyncio.CancelledError:
        with pytest.raises(asyncio.CancelledError) as raised:
            await sign_in(fake, directory, person)
        return raised.value

    task = asyncio.create_task(until_cancelled())
    await person.is_asked.wait()
    task.cancel()
    return task


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = (record for record in caplog.records if record.levelno == logging.WARNING)
    return [record.getMessage() for record in found if record.name.startswith("matrix_qr.")]


LEFT = (
    "login was cancelled, and ended with this: "
    f"cancelled The device {DEVICE} may still be in the account. Try again."
)


async def test_a_cancelled_sign_in_is_cleaned_up_first(
    fake: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    person = Agreeing()
    error = await (await cancelled(fake, tmp_path / "is_cancelled", person))
    assert (tmp_path / "is_cancelled.cleaned").exists()
    # What is left is said.
    assert person.events[-1]["event"] == "left_behind"
    assert isinstance(error.__cause__, matrix_qr.Cancelled)
    assert error.__cause__.device_left == DEVICE
    assert warnings(caplog) == [LEFT]


async def test_a_cancelled_sign_in_that_leaves_nothing_is_not_worth_a_warning(
    fake: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    error = await (await cancelled(fake, tmp_path / "is_cancelled_and_undone", Agreeing()))
    assert isinstance(error.__cause__, matrix_qr.Cancelled)
    assert warnings(caplog) == []


async def test_all_tasks_are_cancelled(fake: str, tmp_path: Path) -> None:
    """Not only ours: some programs end in this way."""
    person = Agreeing()
    task = asyncio.create_task(sign_in(fake, tmp_path / "is_cancelled", person))
    await person.is_asked.wait()
    for each in asyncio.all_tasks() - {asyncio.current_task()}:
        each.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)
    assert (tmp_path / "is_cancelled.cleaned").exists()
    assert person.events[-1]["event"] == "left_behind"


async def test_a_time_limit_cancels(
    fake: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    person = Agreeing()
    task = asyncio.create_task(sign_in(fake, tmp_path / "is_cancelled", person))
    await person.is_asked.wait()
    with pytest.raises(asyncio.TimeoutError):
        await asyncio.wait_for(task, 0.1)
    assert (tmp_path / "is_cancelled.cleaned").exists()
    assert warnings(caplog) == [LEFT]


async def test_a_sign_in_that_is_cancelled_again_and_again(
    fake: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The program is left alone, so that it can clean up."""
    task = await cancelled(fake, tmp_path / "is_cancelled", Agreeing())
    for _ in range(4):
        await asyncio.sleep(0.05)
        task.cancel()
    await task
    assert not (tmp_path / "is_cancelled.cleaned").exists()
    await asyncio.sleep(1)
    assert (tmp_path / "is_cancelled.cleaned").exists()
    [warning] = warnings(caplog)
    assert "the account may have a device that is not verified" in warning


async def test_ctrl_c(fake: str, tmp_path: Path) -> None:
    """Ctrl-C reaches the whole group of processes, but the helper is not one of it."""
    code = (
        "import asyncio, sys, matrix_qr\n"
        "async def ask():\n"
        "    print('asked', flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "person = matrix_qr.CallbackPerson(enter_check_code=ask)\n"
        "options = {'user': '@bot:example.org', 'program': sys.argv[2]}\n"
        "asyncio.run(matrix_qr.sign_in(sys.argv[1], person=person, **options))\n"
    )
    directory = tmp_path / "is_cancelled"
    command = [sys.executable, "-c", code, str(directory), fake]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(Path(matrix_qr.__file__).parents[1])},
    )
    assert process.stdout is not None
    assert await process.stdout.readline() == b"asked\n"
    os.killpg(process.pid, signal.SIGINT)
    _, errors = await process.communicate()
    assert errors.rstrip().endswith(b"KeyboardInterrupt")
    assert directory.with_name("is_cancelled.cleaned").exists()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo no such command >&2; exit 2", r"has ended \(exit status 2\)"),
        (
            'read line; echo \'{"jsonrpc":"2.0","id":1,"result":{"protocol":2}}\'',
            "another protocol",
        ),
        ("exec >&-; sleep 0.1", r"has ended \(exit status 0\)"),
    ],
)
async def test_another_program(
    tmp_path: Path, script: str, message: str, capfd: pytest.CaptureFixture[str]
) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    with pytest.raises(HelperError, match=message):
        await sign_in(str(program), tmp_path / "bot")
    # What it writes to standard error is seen.
    assert ("no such command" in capfd.readouterr().err) == ("no such command" in script)


async def test_a_request_after_the_end(tmp_path: Path) -> None:
    program = tmp_path / "program"
    answer = '{"jsonrpc":"2.0","id":1,"result":{"protocol":1}}'
    program.write_text(f"#!/bin/sh\nread line\necho '{answer}'\n")
    program.chmod(0o700)
    answers = _Answers(None, None)
    started = _helper.started(str(program), False, answers.answer, answers.progress)
    async with started as helper:
        await asyncio.sleep(0.5)
        with pytest.raises(HelperError, match=r"has ended \(exit status 0\)"):
            await asyncio.wait_for(helper.request("token", {}), 10)


async def test_a_program_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(HelperError, match="cannot be started: No such file"):
        await sign_in(str(tmp_path / "program"), tmp_path / "bot")
