//! MSC4108, section "QR code format": what the QR code says, and its bytes.
//!
//! The bytes are binary: put them into a QR code in byte mode (the proposal's pictures use error correction level Q)
//! and read them back as bytes, not as text.

mod msc4108;

use thiserror::Error;

use crate::channel::PublicKey;
use crate::homeserver::{Homeserver, HomeserverError};
use crate::rendezvous::Location;
use crate::revision::Role;
use crate::web_url::UrlError;

/// What the largest QR code (version 40) holds at error correction level Q, in bytes.
pub const MAX_QR_BYTES: usize = 1663;

/// Everything that device S learns from the QR code of device G.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QrCode {
    /// Who shows it.
    pub shown_by: ShownBy,
    /// Gp, device G's ephemeral public key.
    pub key: PublicKey,
    /// Where the rendezvous session is.
    pub location: Location,
}

/// Which device shows the code. Only the existing one has a homeserver to name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ShownBy {
    /// A new device wishing to be signed in.
    New,
    /// An existing device wishing to sign in a new one, at this homeserver.
    Existing(Homeserver),
}

/// Why bytes are not a QR code that this program can use, or a code cannot be made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QrError {
    /// It does not begin as Matrix's QR codes do.
    #[error("this is not a Matrix QR code; scan the one that the other device shows for signing in")]
    NotMatrix,
    /// A Matrix QR code for verifying a device that is signed in already (version 2, modes 0 to 2).
    #[error(
        "this QR code verifies a device that is already signed in; on the other device, choose to link a new device"
    )]
    VerificationCode,
    /// A Matrix QR code of another version of the format.
    #[error(
        "this is a Matrix QR code of version {0}, and this program reads version 2; update the older of the two devices"
    )]
    OtherVersion(u8),
    /// The mode is none that the proposal defines.
    #[error("this Matrix QR code has the unknown mode {0}; update this program or use another device")]
    UnknownMode(u8),
    /// It ends too early.
    #[error("the QR code is incomplete; scan it again")]
    Truncated,
    /// It goes on after its end.
    #[error("the QR code has {0} bytes too many; scan it again")]
    TrailingBytes(usize),
    /// The URL or the homeserver is not UTF-8.
    #[error("the QR code is damaged: its text is not UTF-8; scan it again")]
    BadUtf8,
    /// The rendezvous session's URL is not one that may be contacted.
    #[error("the QR code names no usable rendezvous session: {0}")]
    BadUrl(UrlError),
    /// The homeserver is neither a base URL nor a server name.
    #[error("the QR code names no usable homeserver: {0}")]
    BadHomeserver(HomeserverError),
    /// The public key would make every secret known to anyone (RFC 7748, section 6.1).
    #[error("the QR code contains a forged key; do not use it")]
    NonContributoryKey,
    /// More than [`MAX_QR_BYTES`]: the URL or the homeserver is too long to be shown as a QR code.
    #[error("a QR code holds {MAX_QR_BYTES} bytes and this one would need {0}; use a shorter rendezvous URL")]
    TooLong(usize),
}

impl QrCode {
    /// Reads the bytes of a QR code.
    ///
    /// # Errors
    /// Each way in which it is not one of ours has its own [`QrError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, QrError> {
        msc4108::decode(bytes)
    }

    /// The bytes to show as a QR code. Decoding and encoding gives the same bytes again.
    ///
    /// # Errors
    /// [`QrError::TooLong`] when no QR code can hold them, [`QrError::NonContributoryKey`] for a key that nobody would accept.
    pub fn encode(&self) -> Result<Vec<u8>, QrError> {
        msc4108::encode(self)
    }

    /// The role of the device that shows the code.
    #[must_use]
    pub fn role(&self) -> Role {
        match self.shown_by {
            ShownBy::New => Role::New,
            ShownBy::Existing(_) => Role::Existing,
        }
    }

    /// The homeserver, when the existing device shows the code.
    #[must_use]
    pub fn homeserver(&self) -> Option<&Homeserver> {
        match &self.shown_by {
            ShownBy::New => None,
            ShownBy::Existing(homeserver) => Some(homeserver),
        }
    }
}

#[cfg(test)]
mod tests;
