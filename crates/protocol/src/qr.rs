//! Section "QR code format" of MSC4108 and of MSC4388: what the QR code says, and its bytes.
//!
//! The bytes are binary: put them into a QR code in byte mode (the proposal's pictures use error
//! correction level Q) and read them back as bytes, not as text.

mod code;
mod error;
mod msc4108;
mod msc4388;
pub mod picture;
mod prefix;
mod reader;

use std::fmt;

pub use self::code::{QrCode, ShownBy};
pub use self::error::{MAX_QR_BYTES, QrError};
use self::reader::Reader;
use crate::rendezvous::Location;
use crate::revision::Prefix;

impl QrCode {
    /// Reads the bytes of a QR code.
    ///
    /// # Errors
    /// Each reason why it cannot be used has its own [`QrError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, QrError> {
        let (prefix, rest) = prefix::split(bytes)?;
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
        let text = prefix::split(bytes).map_or(0, |(_, rest)| bytes.len() - rest.len());
        bytes.get(..text + 2).unwrap_or(bytes)
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

    /// The bytes as unpadded base64: for a device without a camera. [`QrCode::decode`] reads the
    /// bytes again.
    #[must_use]
    pub fn to_base64(&self) -> String {
        crate::base64::encode(&self.bytes)
    }

    /// The bytes to show as a QR code. Anyone who reads them can write to the session.
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

#[cfg(test)]
mod tests;
