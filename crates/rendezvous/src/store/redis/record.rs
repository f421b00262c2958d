//! The value of a session's key: `tag (16 bytes) | tag that it replaced (16) | errcodes (1) | left
//! (8) | payload`. The second is all zeros if there is none. `left` is how many milliseconds the
//! session had left when the payload was written. Compared with what it has left now, this tells
//! how long ago that was, so that clocks of different instances, or of Redis, are never compared.
//! write.lua writes the same format.

use std::time::{Duration, Instant};

use axum::body::Bytes;

use crate::store::{
    id::WriteTag,
    session::{Errcodes, SessionSnapshot},
};

/// In place of a tag. A real tag is random, and never this.
const NONE: [u8; 16] = [0; 16];

/// A session as Redis stores it.
pub(super) fn encode(session: &SessionSnapshot) -> Vec<u8> {
    let left = session.expires.saturating_duration_since(session.modified);
    [
        &session.tag.to_bytes()[..],
        &session.replaced.map_or(NONE, WriteTag::to_bytes),
        &[byte(session.errcodes)],
        &milliseconds(left).to_be_bytes(),
        &session.payload,
    ]
    .concat()
}

/// A session that Redis has stored and that has `left` milliseconds left at this moment. `None` if
/// the record is invalid.
pub(super) fn decode(record: &[u8], left: i64, now: Instant) -> Option<SessionSnapshot> {
    let (tag, rest) = record.split_first_chunk()?;
    let (replaced, rest) = rest.split_first_chunk()?;
    let (&[code], rest) = rest.split_first_chunk()?;
    let (&left_when_written, payload) = rest.split_first_chunk()?;
    let left = u64::try_from(left).ok()?;
    let age = Duration::from_millis(u64::from_be_bytes(left_when_written).saturating_sub(left));
    Some(SessionSnapshot {
        tag: WriteTag::from_bytes(*tag),
        replaced: (*replaced != NONE).then(|| WriteTag::from_bytes(*replaced)),
        payload: Bytes::copy_from_slice(payload),
        modified: now.checked_sub(age).unwrap_or(now),
        expires: now.checked_add(Duration::from_millis(left))?,
        errcodes: errcodes(code)?,
    })
}

/// At least 1: Redis rejects a time to live of zero.
pub(super) fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis())
        .unwrap_or(u64::MAX)
        .max(1)
}

pub(super) fn errcodes(byte: u8) -> Option<Errcodes> {
    match byte {
        b's' => Some(Errcodes::Stable),
        b'u' => Some(Errcodes::Unstable),
        _ => None,
    }
}

fn byte(errcodes: Errcodes) -> u8 {
    match errcodes {
        Errcodes::Stable => b's',
        Errcodes::Unstable => b'u',
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);

    fn session(now: Instant) -> SessionSnapshot {
        SessionSnapshot {
            tag: WriteTag::from_bytes([7; 16]),
            replaced: Some(WriteTag::from_bytes([6; 16])),
            payload: Bytes::from_static(b"payload"),
            modified: now,
            expires: now + LIFETIME,
            errcodes: Errcodes::Unstable,
        }
    }

    #[test]
    fn a_record_is_decoded_as_it_was_encoded() {
        let written = Instant::now();
        let record = encode(&session(written));
        let later = written + Duration::from_secs(100);
        let read = decode(&record, 200_000, later).unwrap();
        assert_eq!((read.modified, read.expires), (written, written + LIFETIME));
        assert_eq!(
            (read.tag, read.replaced, &read.payload[..], read.errcodes),
            (
                WriteTag::from_bytes([7; 16]),
                Some(WriteTag::from_bytes([6; 16])),
                &b"payload"[..],
                Errcodes::Unstable
            )
        );
    }

    #[test]
    fn an_empty_payload_is_valid() {
        let now = Instant::now();
        let record = encode(&SessionSnapshot {
            payload: Bytes::new(),
            replaced: None,
            ..session(now)
        });
        let read = decode(&record, 1, now).unwrap();
        assert!(read.payload.is_empty() && read.replaced.is_none());
    }

    #[test]
    fn other_records_are_not_decoded() {
        let now = Instant::now();
        let record = encode(&session(now));
        for length in 0..41 {
            assert!(decode(&record[..length], 1, now).is_none(), "{length}");
        }
        let mut other = record.clone();
        other[32] = b'x';
        assert!(decode(&other, 1, now).is_none());
        assert!(
            decode(&record, -1, now).is_none(),
            "a key without an end is none that we have made"
        );
    }
}
