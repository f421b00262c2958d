//! Long polling: the request of a reader that has seen the payload may wait until there is another
//! one.

use std::{
    future::Future,
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
    time::{Duration, Instant},
};

use axum::http::{HeaderMap, HeaderName, HeaderValue};
use tokio::{
    sync::{Notify, watch},
    time::sleep_until,
};

use crate::{
    response::ApiResponse,
    store::{
        id::SessionId,
        session::{ReadOutcome, StoreChange},
        unavailable::Unavailable,
    },
};

/// The longest wait. Shorter than the time that proxies allow a response to take (usually 60 s).
const LONGEST: Duration = Duration::from_secs(30);

const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

/// How many shards there are: enough that, of 50 000 waiting readers, few share one.
const SHARDS: usize = 16_384;

/// The waiting readers of all sessions. Several sessions share a shard: a reader that is woken
/// because of another session reads again and continues to wait. So nothing has to be cleaned up
/// when a session ends.
pub(crate) struct Waiters {
    shards: Vec<Notify>,
    released: watch::Sender<bool>,
    count: AtomicUsize,
}

impl Waiters {
    pub(crate) fn new() -> Self {
        let shards = (0..SHARDS).map(|_| Notify::new()).collect();
        Self {
            shards,
            released: watch::Sender::new(false),
            count: AtomicUsize::new(0),
        }
    }

    /// Makes the readers that may be affected read again.
    pub(crate) fn wake(&self, changed: StoreChange) {
        match changed {
            StoreChange::One(id) => self.shard(id).into_iter().for_each(Notify::notify_waiters),
            StoreChange::Any => self.shards.iter().for_each(Notify::notify_waiters),
        }
    }

    /// How many readers wait.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Ends all waits for good: the server is about to stop.
    pub(crate) fn release(&self) {
        self.released.send_replace(true);
    }

    /// Whether waits have been ended for good.
    pub(crate) fn released(&self) -> bool {
        *self.released.borrow()
    }

    /// Reads until the payload has changed or the session has ended, at most until `deadline`.
    pub(crate) async fn hold<L>(
        &self,
        id: SessionId,
        deadline: Instant,
        read: impl Fn(Instant) -> L,
    ) -> ReadResult
    where
        L: Future<Output = ReadResult>,
    {
        let Some(shard) = self.shard(id) else {
            return read(Instant::now()).await;
        };
        let mut released = self.released.subscribe();
        let _counted = CountGuard::new(&self.count);
        loop {
            // Created before the read: it notices every write from here on, so none is missed
            // between the read and the wait.
            let woken = shard.notified();
            let session = match read(Instant::now()).await? {
                ReadOutcome::Unchanged(session)
                    if Instant::now() < deadline && !self.released() =>
                {
                    session
                }
                seen => return Ok(seen),
            };
            tokio::select! {
                () = woken => {}
                () = sleep_until(deadline.min(session.expires).into()) => {}
                _ = released.wait_for(|released| *released) => {}
            }
        }
    }

    fn shard(&self, id: SessionId) -> Option<&Notify> {
        self.shards.get(id.shard(SHARDS))
    }
}

/// The result of reading a session.
pub(crate) type ReadResult = Result<ReadOutcome, Unavailable>;

/// Counts one waiting reader as long as it exists.
struct CountGuard<'a>(&'a AtomicUsize);

impl<'a> CountGuard<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Relaxed);
        Self(count)
    }
}

impl Drop for CountGuard<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Relaxed);
    }
}

/// How long the reader wants to wait (`Prefer: wait=N`, RFC 7240, "The wait preference"), in
/// seconds, cut to the longest wait. `None` without such a preference, or with an invalid one: a
/// preference never causes an error.
pub(crate) fn preferred_wait(headers: &HeaderMap) -> Option<Duration> {
    let lines = headers
        .get_all(PREFER)
        .iter()
        .filter_map(|line| line.to_str().ok());
    let seconds = lines.flat_map(|line| line.split(',')).find_map(wait_of)?;
    Some(Duration::from_secs(seconds.parse().ok()?).min(LONGEST))
}

/// Adds that the preference was applied (RFC 7240, "The Preference-Applied Response Header Field").
pub(crate) fn with_preference_applied(response: ApiResponse, time: Duration) -> ApiResponse {
    let value = HeaderValue::try_from(format!("wait={}", time.as_secs()));
    let response = value.into_iter().fold(response, |response, value| {
        response.with(PREFERENCE_APPLIED, value)
    });
    ApiResponse {
        waited: true,
        ..response
    }
}

/// The value of a preference that is named `wait`.
fn wait_of(preference: &str) -> Option<&str> {
    let (name, value) = preference.split(';').next()?.split_once('=')?;
    name.trim()
        .eq_ignore_ascii_case("wait")
        .then(|| value.trim().trim_matches('"'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::cell::Cell;

    use super::*;
    use crate::store::{
        id::{SessionApi, WriteTag},
        session::{Errcodes, SessionSnapshot},
    };

    #[tokio::test]
    async fn a_write_between_the_read_and_the_wait_is_not_missed() {
        let (waiters, id, now) = (
            Waiters::new(),
            SessionId::random(SessionApi::Msc4108),
            Instant::now(),
        );
        let session = SessionSnapshot {
            tag: WriteTag::random(),
            replaced: None,
            payload: [].into(),
            modified: now,
            expires: now + LONGEST,
            errcodes: Errcodes::Stable,
        };
        let looks = Cell::new(0);
        let read = async |_| {
            looks.set(looks.get() + 1);
            assert_eq!(waiters.count(), 1);
            Ok(match looks.get() {
                1 => {
                    // What this read returns is outdated when it returns.
                    waiters.wake(StoreChange::One(id));
                    ReadOutcome::Unchanged(session.clone())
                }
                _ => ReadOutcome::Changed(session.clone()),
            })
        };
        let held = tokio::time::timeout(LONGEST / 3, waiters.hold(id, now + LONGEST, read)).await;
        assert!(matches!(held, Ok(Ok(ReadOutcome::Changed(_)))));
        assert_eq!((looks.get(), waiters.count()), (2, 0));
    }

    #[test]
    fn the_preference_is_read_as_written() {
        let cases: [(&[&str], Option<u64>); 11] = [
            (&[], None),
            (&["wait=5"], Some(5)),
            (&["Wait = \"7\"; x=y"], Some(7)),
            (&["respond-async, wait=10"], Some(10)),
            (&["respond-async", "wait=3"], Some(3)),
            (&["wait=3, wait=9"], Some(3)),
            (&["wait=31"], Some(30)),
            (&["wait=0"], Some(0)),
            (&["wait=-1"], None),
            (&["wait=soon"], None),
            (&["await=5"], None),
        ];
        for (lines, seconds) in cases {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append("prefer", line.parse().unwrap());
            }
            assert_eq!(
                preferred_wait(&headers),
                seconds.map(Duration::from_secs),
                "{lines:?}"
            );
        }
    }
}
