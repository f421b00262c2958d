//! The byte layout of MSC4108's QR code after `MATRIX` and version 2: mode, key, URL and, in mode
//! 4, the homeserver.

use super::code::{QrCode, ShownBy};
use super::error::QrError;
use super::prefix;
use super::reader::{Reader, push_text};
use crate::homeserver::HomeserverAddress;
use crate::rendezvous::{Location, SessionUrl};
use crate::revision::{Prefix, Role};

pub(super) const VERSION: u8 = 0x02;
const MODE_NEW: u8 = 0x03;
const MODE_EXISTING: u8 = 0x04;
/// Device verification codes have the same prefix and version (Client-Server API, "QR code
/// format").
const VERIFICATION_MODES: std::ops::RangeInclusive<u8> = 0x00..=0x02;

pub(super) fn decode(mut reader: Reader<'_>) -> Result<QrCode, QrError> {
    let is_existing = match reader.byte()? {
        MODE_NEW => false,
        MODE_EXISTING => true,
        mode if VERIFICATION_MODES.contains(&mode) => return Err(QrError::VerificationCode),
        mode => return Err(QrError::UnknownMode(mode)),
    };
    let key = reader.key()?;
    let url = SessionUrl::parse(reader.text()?).map_err(QrError::BadUrl)?;
    let shown_by = if is_existing {
        let homeserver = HomeserverAddress::parse(reader.text()?);
        ShownBy::Existing(homeserver.map_err(QrError::BadHomeserver)?)
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
    let mode = match code.role() {
        Role::New => MODE_NEW,
        Role::Existing => MODE_EXISTING,
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
