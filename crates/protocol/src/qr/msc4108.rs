//! The byte layout of MSC4108's QR code: `MATRIX`, version 2, mode, key, URL and, in mode 4, the homeserver.

use super::{MAX_QR_BYTES, QrCode, QrError, ShownBy};
use crate::channel::PublicKey;
use crate::homeserver::Homeserver;
use crate::rendezvous::{Location, SessionUrl};

const PREFIX: &[u8] = b"MATRIX";
/// The prefix under which a later version of the format is being tried out; known here only to say so.
const LATER_UNSTABLE_PREFIX: &[u8] = b"IO_ELEMENT_MSC4388";
const VERSION: u8 = 0x02;
const MODE_NEW: u8 = 0x03;
const MODE_EXISTING: u8 = 0x04;
/// Device verification codes have the same prefix and version (Client-Server API, "QR code format").
const VERIFICATION_MODES: std::ops::RangeInclusive<u8> = 0x00..=0x02;

pub(super) fn decode(bytes: &[u8]) -> Result<QrCode, QrError> {
    let mut reader = Reader(bytes);
    let mode = reader.header()?;
    let key = reader.key()?;
    let location = reader.location()?;
    let shown_by = if mode == MODE_EXISTING { ShownBy::Existing(reader.homeserver()?) } else { ShownBy::New };
    reader.end()?;
    Ok(QrCode { shown_by, key, location })
}

pub(super) fn encode(code: &QrCode) -> Result<Vec<u8>, QrError> {
    if code.key.is_low_order() {
        return Err(QrError::NonContributoryKey);
    }
    let Location::Url(url) = &code.location;
    let mode = if code.homeserver().is_some() { MODE_EXISTING } else { MODE_NEW };
    let mut bytes = [PREFIX, &[VERSION, mode], code.key.as_bytes()].concat();
    for text in [Some(url.as_str()), code.homeserver().map(Homeserver::as_str)].into_iter().flatten() {
        let length = u16::try_from(text.len()).map_err(|_| QrError::TooLong(text.len()))?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(text.as_bytes());
    }
    if bytes.len() > MAX_QR_BYTES {
        return Err(QrError::TooLong(bytes.len()));
    }
    Ok(bytes)
}

/// What is left to read.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Prefix, version and mode; gives the mode, one of the two.
    fn header(&mut self) -> Result<u8, QrError> {
        let later = self.0.strip_prefix(LATER_UNSTABLE_PREFIX);
        self.0 = later.or(self.0.strip_prefix(PREFIX)).ok_or(QrError::NotMatrix)?;
        let version = self.byte()?;
        if later.is_some() || version != VERSION {
            return Err(QrError::OtherVersion(version));
        }
        match self.byte()? {
            mode @ (MODE_NEW | MODE_EXISTING) => Ok(mode),
            mode if VERIFICATION_MODES.contains(&mode) => Err(QrError::VerificationCode),
            mode => Err(QrError::UnknownMode(mode)),
        }
    }

    fn key(&mut self) -> Result<PublicKey, QrError> {
        let bytes: [u8; 32] = self.take(32)?.try_into().map_err(|_| QrError::Truncated)?;
        let key = PublicKey::from_bytes(bytes);
        if key.is_low_order() { Err(QrError::NonContributoryKey) } else { Ok(key) }
    }

    fn location(&mut self) -> Result<Location, QrError> {
        SessionUrl::parse(self.text()?).map(Location::Url).map_err(QrError::BadUrl)
    }

    fn homeserver(&mut self) -> Result<Homeserver, QrError> {
        Homeserver::parse(self.text()?).map_err(QrError::BadHomeserver)
    }

    /// Two bytes of length in network byte order, and so many bytes of UTF-8.
    fn text(&mut self) -> Result<&'a str, QrError> {
        let length = u16::from_be_bytes([self.byte()?, self.byte()?]);
        std::str::from_utf8(self.take(length.into())?).map_err(|_| QrError::BadUtf8)
    }

    fn byte(&mut self) -> Result<u8, QrError> {
        let (byte, rest) = self.0.split_first().ok_or(QrError::Truncated)?;
        self.0 = rest;
        Ok(*byte)
    }

    fn take(&mut self, n: usize) -> Result<&'a [u8], QrError> {
        let (taken, rest) = self.0.split_at_checked(n).ok_or(QrError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    fn end(self) -> Result<(), QrError> {
        if self.0.is_empty() { Ok(()) } else { Err(QrError::TrailingBytes(self.0.len())) }
    }
}
