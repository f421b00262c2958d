//! Long polling: a reader that has seen the payload may wait until there is another one.

use std::{future::Future, time::Instant};

use crate::{
    store::{
        Store,
        id::{SessionId, WriteTag},
        session::{ReadOutcome, StoreChange, Write, WriteOutcome},
        unavailable::Unavailable,
    },
    sync::{
        Notify,
        atomic::{AtomicUsize, Ordering::Relaxed},
        now, sleep_until, watch,
    },
};

/// How many shards there are: enough that, of 50 000 waiting readers, few share one.
const SHARDS: usize = 16_384;

/// A store, and the readers that wait for what changes in it.
pub(crate) struct WaitableStore<S> {
    /// Not for writing and deleting: nobody would be woken.
    pub(crate) store: S,
    pub(crate) waiters: Waiters,
}

impl<S: Store> WaitableStore<S> {
    pub(crate) fn new(store: S) -> Self {
        Self {
            store,
            waiters: Waiters::new(),
        }
    }

    /// As [`Store::write`], and wakes the readers that wait for it.
    pub(crate) async fn write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<WriteOutcome, Unavailable> {
        let written = self.store.write(id, expected, write).await?;
        if let WriteOutcome::Replaced(_) = written {
            self.waiters.wake(StoreChange::One(id));
        }
        Ok(written)
    }

    /// As [`Store::delete`], and wakes the readers that wait.
    pub(crate) async fn delete(&self, id: SessionId, now: Instant) -> Result<bool, Unavailable> {
        let deleted = self.store.delete(id, now).await?;
        // Nobody waits for a session that does not exist, and a made-up ID shares its shard with
        // real sessions.
        if deleted {
            self.waiters.wake(StoreChange::One(id));
        }
        Ok(deleted)
    }
}

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
            return read(now()).await;
        };
        let mut released = self.released.subscribe();
        let _counted = CountGuard::new(&self.count);
        let mut is_last = false;
        let mut asked_at = None;
        loop {
            // Created before the read: it notices every write from here on, so none is missed
            // between the read and the wait.
            let woken = shard.notified();
            let session = match read(now()).await? {
                ReadOutcome::Unchanged(session) if !is_last && !self.released() => session,
                seen => return Ok(seen),
            };
            // The session's end is the store's to tell: Redis has a clock of its own, and may keep a
            // session some milliseconds longer. It is asked once at each end that it states: in tests
            // timers leap, and its clock does not.
            let until = match session.expires {
                end if asked_at == Some(end) => deadline,
                end => deadline.min(end),
            };
            // Whichever comes first, the session is read again; once the reader's time has come, for
            // the last time. Without a random order, so that what `schedules.rs` finds can be
            // repeated.
            tokio::select! {
                biased;
                () = woken => {}
                () = sleep_until(until) => {
                    is_last = until == deadline;
                    asked_at = Some(until);
                }
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

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::ready, time::Duration};

    use axum::body::Bytes;

    use super::*;
    use crate::store::session::{Errcodes, SessionSnapshot};

    fn unchanged(expires: Instant) -> ReadOutcome {
        ReadOutcome::Unchanged(SessionSnapshot {
            tag: WriteTag::from_bytes([1; 16]),
            replaced: None,
            payload: Bytes::from_static(b"payload"),
            modified: now(),
            expires,
            errcodes: Errcodes::Stable,
        })
    }

    #[tokio::test]
    async fn a_session_that_the_store_keeps_for_a_moment_longer_is_waited_for() {
        let reads = Cell::new(0);
        let read = |now| {
            reads.set(reads.get() + 1);
            ready(Ok(match reads.get() {
                1 | 2 => unchanged(now + Duration::from_millis(2)),
                _ => ReadOutcome::Gone,
            }))
        };
        let id = SessionId::from_bytes([0; 16]);
        let deadline = now() + Duration::from_secs(3600);
        let seen = Waiters::new().hold(id, deadline, read).await;
        assert!(matches!(seen, Ok(ReadOutcome::Gone)));
        assert_eq!(reads.get(), 3);
    }

    /// As in a test on a clock that leaps: the store goes by the real one.
    #[tokio::test(start_paused = true)]
    async fn a_store_that_keeps_a_session_past_its_end_is_not_asked_all_the_time() {
        let reads = Cell::new(0);
        let expires = now();
        let read = |_| {
            reads.set(reads.get() + 1);
            assert!(reads.get() < 10, "asked again and again");
            ready(Ok(unchanged(expires)))
        };
        let id = SessionId::from_bytes([0; 16]);
        let deadline = now() + Duration::from_secs(3600);
        let seen = Waiters::new().hold(id, deadline, read).await;
        assert!(matches!(seen, Ok(ReadOutcome::Unchanged(_))));
        // At first, at the session's end, and at the reader's.
        assert_eq!(reads.get(), 3);
    }
}
