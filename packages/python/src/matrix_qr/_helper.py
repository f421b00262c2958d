"""The conversation with `matrix-qr helper` (docs/helper.md): JSON-RPC, one object per line."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import subprocess
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

from . import errors
from .errors import Cancelled, HelperError, MatrixQrError

_log = logging.getLogger(__name__)

_PROTOCOL = 1
#: In bytes.
_LONGEST_LINE = 1 << 20
#: How long the helper may take to end a request, in seconds. It gives up after 60 itself.
_CLEAN_UP = 70.0
#: How long `progress` may take after everything else has ended, in seconds.
_LAST_EVENTS = 5.0
#: How long the program may take to end after its output has ended, in seconds.
_EXIT = 10.0
#: How long to wait before it is asked again, in seconds.
_SOON = 0.01
#: The code of an answer that cannot be given. JSON-RPC leaves it to implementations.
_CANNOT_ANSWER = -32000

Answer = Callable[[str, dict[str, Any]], Awaitable[Any]]
Progress = Callable[[dict[str, Any]], Awaitable[None]]


@asynccontextmanager
async def started(
    program: str, allow_loopback_http: bool, answer: Answer, progress: Progress
) -> AsyncIterator[Helper]:
    """A helper that is ready for requests. `answer` gets the method and parameters of its own."""
    command = [program, "helper"] + ["--allow-loopback-http"] * allow_loopback_http
    # Not asyncio's subprocess, which kills a program that it forgets: the helper ends by itself
    # when its input ends, after it has signed out a device that is not complete. In a session of
    # its own, it gets no Ctrl-C of the terminal.
    try:
        process = subprocess.Popen(  # noqa: ASYNC220 - it returns as soon as the program runs
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
        )
    except OSError as error:
        raise HelperError(f"{program} cannot be started: {error.strerror}") from error
    helper = Helper(process, answer, progress)
    await helper._connect()
    try:
        answered = await helper.request("initialize", {"protocol": _PROTOCOL})
        if not isinstance(answered, dict) or answered.get("protocol") != _PROTOCOL:
            raise HelperError(f"{program} speaks another protocol")
        yield helper
    finally:
        await helper._close()


class Helper(asyncio.Protocol):
    """A running helper.

    What it says is received without a task: a program that ends may cancel all of its tasks, and
    then wants to know how the sign-in ended.
    """

    _input: asyncio.WriteTransport
    _output: asyncio.ReadTransport

    def __init__(
        self, process: subprocess.Popen[bytes], answer: Answer, progress: Progress
    ) -> None:
        self._process = process
        self._answer = answer
        self._progress = progress
        self._numbers = count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._questions: dict[int, asyncio.Task[None]] = {}
        self._events: deque[dict[str, Any]] = deque()
        self._telling: asyncio.Task[None] | None = None
        #: The beginning of a line.
        self._begun = b""
        #: Why no request is answered any more.
        self._ended: MatrixQrError | None = None
        #: Whether the program has ended.
        self._gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        #: The first exception of `answer` and `progress`.
        self._failure: BaseException | None = None
        #: The device that is being signed in, once it has asked for its keys.
        self._device: str | None = None

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        self._input, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
        self._output, _ = await loop.connect_read_pipe(lambda: self, self._process.stdout)

    async def request(self, method: str, params: dict[str, Any]) -> Any:
        """The result of a request.

        If the caller is cancelled, the request ends properly first: a sign-in is cancelled and
        undone, and a token that is being refreshed gets to the disk.
        """
        answered = self._asked(method, params)
        try:
            return await asyncio.shield(answered)
        except MatrixQrError as error:
            raise error from self._failure
        except asyncio.CancelledError:
            if method in ("login", "link"):
                answered.add_done_callback(functools.partial(_warn_of_what_is_left, method))
                self._asked("cancel", {})
            await asyncio.wait([answered], timeout=_CLEAN_UP)
            if answered.done() and (why := answered.exception()) is not None:
                raise asyncio.CancelledError from why
            raise

    def _asked(self, method: str, params: dict[str, Any]) -> asyncio.Future[Any]:
        answered: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        # There may be nobody to read an exception.
        answered.add_done_callback(asyncio.Future.exception)
        if self._ended is not None:
            answered.set_exception(self._ended)
            return answered
        number = next(self._numbers)
        line = _encoded({"id": number, "method": method, "params": params})
        self._waiting[number] = answered
        self._input.write(line)
        return answered

    def data_received(self, data: bytes) -> None:
        if self._ended is not None:
            return
        *lines, self._begun = (self._begun + data).split(b"\n")
        try:
            for line in lines:
                self._line(line)
            _check_length(self._begun)
        except MatrixQrError as error:
            # What it still writes while it ends is read, and ignored.
            self._end(error)

    def connection_lost(self, _error: Exception | None, left: float = _EXIT) -> None:
        status = self._process.poll()
        if status is None and left > 0:
            loop = asyncio.get_running_loop()
            loop.call_later(_SOON, self.connection_lost, None, left - _SOON)
            return
        if status is None:
            how = "matrix-qr helper has closed its output"
        elif status < 0:
            how = f"matrix-qr helper has ended (signal {-status})"
        else:
            how = f"matrix-qr helper has ended (exit status {status})"
        self._end(HelperError(how, advice=_AFTER_THE_END, device_left=self._device))
        if not self._gone.done():
            self._gone.set_result(None)

    def _end(self, why: MatrixQrError) -> None:
        """Only the first reason counts."""
        self._ended = self._ended or why
        for question in self._questions.values():
            question.cancel()
        for answered in self._waiting.values():
            answered.set_exception(self._ended)
        self._waiting.clear()

    def _line(self, line: bytes) -> None:
        _check_length(line)
        if not line.strip() or self._ended is not None:
            return
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            # The line may have secrets.
            raise HelperError("matrix-qr helper sent a line that is not JSON") from None
        match message:
            case {"id": int(number), "method": str(method), "params": dict(params)}:
                if method == "device_keys" and isinstance(params.get("device_id"), str):
                    self._device = params["device_id"]
                self._questions[number] = asyncio.create_task(
                    self._question(number, method, params)
                )
            case {"method": "progress", "params": dict(event)}:
                self._events.append(event)
                if self._telling is None or self._telling.done():
                    self._telling = asyncio.create_task(self._tell())
            case {"method": "cancel_request", "params": {"id": int(number)}}:
                if question := self._questions.pop(number, None):
                    question.cancel()
            case {"id": int(number), "result": result} if number in self._waiting:
                self._waiting.pop(number).set_result(result)
            case {"id": int(number), "error": error} if number in self._waiting:
                self._waiting.pop(number).set_exception(errors.from_json(error))
            case {"id": None, "error": error}:
                raise errors.from_json(error)
            case _:
                raise HelperError("matrix-qr helper sent a line that is not of its protocol")

    async def _question(self, number: int, method: str, params: dict[str, Any]) -> None:
        try:
            line = _encoded({"id": number, "result": await self._answer(method, params)})
        except (Exception, asyncio.CancelledError) as error:
            if number not in self._questions or self._ended is not None:
                return  # The answer is not needed any more.
            self._failure = self._failure or error
            # Not the text of the exception, which may have secrets.
            text = f"{method} could not be answered: {type(error).__name__}"
            line = _encoded({"id": number, "error": {"code": _CANNOT_ANSWER, "message": text}})
        self._questions.pop(number, None)
        self._input.write(line)

    async def _tell(self) -> None:
        """One event after the other."""
        while self._events:
            try:
                await self._progress(self._events.popleft())
            except Exception as error:
                if self._failure is None:
                    self._failure = error
                    self._asked("cancel", {})

    async def _close(self) -> None:
        try:
            self._input.close()
            await asyncio.wait([self._gone], timeout=_CLEAN_UP)
            if self._telling is not None:
                await asyncio.wait([self._telling], timeout=_LAST_EVENTS)
        finally:
            if self._telling is not None:
                self._telling.cancel()
            self._output.close()


def _warn_of_what_is_left(method: str, answered: asyncio.Future[Any]) -> None:
    """Of an exception that comes with `CancelledError`, which is seldom looked at: a person has to
    learn of a device that may still be in the account.
    """
    why = answered.exception()
    if why is None or (isinstance(why, Cancelled) and why.device_left is None):
        return
    text = " ".join(str(why).splitlines())
    _log.warning("%s was cancelled, and ended with this: %s", method, text)


_AFTER_THE_END = (
    "What it wrote to standard error may say why. If a sign-in was running, the account may have a "
    "device that is not verified: sign in again in the same directory, which first removes it, or "
    "remove it by hand."
)


def _encoded(message: dict[str, Any]) -> bytes:
    line = json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n"
    if len(line) > _LONGEST_LINE:
        raise ValueError("a message to matrix-qr helper is longer than 1 MiB")
    return line


def _check_length(line: bytes) -> None:
    if len(line) > _LONGEST_LINE:
        raise HelperError("matrix-qr helper sent a line longer than 1 MiB")
