//! What can be wrong with a QR code.

use thiserror::Error;

use crate::{
    homeserver::InvalidHomeserver,
    user_error::{Cause, ToUserError},
    web_url::UrlError,
};

/// What the largest QR code (version 40) holds at error correction level Q, in bytes.
pub const MAX_QR_BYTES: usize = 1663;

/// Why bytes are not a QR code that this program can use, or a code cannot be made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QrError {
    /// It does not begin as Matrix's QR codes do.
    #[error("this is not a Matrix QR code")]
    NotMatrix,
    /// A Matrix QR code for verifying a device that is already signed in (version 2, modes 0 to 2).
    #[error("this QR code verifies a device that is already signed in")]
    VerificationCode,
    /// A Matrix QR code of another version of the format.
    #[error("this is a Matrix QR code of version {0}, and this program reads versions 2 and 3")]
    OtherVersion(u8),
    /// The mode (version 2) or the intent (type 3) is none that the proposal defines.
    #[error("this Matrix QR code has the unknown mode {0}")]
    UnknownMode(u8),
    /// It ends too early.
    #[error("the QR code is incomplete")]
    Truncated,
    /// It goes on after its end.
    #[error("the QR code has {0} bytes too many")]
    TrailingBytes(usize),
    /// The URL or the homeserver is not UTF-8.
    #[error("the QR code is damaged: its text is not UTF-8")]
    BadUtf8,
    /// The rendezvous session's URL is not one that may be contacted.
    #[error("the QR code contains no usable rendezvous session: {0}")]
    BadUrl(UrlError),
    /// The rendezvous session's ID is no opaque identifier.
    #[error("the QR code contains no usable rendezvous session: its ID has invalid characters")]
    BadSessionId,
    /// The homeserver is neither a base URL nor a server name.
    #[error("the QR code contains no usable homeserver: {0}")]
    BadHomeserver(InvalidHomeserver),
    /// Type 3 has room for one base URL, and this would need two.
    #[error("this kind of QR code can name only one server, for both the session and the account")]
    HomeserverElsewhere,
    /// The public key would make every secret known to anyone (RFC 7748, section 6.1).
    #[error("the QR code contains a forged key")]
    NonContributoryKey,
    /// More than [`MAX_QR_BYTES`]: the URL or the homeserver is too long to be shown as a QR code.
    #[error("a QR code holds at most {MAX_QR_BYTES} bytes, but this one would need {0}")]
    TooLong(usize),
}

impl ToUserError for QrError {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::NotMatrix => "Scan the code that the other device shows for sign-in.",
            Self::VerificationCode => "On the other device, choose to link a new device.",
            Self::OtherVersion(_) => "Update the older of the two devices.",
            Self::UnknownMode(_) => "Update this program or use another device.",
            Self::Truncated | Self::TrailingBytes(_) | Self::BadUtf8 => "Scan it again.",
            Self::BadUrl(_) | Self::BadSessionId | Self::BadHomeserver(_) => {
                "Scan the code that the other device shows for sign-in."
            }
            Self::NonContributoryKey => "Do not use it.",
            // The two that are said of a code of our own.
            Self::TooLong(_) => return (Cause::RendezvousServer, "Use a shorter rendezvous URL."),
            Self::HomeserverElsewhere => {
                return (Cause::Here, "Use the account's homeserver for the session.");
            }
        };
        (Cause::OtherDevice, advice)
    }
}
