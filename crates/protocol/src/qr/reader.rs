//! What the byte layouts have in common.

use super::error::QrError;
use crate::channel::PublicKey;

/// What is left to read.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn key(&mut self) -> Result<PublicKey, QrError> {
        let bytes: [u8; 32] = self.take(32)?.try_into().map_err(|_| QrError::Truncated)?;
        let key = PublicKey::from_bytes(bytes);
        if key.is_low_order() {
            Err(QrError::NonContributoryKey)
        } else {
            Ok(key)
        }
    }

    /// Two bytes of length in network byte order, and that many bytes of UTF-8.
    pub(super) fn text(&mut self) -> Result<&'a str, QrError> {
        let length = u16::from_be_bytes([self.byte()?, self.byte()?]);
        self.utf8(length)
    }

    /// The same with one byte of length.
    pub(super) fn short_text(&mut self) -> Result<&'a str, QrError> {
        let length = self.byte()?;
        self.utf8(length.into())
    }

    pub(super) fn byte(&mut self) -> Result<u8, QrError> {
        let (byte, rest) = self.0.split_first().ok_or(QrError::Truncated)?;
        self.0 = rest;
        Ok(*byte)
    }

    pub(super) fn end(self) -> Result<(), QrError> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(QrError::TrailingBytes(self.0.len()))
        }
    }

    fn utf8(&mut self, length: u16) -> Result<&'a str, QrError> {
        std::str::from_utf8(self.take(length.into())?).map_err(|_| QrError::BadUtf8)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], QrError> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(QrError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }
}

/// What [`Reader::text`] reads.
pub(super) fn push_text(bytes: &mut Vec<u8>, text: &str) -> Result<(), QrError> {
    let length = u16::try_from(text.len()).map_err(|_| QrError::TooLong(text.len()))?;
    bytes.extend(length.to_be_bytes());
    bytes.extend(text.as_bytes());
    Ok(())
}
