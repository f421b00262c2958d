"""Sign in a Matrix device by QR code (MSC4108, MSC4388).

`sign_in` makes a new device, `grant` helps another one to sign in, and `Session` has the access
tokens of a device.
"""

from ._sign_in import Backup, Granted, SignedIn, grant, sign_in
from ._terminal import TerminalPerson
from ._text import harmless
from .errors import (
    Cancelled,
    Declined,
    HelperError,
    MatrixQrError,
    NetworkFailed,
    NotReady,
    SecurityCheckFailed,
    ServerFailed,
    TimedOut,
    UnusableCode,
)
from .keys import BackupKey, CrossSigningKeys, Identity, Keys, Secrets, VerifiedDevice
from .person import CallbackPerson, Code, ConsentLink, Person
from .session import RestoredKeys, Session, Token

__all__ = [
    "Backup",
    "BackupKey",
    "CallbackPerson",
    "Cancelled",
    "Code",
    "ConsentLink",
    "CrossSigningKeys",
    "Declined",
    "Granted",
    "HelperError",
    "Identity",
    "Keys",
    "MatrixQrError",
    "NetworkFailed",
    "NotReady",
    "Person",
    "RestoredKeys",
    "Secrets",
    "SecurityCheckFailed",
    "ServerFailed",
    "Session",
    "SignedIn",
    "TerminalPerson",
    "TimedOut",
    "Token",
    "UnusableCode",
    "VerifiedDevice",
    "grant",
    "harmless",
    "sign_in",
]
