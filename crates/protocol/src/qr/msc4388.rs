//! The byte layout of MSC4388's QR code after its prefix and type 3: intent, key, session ID, base
//! URL.

use super::code::{QrCode, ShownBy};
use super::error::QrError;
use super::prefix;
use super::reader::{Reader, push_text};
use crate::homeserver::{BaseUrl, HomeserverAddress};
use crate::rendezvous::{ApiRoot, Location, SessionId};
use crate::revision::Prefix;

pub(super) const TYPE: u8 = 0x03;
/// "a new device wishing to log in and self-verify".
const INTENT_NEW: u8 = 0x00;
/// "an existing device wishing to facilitate the login of a new device".
const INTENT_EXISTING: u8 = 0x01;

pub(super) fn decode(mut reader: Reader<'_>, prefix: Prefix) -> Result<QrCode, QrError> {
    let intent = match reader.byte()? {
        intent @ (INTENT_NEW | INTENT_EXISTING) => intent,
        intent => return Err(QrError::UnknownMode(intent)),
    };
    let key = reader.key()?;
    let id = reader.short_text()?;
    let base_url = BaseUrl::parse(reader.text()?).map_err(QrError::BadUrl)?;
    reader.end()?;
    let shown_by = match intent {
        // "taken from the QR code" (MSC4108 of 2026, step 1): the session is where the account is.
        INTENT_EXISTING => ShownBy::Existing(base_url.clone().into()),
        _ => ShownBy::New,
    };
    let session =
        SessionId::parse(ApiRoot::new(base_url, prefix), id).ok_or(QrError::BadSessionId)?;
    Ok(QrCode {
        shown_by,
        key,
        location: Location::Id(session),
    })
}

pub(super) fn encode(code: &QrCode, session: &SessionId) -> Result<Vec<u8>, QrError> {
    let base_url = session.api().base_url().as_str();
    let intent = match code.homeserver().map(HomeserverAddress::as_str) {
        None => INTENT_NEW,
        Some(homeserver) if homeserver == base_url => INTENT_EXISTING,
        Some(_) => return Err(QrError::HomeserverElsewhere),
    };
    let mut bytes = [
        prefix::bytes_of(session.api().prefix()),
        &[TYPE, intent],
        code.key.as_bytes(),
    ]
    .concat();
    bytes.push(u8::try_from(session.as_str().len()).map_err(|_| QrError::BadSessionId)?);
    bytes.extend(session.as_str().as_bytes());
    push_text(&mut bytes, base_url)?;
    Ok(bytes)
}
