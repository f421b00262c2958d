//! The byte layout of MSC4108's QR code after `MATRIX` and version 2: mode, key, URL and, in mode
//! 4, the homeserver.

use super::code::{QrCode, ShownBy};
use super::error::QrError;
use super::prefix;
use super::reader::{Reader, push_text};
use crate::homeserver::HomeserverAddress;
use crate::rendezvous::{Location, SessionUrl};
use crate::revision::Prefix;

pub(super) const VERSION: u8 = 0x02;
const MODE_NEW: u8 = 0x03;
const MODE_EXISTING: u8 = 0x04;
/// Device verification codes have the same prefix and version (Client-Server API, "QR code
/// format").
const VERIFICATION_MODES: std::ops::RangeInclusive<u8> = 0x00..=0x02;

pub(super) fn decode(mut reader: Reader<'_>) -> Result<QrCode, QrError> {
    let mode = mode(&mut reader)?;
    let key = reader.key()?;
    let url = SessionUrl::parse(reader.text()?).map_err(QrError::BadUrl)?;
    let shown_by = if mode == MODE_EXISTING {
        ShownBy::Existing(homeserver(&mut reader)?)
    } else {
        ShownBy::New
    };
    reader.end()?;
    Ok(QrCode {
        shown_by,
        key,
        location: Location::Url(url),
    })
}

pub(super) fn encode(code: &QrCode, url: &SessionUrl) -> Result<Vec<u8>, QrError> {
    let mode = if code.homeserver().is_some() {
        MODE_EXISTING
    } else {
        MODE_NEW
    };
    let mut bytes = [
        prefix::bytes_of(Prefix::Stable),
        &[VERSION, mode],
        code.key.as_bytes(),
    ]
    .concat();
    push_text(&mut bytes, url.as_str())?;
    if let Some(homeserver) = code.homeserver() {
        push_text(&mut bytes, homeserver.as_str())?;
    }
    Ok(bytes)
}

/// One of the two.
fn mode(reader: &mut Reader<'_>) -> Result<u8, QrError> {
    match reader.byte()? {
        mode @ (MODE_NEW | MODE_EXISTING) => Ok(mode),
        mode if VERIFICATION_MODES.contains(&mode) => Err(QrError::VerificationCode),
        mode => Err(QrError::UnknownMode(mode)),
    }
}

fn homeserver(reader: &mut Reader<'_>) -> Result<HomeserverAddress, QrError> {
    HomeserverAddress::parse(reader.text()?).map_err(QrError::BadHomeserver)
}
