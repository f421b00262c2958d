//! The random names of sessions and of writes.

use std::{fmt, marker::PhantomData};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

/// Which API a session belongs to. A session that was created through one of them does not exist in
/// the other: payloads and conditions mean different things there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionApi {
    /// MSC4108 of 2024: `text/plain` and ETags.
    Msc4108,
    /// MSC4388: JSON and sequence tokens.
    Msc4388,
}

/// The unguessable ID of a session. Whoever knows it can read, write and delete the session: it
/// must not be logged.
///
/// Its last bit is the API of the session, so that no store needs to keep that.
pub type SessionId = RandomToken<OfSession>;

/// The name of one write: an ETag in MSC4108, a sequence token in MSC4388. Random rather than a
/// hash, so that the same payload written twice has two tags (MSC4108, "ETags").
pub type WriteTag = RandomToken<OfWrite>;

/// What a [`SessionId`] names. Without `Debug`, so that no ID is logged by accident.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OfSession {}

/// What a [`WriteTag`] names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum OfWrite {}

/// 128 bits from a generator that the operating system seeds; as text, 22 characters of base64url:
/// safe in a path and within the quotes of an ETag. `Of` says what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RandomToken<Of> {
    bytes: [u8; 16],
    of: PhantomData<Of>,
}

impl<Of: Copy> RandomToken<Of> {
    /// The bytes for a store to keep.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.bytes
    }

    /// From the bytes that a store has kept.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self {
            bytes,
            of: PhantomData,
        }
    }

    /// In base64url.
    pub(crate) fn to_text(self) -> [u8; 22] {
        let mut text = [0; 22];
        let written = URL_SAFE_NO_PAD.encode_slice(self.bytes, &mut text);
        debug_assert_eq!(written, Ok(22));
        text
    }

    fn from_text(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then(|| Self::from_bytes(bytes))
    }
}

impl SessionId {
    /// A new ID: 127 random bits, and the bit of the API.
    pub(crate) fn random(api: SessionApi) -> Self {
        let bit = u128::from(api == SessionApi::Msc4388);
        Self::from_bytes((rand::random::<u128>() & !1 | bit).to_be_bytes())
    }

    /// `None` for a text that cannot be the ID of a session of this API.
    pub(crate) fn parse(text: &str, api: SessionApi) -> Option<Self> {
        Self::from_text(text).filter(|id| id.api() == api)
    }

    fn api(self) -> SessionApi {
        if u128::from_be_bytes(self.bytes) & 1 == 0 {
            SessionApi::Msc4108
        } else {
            SessionApi::Msc4388
        }
    }

    /// One of `count` shards: evenly spread, and always the same for this session.
    pub(crate) fn shard(self, count: usize) -> usize {
        let [a, b, ..] = self.bytes;
        usize::from(u16::from_le_bytes([a, b])) % count.max(1)
    }
}

impl WriteTag {
    /// A tag that no other write has.
    pub(crate) fn random() -> Self {
        Self::from_bytes(rand::random())
    }

    /// `None` for a text that cannot be a tag of this server.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::from_text(text)
    }
}

impl<Of: Copy> fmt::Display for RandomToken<Of> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.to_text()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_has_one_spelling() {
        let id = SessionId::random(SessionApi::Msc4108);
        let text = id.to_string();
        assert_eq!(text.len(), 22);
        assert!(SessionId::parse(&text, SessionApi::Msc4108) == Some(id));
        for other in [
            "",
            "AAAA",
            &text[..21],
            &format!("{text}A"),
            &format!("{text}=="),
            "AAAAAAAAAAAAAAAAAAAAAB",
        ] {
            assert!(
                SessionId::parse(other, SessionApi::Msc4108).is_none(),
                "{other}"
            );
        }
    }

    #[test]
    fn an_id_belongs_to_one_api() {
        for _ in 0..100 {
            for (api, other) in [
                (SessionApi::Msc4108, SessionApi::Msc4388),
                (SessionApi::Msc4388, SessionApi::Msc4108),
            ] {
                let id = SessionId::random(api);
                assert!(SessionId::parse(&id.to_string(), api) == Some(id));
                assert!(SessionId::parse(&id.to_string(), other).is_none());
            }
        }
    }
}
