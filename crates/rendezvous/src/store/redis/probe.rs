//! Whether Redis can be used: all that a sign-in does, with a session of its own that lives for a
//! moment.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::Redis;
use crate::store::{
    Errcodes, ReadOutcome, SessionApi, SessionId, SessionSnapshot, Store, Unavailable, Write,
    WriteOutcome, WriteTag,
};

/// If it cannot be ended, Redis forgets it after this time.
const LIFETIME: Duration = Duration::from_secs(10);

/// What is said of it on the channel. It is understood by nobody: no other instance shall look at a
/// session because of it.
const SAID: &[u8] = b"";

pub(super) async fn probe(redis: &Redis) -> Result<(), Unavailable> {
    let (id, now) = (SessionId::random(SessionApi::Msc4108), Instant::now());
    let payload: Arc<[u8]> = Arc::from(&b"?"[..]);
    let session = SessionSnapshot {
        tag: WriteTag::random(),
        replaced: None,
        payload: payload.clone(),
        modified: now,
        expires: now + LIFETIME,
        errcodes: Errcodes::Stable,
    };
    redis.set(id, &session).await?;
    let write = Write {
        tag: WriteTag::random(),
        payload,
        now,
    };
    let (first, second) = (session.tag, write.tag);
    let written = redis.replace(id, Some(first), write, SAID).await?;
    let read = redis.read(id, Some(second), now).await?;
    redis.end(id, SAID).await?;
    match (written, read) {
        (WriteOutcome::Replaced(_), ReadOutcome::Unchanged(_)) => Ok(()),
        // A replica that is behind, or two servers in place of one.
        _ => Err(Unavailable::new("record")),
    }
}
