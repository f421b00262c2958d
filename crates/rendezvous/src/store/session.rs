//! What a store keeps of a session, and the outcomes of reading and writing it.

use std::time::Instant;

use axum::body::Bytes;

use super::id::{SessionId, WriteTag};
use crate::limits::Permit;

/// A session as it was at one moment. Cheap to clone.
#[derive(Clone)]
pub struct SessionSnapshot {
    /// The tag of the last write.
    pub tag: WriteTag,
    /// The tag of the write before; `None` if the session still has its first payload.
    pub replaced: Option<WriteTag>,
    /// In an allocation of exactly the payload's size.
    pub payload: Bytes,
    /// When the payload was written.
    pub modified: Instant,
    /// When the session ends. Fixed at creation.
    pub expires: Instant,
    /// Which form of error code its clients know.
    pub errcodes: Errcodes,
}

/// A payload that is to be stored.
pub struct Write {
    /// The tag of this write.
    pub tag: WriteTag,
    /// At most 4096 bytes, in an allocation of exactly that size: not a part of a larger buffer.
    pub payload: Bytes,
    /// The current time.
    pub now: Instant,
}

/// A session that is to be stored.
pub struct NewSession {
    /// Its first payload.
    pub write: Write,
    /// When it ends.
    pub expires: Instant,
    /// Which form of error code its clients know.
    pub errcodes: Errcodes,
    /// Counts the session against the limits. The store keeps it as long as the session lives, and
    /// drops it then.
    pub permit: Permit,
}

impl NewSession {
    /// The session with its first payload, and its permit.
    pub(crate) fn into_snapshot(self) -> (SessionSnapshot, Permit) {
        let Write { tag, payload, now } = self.write;
        let snapshot = SessionSnapshot {
            tag,
            replaced: None,
            payload,
            modified: now,
            expires: self.expires,
            errcodes: self.errcodes,
        };
        (snapshot, self.permit)
    }
}

/// The outcome of reading a session.
pub enum ReadOutcome {
    /// The payload is not the one that the reader has seen.
    Changed(SessionSnapshot),
    /// The reader has seen this payload.
    Unchanged(SessionSnapshot),
    /// There is no such session: it never existed, was deleted, or has expired.
    Gone,
}

impl ReadOutcome {
    /// The session, whether the reader has seen its payload or not.
    pub(crate) fn session(self) -> Option<SessionSnapshot> {
        match self {
            Self::Changed(session) | Self::Unchanged(session) => Some(session),
            Self::Gone => None,
        }
    }

    /// Compares the session with what the reader has seen.
    pub(crate) fn compared(session: SessionSnapshot, seen: Option<WriteTag>) -> Self {
        if seen == Some(session.tag) {
            Self::Unchanged(session)
        } else {
            Self::Changed(session)
        }
    }
}

/// The outcome of writing to a session.
pub enum WriteOutcome {
    /// The payload was replaced. This is the session now.
    Replaced(SessionSnapshot),
    /// Another write came first. This is the session as that write left it.
    Conflict(SessionSnapshot),
    /// As in [`ReadOutcome`].
    Gone,
}

/// What another process did to a shared store.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum StoreChange {
    /// It wrote to this session or ended it.
    One(SessionId),
    /// Unknown: messages may have been missed. Any session may have changed.
    Any,
}

/// The form of the error codes that the proposal adds, by the path on which the session was created
/// (MSC4108, "Unstable prefix").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errcodes {
    /// `M_CONCURRENT_WRITE`
    Stable,
    /// `M_UNKNOWN`, with the real code beside it under the proposal's prefix.
    Unstable,
}
