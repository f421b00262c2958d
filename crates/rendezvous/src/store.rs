//! What a rendezvous session is, and what can come of an attempt to use one. No HTTP here, and no clock: the
//! caller says what time it is.

use std::{fmt, sync::Arc, time::Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

pub(crate) mod memory;

/// A session as it was at one moment. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Session {
    /// Which write this is.
    pub(crate) revision: Revision,
    /// An allocation of exactly the payload's size.
    pub(crate) payload: Arc<[u8]>,
    /// When the payload was written.
    pub(crate) modified: Instant,
    /// When the session ends. Set once.
    pub(crate) expires: Instant,
    /// Which form of error code its clients know.
    pub(crate) errcodes: Errcodes,
}

/// A payload on its way in, with the revision that it gets if it is stored, and the time that it is.
pub(crate) struct Write {
    pub(crate) revision: Revision,
    pub(crate) payload: Arc<[u8]>,
    pub(crate) now: Instant,
}

/// What came of creating a session.
pub(crate) enum Created {
    /// It lives.
    Created(Session),
    /// There are as many sessions as may be, none before this moment ends.
    Full { until: Instant },
}

/// What came of reading a session.
pub(crate) enum Read {
    /// The payload is not the one that the reader has seen.
    Changed(Session),
    /// It is.
    Unchanged(Session),
    /// There is no such session: it never was, was deleted, or has expired.
    Gone,
}

/// What came of writing to a session.
pub(crate) enum Written {
    /// The payload is the new one.
    Replaced(Session),
    /// Another write came first. This is what it left.
    Conflict(Session),
    /// As in [`Read`].
    Gone,
}

/// The form of the error codes that the proposal adds, by the path on which the session was created (MSC4108,
/// "Unstable prefix").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Errcodes {
    /// `M_CONCURRENT_WRITE`
    Stable,
    /// `M_UNKNOWN`, with the real one beside it under the proposal's prefix.
    Unstable,
}

/// The unguessable name of a session. Who knows it can read, write and delete: it belongs in no log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Id(Token);

/// The name of one write. Random rather than a hash, so that the same payload written twice has two names
/// (MSC4108, "ETags").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Revision(Token);

impl Id {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        Token::random().map(Self)
    }

    /// `None` for a text that names no session of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Token::parse(text).map(Self)
    }

    /// One of `count` places, evenly spread, the same each time.
    pub(crate) fn place(self, count: usize) -> usize {
        let Token([a, b, ..]) = self.0;
        usize::from(u16::from_le_bytes([a, b])) % count.max(1)
    }
}

impl Revision {
    pub(crate) fn random() -> Result<Self, getrandom::Error> {
        Token::random().map(Self)
    }

    /// `None` for a text that is no revision of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        Token::parse(text).map(Self)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// 128 bits from the operating system, as 22 characters of base64url: safe in a path and within the quotes of
/// an ETag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Token([u8; 16]);

impl Token {
    fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_token_has_one_spelling() {
        let id = Id::random().unwrap();
        let text = id.to_string();
        assert_eq!(text.len(), 22);
        assert!(Id::parse(&text) == Some(id));
        for other in
            ["", "AAAA", &text[..21], &format!("{text}A"), &format!("{text}=="), "AAAAAAAAAAAAAAAAAAAAAB"]
        {
            assert!(Id::parse(other).is_none(), "{other}");
        }
    }
}
