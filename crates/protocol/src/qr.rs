//! Section "QR code format" of MSC4108 and of MSC4388: what the QR code says, and its bytes.
//!
//! The bytes are binary: put them into a QR code in byte mode (the proposal's pictures use error
//! correction level Q) and read them back as bytes, not as text.

mod msc4108;
mod msc4388;
mod reader;

use std::fmt;

use thiserror::Error;

use self::reader::Reader;
use crate::channel::PublicKey;
use crate::homeserver::{HomeserverAddress, InvalidHomeserver};
use crate::rendezvous::Location;
use crate::revision::{Prefix, Role};
use crate::web_url::UrlError;

/// What the largest QR code (version 40) holds at error correction level Q, in bytes.
pub const MAX_QR_BYTES: usize = 1663;

const PREFIX: &[u8] = b"MATRIX";
/// MSC4388, section "Unstable QR code format".
const UNSTABLE_PREFIX: &[u8] = b"IO_ELEMENT_MSC4388";

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
    Existing(HomeserverAddress),
}

/// Why bytes are not a QR code that this program can use, or a code cannot be made of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum QrError {
    /// It does not begin as Matrix's QR codes do.
    #[error(
        "this is not a Matrix QR code; scan the one that the other device shows for signing in"
    )]
    NotMatrix,
    /// A Matrix QR code for verifying a device that is signed in already (version 2, modes 0 to 2).
    #[error(
        "this QR code verifies a device that is already signed in; on the other device, choose to link a new device"
    )]
    VerificationCode,
    /// A Matrix QR code of another version of the format.
    #[error(
        "this is a Matrix QR code of version {0}, and this program reads versions 2 and 3; update the older of the two devices"
    )]
    OtherVersion(u8),
    /// The mode (version 2) or the intent (type 3) is none that the proposal defines.
    #[error(
        "this Matrix QR code has the unknown mode {0}; update this program or use another device"
    )]
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
    /// The rendezvous session's ID is no opaque identifier.
    #[error("the QR code names no usable rendezvous session: its ID has characters that no ID has")]
    BadSessionId,
    /// The homeserver is neither a base URL nor a server name.
    #[error("the QR code names no usable homeserver: {0}")]
    BadHomeserver(InvalidHomeserver),
    /// Type 3 has room for one base URL, and this would need two.
    #[error(
        "this kind of QR code names one server for the session and the account; use the account's homeserver for the session"
    )]
    HomeserverElsewhere,
    /// The public key would make every secret known to anyone (RFC 7748, section 6.1).
    #[error("the QR code contains a forged key; do not use it")]
    NonContributoryKey,
    /// More than [`MAX_QR_BYTES`]: the URL or the homeserver is too long to be shown as a QR code.
    #[error(
        "a QR code holds {MAX_QR_BYTES} bytes and this one would need {0}; use a shorter rendezvous URL"
    )]
    TooLong(usize),
}

impl QrCode {
    /// Reads the bytes of a QR code.
    ///
    /// # Errors
    /// Each way in which it is not one of ours has its own [`QrError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, QrError> {
        let (prefix, rest) = split_prefix(bytes)?;
        let mut reader = Reader(rest);
        match (prefix, reader.byte()?) {
            (Prefix::Stable, msc4108::VERSION) => msc4108::decode(reader),
            (prefix, msc4388::TYPE) => msc4388::decode(reader, prefix),
            (_, version) => Err(QrError::OtherVersion(version)),
        }
    }

    /// The bytes to show as a QR code. Decoding and encoding gives the same bytes again.
    ///
    /// # Errors
    /// [`QrError::TooLong`] when no QR code can hold them, [`QrError::NonContributoryKey`] for a
    /// key that nobody would accept, [`QrError::HomeserverElsewhere`] when an MSC4388 session is
    /// not at the homeserver to name.
    pub fn encode(&self) -> Result<Vec<u8>, QrError> {
        if self.key.is_low_order() {
            return Err(QrError::NonContributoryKey);
        }
        let bytes = match &self.location {
            Location::Url(url) => msc4108::encode(self, url)?,
            Location::Id(session) => msc4388::encode(self, session)?,
        };
        if bytes.len() > MAX_QR_BYTES {
            Err(QrError::TooLong(bytes.len()))
        } else {
            Ok(bytes)
        }
    }

    /// How its bytes begin: the fixed text, the version or type, the mode or intent.
    #[must_use]
    pub fn head(bytes: &[u8]) -> &[u8] {
        let text = split_prefix(bytes).map_or(0, |(_, rest)| bytes.len() - rest.len());
        bytes.get(..text + 2).unwrap_or(bytes)
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
    pub fn homeserver(&self) -> Option<&HomeserverAddress> {
        match &self.shown_by {
            ShownBy::New => None,
            ShownBy::Existing(homeserver) => Some(homeserver),
        }
    }
}

/// A code with its bytes: one that can be shown.
#[derive(Clone, PartialEq, Eq)]
pub struct ShownCode {
    code: QrCode,
    bytes: Vec<u8>,
}

impl ShownCode {
    /// A code to show.
    ///
    /// # Errors
    /// As for [`QrCode::encode`].
    pub fn new(code: QrCode) -> Result<Self, QrError> {
        let bytes = code.encode()?;
        Ok(Self { code, bytes })
    }

    /// What it says.
    #[must_use]
    pub fn code(&self) -> &QrCode {
        &self.code
    }

    /// The bytes to show as a QR code. Who reads them can write to the session.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl fmt::Debug for ShownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.code.fmt(f)
    }
}

fn split_prefix(bytes: &[u8]) -> Result<(Prefix, &[u8]), QrError> {
    let under = |known| bytes.strip_prefix(prefix(known)).map(|rest| (known, rest));
    under(Prefix::Stable)
        .or_else(|| under(Prefix::Unstable))
        .ok_or(QrError::NotMatrix)
}

fn prefix(prefix: Prefix) -> &'static [u8] {
    match prefix {
        Prefix::Stable => PREFIX,
        Prefix::Unstable => UNSTABLE_PREFIX,
    }
}

#[cfg(test)]
mod tests;
