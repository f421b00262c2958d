"""How a sign-in can fail."""

from __future__ import annotations

from typing import Any

from ._text import harmless


class MatrixQrError(Exception):
    """A request failed. The subclasses are for the codes on which a program may want to act.

    Its texts can be printed: they have no control characters, although servers may have written
    parts of them.
    """

    #: The exit code that the command would have (`matrix-qr --help`), or a code of JSON-RPC.
    code: int
    #: What happened.
    message: str
    #: Who or what caused it, for example "the homeserver"; `None` where it is obvious.
    cause: str | None
    #: What to do now.
    advice: str | None
    #: The ID of a device that may still be in the account: remove it there by hand.
    device_left: str | None

    def __init__(
        self,
        message: str,
        *,
        code: int = 1,
        cause: str | None = None,
        advice: str | None = None,
        device_left: str | None = None,
    ) -> None:
        self.code = code
        self.message = harmless(message)
        self.cause = cause and harmless(cause)
        self.advice = advice and harmless(advice)
        self.device_left = device_left and harmless(device_left)
        super().__init__(self.message)

    def __str__(self) -> str:
        left = self.device_left and f"The device {self.device_left} may still be in the account."
        return "\n".join(part for part in (self.message, left, self.advice) if part)


class HelperError(MatrixQrError):
    """The program `matrix-qr` is missing, ended too early, or did not keep to the protocol."""


class Cancelled(MatrixQrError):
    """Cancelled here (code 3)."""


class Declined(MatrixQrError):
    """The other device ended the sign-in, or the consent page was answered with no (code 4)."""


class TimedOut(MatrixQrError):
    """The sign-in timed out: start again with a new code (code 5)."""


class UnusableCode(MatrixQrError):
    """The scanned code is damaged, unsupported, already used, or of the same role (code 6)."""


class SecurityCheckFailed(MatrixQrError):
    """Wrong digits, tampering, refused secrets, or another account (code 7)."""


class ServerFailed(MatrixQrError):
    """The homeserver or its authorization server failed, or lacks a feature (code 8)."""


class NetworkFailed(MatrixQrError):
    """The network or the rendezvous server failed, or the server name is unknown (code 9)."""


class NotReady(MatrixQrError):
    """This device has no session, no cross-signing keys, or the wrong passphrase (code 10)."""


_BY_CODE: dict[int, type[MatrixQrError]] = {
    3: Cancelled,
    4: Declined,
    5: TimedOut,
    6: UnusableCode,
    7: SecurityCheckFailed,
    8: ServerFailed,
    9: NetworkFailed,
    10: NotReady,
}


def from_json(error: Any) -> MatrixQrError:
    """The error of a JSON-RPC answer."""
    match error:
        case {"code": int(code), "message": str(message), **more}:
            data = more.get("data")
            details = data if isinstance(data, dict) else {}
            return _BY_CODE.get(code, MatrixQrError)(
                message,
                code=code,
                cause=details.get("cause"),
                advice=details.get("advice"),
                device_left=details.get("device_left"),
            )
        case _:
            return HelperError("matrix-qr helper sent an error that is not of its protocol")
