//! What a rendezvous session is, and what can come of an attempt to use one. No HTTP here, and no
//! clock: the caller says what time it is.

use std::{convert::Infallible, fmt, future::Future, sync::Arc, time::Instant};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use crate::limits::Permit;

pub(crate) mod memory;
#[cfg(feature = "redis")]
pub(crate) mod redis;

/// Where sessions are kept: in this process ([`Memory`](crate::Memory)), or beside several
/// (`Redis`).
///
/// Every method sees only sessions that live at the moment it is given. Times are of this process's
/// clock; a store whose own clock is another converts.
pub trait Store: Send + Sync + 'static {
    /// Whether its sessions are in this process, so that its time is not worth a metric.
    const LOCAL: bool = false;

    /// Keeps a new session. Its ID is random: there is none of that name.
    fn create(
        &self,
        id: SessionId,
        new: NewSession,
    ) -> impl Future<Output = Result<SessionSnapshot, Unavailable>> + Send;

    /// What the session holds, compared with what the reader has `seen`.
    fn read(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> impl Future<Output = Result<ReadOutcome, Unavailable>> + Send;

    /// Replaces the payload if it is still the `expected` one. Look and write are one step, so of
    /// two writers that have seen the same payload one wins (MSC4108, "The send mechanism").
    fn write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> impl Future<Output = Result<WriteOutcome, Unavailable>> + Send;

    /// Ends a session. `false` when there was none.
    fn delete(
        &self,
        id: SessionId,
        now: Instant,
    ) -> impl Future<Output = Result<bool, Unavailable>> + Send;

    /// Forgets what has expired. Not needed for what the other methods see: it frees memory, and
    /// room.
    fn sweep(&self, now: Instant);

    /// How many sessions have ended by their time, since the store was made.
    fn expired(&self) -> u64;

    /// Whether it can be used now: does what a sign-in needs. Costs as much, so it is not asked
    /// more often than once a second.
    fn check(&self) -> impl Future<Output = Result<(), Unavailable>> + Send;

    /// Says which sessions others have changed, for as long as it is polled.
    fn watch(
        &self,
        changed: impl Fn(StoreChange) + Send + Sync,
    ) -> impl Future<Output = Infallible> + Send;
}

/// The store cannot be reached, or not in time, or refuses. Whether a write has happened is not
/// known then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session store cannot be used ({0})")]
pub struct Unavailable(&'static str);

impl Unavailable {
    /// The words for why. All that can come from a store, so that a metric can have one as its
    /// label: those in capitals are Redis's own error codes.
    pub(crate) const CODES: [&str; 18] = [
        "io",
        "timeout",
        "ERR",
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "MOVED",
        "NOAUTH",
        "NOPERM",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
        "WRONGPASS",
        "record",
        Self::OTHER,
    ];

    const OTHER: &str = "other";

    /// For a reason in one word: `io`, `timeout`, or an error code of Redis. An unknown word
    /// becomes `other`.
    #[must_use]
    pub fn new(code: &str) -> Self {
        Self(
            Self::CODES
                .into_iter()
                .find(|known| *known == code)
                .unwrap_or(Self::OTHER),
        )
    }

    /// The word.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0
    }
}

/// What another process did to a store that several share.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StoreChange {
    /// It wrote to this session or ended it.
    One(SessionId),
    /// Unknown: for a while nothing was heard. Anything may have changed.
    Any,
}

/// A session as it was at one moment. Cheap to clone.
#[derive(Clone)]
pub struct SessionSnapshot {
    /// Which write this is.
    pub tag: WriteTag,
    /// Which write it replaced; none, if it is the session's first.
    pub replaced: Option<WriteTag>,
    /// An allocation of exactly the payload's size.
    pub payload: Arc<[u8]>,
    /// When the payload was written.
    pub modified: Instant,
    /// When the session ends. Set once.
    pub expires: Instant,
    /// Which form of error code its clients know.
    pub errcodes: Errcodes,
}

/// A payload on its way in, with the revision that it gets if it is stored, and the time that it
/// is.
pub struct Write {
    /// The name of this write.
    pub tag: WriteTag,
    /// The payload, at most 4096 bytes.
    pub payload: Arc<[u8]>,
    /// The time that it is.
    pub now: Instant,
}

/// A session on its way in.
pub struct NewSession {
    /// Its first payload.
    pub write: Write,
    /// When it ends.
    pub expires: Instant,
    /// Which form of error code its clients know.
    pub errcodes: Errcodes,
    /// Its place among those that may live. To be kept as long as the session lives, and dropped
    /// then.
    pub permit: Permit,
}

impl NewSession {
    /// The session as it is at first, and its place.
    pub(crate) fn into_session(self) -> (SessionSnapshot, Permit) {
        let Self {
            write: Write { tag, payload, now },
            expires,
            errcodes,
            permit,
        } = self;
        (
            SessionSnapshot {
                tag,
                replaced: None,
                payload,
                modified: now,
                expires,
                errcodes,
            },
            permit,
        )
    }
}

/// What came of reading a session.
pub enum ReadOutcome {
    /// The payload is not the one that the reader has seen.
    Changed(SessionSnapshot),
    /// It is.
    Unchanged(SessionSnapshot),
    /// There is no such session: it never was, was deleted, or has expired.
    Gone,
}

impl ReadOutcome {
    /// What there is, seen or not.
    pub(crate) fn session(self) -> Option<SessionSnapshot> {
        match self {
            Self::Changed(session) | Self::Unchanged(session) => Some(session),
            Self::Gone => None,
        }
    }

    /// Compares with what the reader has seen.
    pub(crate) fn compared(session: SessionSnapshot, seen: Option<WriteTag>) -> Self {
        if seen == Some(session.tag) {
            Self::Unchanged(session)
        } else {
            Self::Changed(session)
        }
    }
}

/// What came of writing to a session.
pub enum WriteOutcome {
    /// The payload is the new one.
    Replaced(SessionSnapshot),
    /// Another write came first. This is what it left.
    Conflict(SessionSnapshot),
    /// As in [`ReadOutcome`].
    Gone,
}

/// The form of the error codes that the proposal adds, by the path on which the session was created
/// (MSC4108, "Unstable prefix").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errcodes {
    /// `M_CONCURRENT_WRITE`
    Stable,
    /// `M_UNKNOWN`, with the real one beside it under the proposal's prefix.
    Unstable,
}

/// Which API a session speaks. One that was made through one of them does not exist in the other:
/// their payloads and their conditions mean different things.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SessionApi {
    /// MSC4108 of 2024: `text/plain` and ETags.
    Msc4108,
    /// MSC4388: JSON and sequence tokens.
    Msc4388,
}

/// The unguessable name of a session. Who knows it can read, write and delete: it belongs in no
/// log.
///
/// Its last bit says of which API the session is, so that no store need know.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(RandomToken);

/// The name of one write. Random rather than a hash, so that the same payload written twice has two
/// names (MSC4108, "ETags").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriteTag(RandomToken);

impl SessionId {
    /// A name that nobody can guess: 127 random bits, and the one that says of which API it is.
    pub(crate) fn random(api: SessionApi) -> Self {
        let RandomToken(bytes) = RandomToken::random();
        let bit = u128::from(api == SessionApi::Msc4388);
        Self(RandomToken(
            (u128::from_be_bytes(bytes) & !1 | bit).to_be_bytes(),
        ))
    }

    fn api(self) -> SessionApi {
        if u128::from_be_bytes(self.to_bytes()) & 1 == 0 {
            SessionApi::Msc4108
        } else {
            SessionApi::Msc4388
        }
    }

    /// As a store may keep it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.0
    }

    /// As a store has kept it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(RandomToken(bytes))
    }

    /// In base64url.
    pub(crate) fn to_text(self) -> [u8; 22] {
        self.0.to_text()
    }

    /// `None` for a text that names no session of ours in this API.
    pub(crate) fn parse(text: &str, api: SessionApi) -> Option<Self> {
        RandomToken::parse(text)
            .map(Self)
            .filter(|id| id.api() == api)
    }

    /// One of `count` places, evenly spread, the same each time.
    pub(crate) fn shard(self, count: usize) -> usize {
        let RandomToken([a, b, ..]) = self.0;
        usize::from(u16::from_le_bytes([a, b])) % count.max(1)
    }
}

impl WriteTag {
    /// A name that no other write has.
    pub(crate) fn random() -> Self {
        Self(RandomToken::random())
    }

    /// As a store may keep it.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.0
    }

    /// As a store has kept it.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(RandomToken(bytes))
    }

    /// In base64url.
    pub(crate) fn to_text(self) -> [u8; 22] {
        self.0.to_text()
    }

    /// `None` for a text that is no revision of ours.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        RandomToken::parse(text).map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for WriteTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// 128 bits from a generator that the operating system seeds, as 22 characters of base64url: safe
/// in a path and within the quotes of an ETag.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct RandomToken([u8; 16]);

impl RandomToken {
    fn random() -> Self {
        Self(rand::random())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut bytes = [0; 16];
        let length = URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()?;
        (length == bytes.len()).then_some(Self(bytes))
    }

    fn to_text(self) -> [u8; 22] {
        let mut text = [0; 22];
        let written = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        debug_assert_eq!(written, Ok(22));
        text
    }
}

impl fmt::Display for RandomToken {
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
    fn a_name_is_of_one_api() {
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
