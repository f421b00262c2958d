//! Whether Redis can be used: does everything that a sign-in does, with a short-lived session of
//! its own.

use std::time::{Duration, Instant};

use axum::body::Bytes;

use super::sessions::RedisSessions;
use crate::store::{
    id::{SessionApi, SessionId, WriteTag},
    session::{Errcodes, ReadOutcome, SessionSnapshot, Write, WriteOutcome},
    unavailable::Unavailable,
};

/// If deleting fails, Redis removes the session after this time.
const LIFETIME: Duration = Duration::from_secs(10);

/// What is published about the session: a message that no instance understands, so none looks at a
/// session because of it.
const MESSAGE: &[u8] = b"";

pub(super) async fn probe(sessions: &RedisSessions) -> Result<(), Unavailable> {
    let (id, now) = (SessionId::random(SessionApi::Msc4108), Instant::now());
    let payload = Bytes::from_static(b"?");
    let session = SessionSnapshot {
        tag: WriteTag::random(),
        replaced: None,
        payload: payload.clone(),
        modified: now,
        expires: now + LIFETIME,
        errcodes: Errcodes::Stable,
    };
    sessions.set(id, &session).await?;
    let write = Write {
        tag: WriteTag::random(),
        payload,
        now,
    };
    let (first, second) = (session.tag, write.tag);
    let written = sessions.replace(id, Some(first), write, MESSAGE).await?;
    let read = sessions.get(id, Some(second), now).await?;
    sessions.delete(id, MESSAGE).await?;
    match (written, read) {
        (WriteOutcome::Replaced(_), ReadOutcome::Unchanged(_)) => Ok(()),
        // Another server answered: a replica that lags behind, or two servers in place of one.
        _ => Err(Unavailable::new("record")),
    }
}
