//! Sessions in the memory of this process.

use std::{
    collections::{HashMap, VecDeque},
    convert::Infallible,
    future::pending,
    hash::{BuildHasherDefault, Hasher},
    time::{Duration, Instant},
};

use axum::body::Bytes;

use super::{
    Store,
    id::{SessionId, WriteTag},
    session::{
        Errcodes, NewSession, ReadOutcome, SessionSnapshot, StoreChange, Write, WriteOutcome,
    },
    unavailable::Unavailable,
};
use crate::{
    limits::Permit,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
};

/// How many shards there are, each with its own lock. A shard also grows on its own, so no request
/// waits until a million sessions are moved.
const SHARDS: usize = 64;

/// Sessions in the memory of this process. They end with it.
pub struct Memory {
    shards: Vec<Mutex<Sessions>>,
    expired: AtomicU64,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            expired: AtomicU64::new(0),
        }
    }
}

impl Memory {
    /// The sessions that live `now`, of one shard. There is no other access, so no caller sees an
    /// expired session.
    fn open(&self, id: SessionId, now: Instant) -> Option<MutexGuard<'_, Sessions>> {
        self.shards
            .get(id.shard(SHARDS))
            .map(|shard| self.lock(shard, now))
    }

    fn lock<'a>(&self, shard: &'a Mutex<Sessions>, now: Instant) -> MutexGuard<'a, Sessions> {
        let mut sessions = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let expired = sessions.remove_expired(now);
        if expired > 0 {
            self.expired.fetch_add(expired, Relaxed);
        }
        sessions
    }

    fn create_now(&self, id: SessionId, new: NewSession) -> SessionSnapshot {
        let now = new.write.now;
        let (session, permit) = new.into_snapshot();
        if let Some(mut sessions) = self.open(id, now) {
            sessions.insert(id, session.clone(), permit);
        }
        session
    }

    fn read_now(&self, id: SessionId, seen: Option<WriteTag>, now: Instant) -> ReadOutcome {
        let session = self.open(id, now).and_then(|sessions| sessions.get(id));
        session.map_or(ReadOutcome::Gone, |session| {
            ReadOutcome::compared(session, seen)
        })
    }

    fn write_now(&self, id: SessionId, expected: Option<WriteTag>, write: Write) -> WriteOutcome {
        let mut sessions = self.open(id, write.now);
        let Some(Sessions { by_id, start, .. }) = sessions.as_deref_mut() else {
            return WriteOutcome::Gone;
        };
        let Some(entry) = by_id.get_mut(&id) else {
            return WriteOutcome::Gone;
        };
        if expected != Some(entry.tag) {
            return WriteOutcome::Conflict(entry.session(*start));
        }
        entry.replaced = Some(entry.tag);
        entry.tag = write.tag;
        entry.payload = write.payload;
        entry.modified = write.now;
        WriteOutcome::Replaced(entry.session(*start))
    }

    fn delete_now(&self, id: SessionId, now: Instant) -> bool {
        self.open(id, now)
            .is_some_and(|mut sessions| sessions.remove(id))
    }

    /// How many sessions use memory, expired or not.
    #[cfg(test)]
    pub(crate) fn session_count(&self) -> usize {
        let shards = self.shards.iter();
        shards
            .map(|shard| {
                shard
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .by_id
                    .len()
            })
            .sum()
    }
}

impl Store for Memory {
    const LOCAL: bool = true;

    async fn create(&self, id: SessionId, new: NewSession) -> Result<SessionSnapshot, Unavailable> {
        Ok(self.create_now(id, new))
    }

    async fn read(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<ReadOutcome, Unavailable> {
        Ok(self.read_now(id, seen, now))
    }

    async fn write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<WriteOutcome, Unavailable> {
        Ok(self.write_now(id, expected, write))
    }

    async fn delete(&self, id: SessionId, now: Instant) -> Result<bool, Unavailable> {
        Ok(self.delete_now(id, now))
    }

    fn sweep(&self, now: Instant) {
        for shard in &self.shards {
            drop(self.lock(shard, now));
        }
    }

    fn expired(&self) -> u64 {
        self.expired.load(Relaxed)
    }

    async fn check(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    /// No other process can change this memory.
    async fn watch(&self, _: impl Fn(StoreChange) + Send + Sync) -> Infallible {
        pending().await
    }
}

/// How many deleted sessions `by_expiry` may have beside the live ones, in any case.
const DELETED: usize = 64;

struct Sessions {
    /// Boxed, because a table has more places than sessions.
    by_id: HashMap<SessionId, Box<Entry>, BuildHasherDefault<IdHasher>>,
    /// The next one to expire comes first. Also has sessions that were deleted, but not more of them
    /// than live ones and [`DELETED`]. The time is in nanoseconds since `start`: half as large as an
    /// [`Instant`].
    by_expiry: VecDeque<(u64, SessionId)>,
    start: Instant,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            by_id: HashMap::default(),
            by_expiry: VecDeque::new(),
            start: Instant::now(),
        }
    }
}

/// A session in 112 bytes, which is a size that the allocator has. The next one is 128.
struct Entry {
    tag: WriteTag,
    replaced: Option<WriteTag>,
    payload: Bytes,
    modified: Instant,
    /// In nanoseconds since `start` of [`Sessions`].
    expires: u64,
    errcodes: Errcodes,
    /// Released with the session.
    _permit: Permit,
}

impl Entry {
    fn session(&self, start: Instant) -> SessionSnapshot {
        SessionSnapshot {
            tag: self.tag,
            replaced: self.replaced,
            payload: self.payload.clone(),
            modified: self.modified,
            expires: start + Duration::from_nanos(self.expires),
            errcodes: self.errcodes,
        }
    }
}

impl Sessions {
    fn get(&self, id: SessionId) -> Option<SessionSnapshot> {
        self.by_id.get(&id).map(|entry| entry.session(self.start))
    }

    fn insert(&mut self, id: SessionId, session: SessionSnapshot, permit: Permit) {
        let expires = self.since_start(session.expires);
        // All sessions of a server live equally long, so few expire later than a new one.
        let expire_later = self.by_expiry.iter().rev();
        let expire_later = expire_later
            .take_while(|(other, _)| *other > expires)
            .count();
        let place = self.by_expiry.len() - expire_later;
        self.by_expiry.insert(place, (expires, id));
        let entry = Entry {
            tag: session.tag,
            replaced: session.replaced,
            payload: session.payload,
            modified: session.modified,
            expires,
            errcodes: session.errcodes,
            _permit: permit,
        };
        self.by_id.insert(id, Box::new(entry));
    }

    fn remove(&mut self, id: SessionId) -> bool {
        let Self {
            by_id, by_expiry, ..
        } = self;
        let removed = by_id.remove(&id).is_some();
        if by_expiry.len() > 2 * by_id.len() + DELETED {
            by_expiry.retain(|(_, id)| by_id.contains_key(id));
        }
        removed
    }

    /// Returns how many have expired.
    fn remove_expired(&mut self, now: Instant) -> u64 {
        let (now, mut expired) = (self.since_start(now), 0);
        while let Some((expires, id)) = self.by_expiry.front().copied()
            && expires <= now
        {
            self.by_expiry.pop_front();
            expired += u64::from(self.by_id.remove(&id).is_some());
        }
        expired
    }

    /// In nanoseconds. They last for 584 years.
    fn since_start(&self, time: Instant) -> u64 {
        let since = time.saturating_duration_since(self.start).as_nanos();
        u64::try_from(since).unwrap_or(u64::MAX)
    }
}

/// The hash of an ID is a part of it: the IDs in a table are random, and no client chooses them.
#[derive(Default)]
struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        // Not the first bytes, which name the shard.
        if let Some(last) = bytes.last_chunk() {
            self.0 = u64::from_le_bytes(*last);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::{sync::Arc, thread};

    use super::*;
    use crate::store::id::SessionApi;

    const LIFETIME: Duration = Duration::from_secs(300);
    const SECOND: Duration = Duration::from_secs(1);

    fn write(payload: &str, now: Instant) -> Write {
        Write {
            tag: WriteTag::random(),
            payload: Bytes::copy_from_slice(payload.as_bytes()),
            now,
        }
    }

    fn create(store: &Memory, now: Instant) -> (SessionId, SessionSnapshot) {
        let id = SessionId::random(SessionApi::Msc4108);
        let new = NewSession {
            write: write("first", now),
            expires: now + LIFETIME,
            errcodes: Errcodes::Stable,
            permit: Permit::default(),
        };
        (id, store.create_now(id, new))
    }

    #[test]
    fn a_session_has_the_size_that_its_comment_says() {
        assert!(size_of::<Entry>() <= 112);
        assert!(size_of::<(u64, SessionId)>() <= 24);
    }

    #[test]
    fn a_write_replaces_what_it_has_seen_and_nothing_else() {
        let (store, now) = (Memory::default(), Instant::now());
        let (id, first) = create(&store, now);
        assert!(matches!(
            store.read_now(id, Some(first.tag), now),
            ReadOutcome::Unchanged(_)
        ));
        let WriteOutcome::Replaced(second) =
            store.write_now(id, Some(first.tag), write("second", now + SECOND))
        else {
            panic!("not written")
        };
        assert_eq!(
            (second.modified, second.expires),
            (now + SECOND, first.expires)
        );
        for stale in [Some(first.tag), None] {
            let WriteOutcome::Conflict(left) = store.write_now(id, stale, write("third", now))
            else {
                panic!("no conflict")
            };
            assert_eq!((left.tag, &left.payload[..]), (second.tag, &b"second"[..]));
        }
        let ReadOutcome::Changed(read) = store.read_now(id, Some(first.tag), now) else {
            panic!("not changed")
        };
        assert_eq!(&read.payload[..], b"second");
    }

    #[test]
    fn a_session_expires_at_its_time_and_no_write_extends_it() {
        let (store, now) = (Memory::default(), Instant::now());
        let (id, first) = create(&store, now);
        let last_moment = now + LIFETIME - Duration::from_nanos(1);
        let WriteOutcome::Replaced(_) =
            store.write_now(id, Some(first.tag), write("second", last_moment))
        else {
            panic!("not written")
        };
        assert_eq!((store.session_count(), store.expired()), (1, 0));
        assert!(matches!(
            store.read_now(id, None, now + LIFETIME),
            ReadOutcome::Gone
        ));
        assert_eq!(
            (store.session_count(), store.expired()),
            (0, 1),
            "it is forgotten, not hidden"
        );
    }

    #[test]
    fn an_expired_session_can_be_neither_written_nor_deleted() {
        let (store, now) = (Memory::default(), Instant::now());
        let (id, first) = create(&store, now);
        let late = store.write_now(id, Some(first.tag), write("late", now + LIFETIME));
        assert!(matches!(late, WriteOutcome::Gone));
        assert!(!store.delete_now(id, now + LIFETIME));
    }

    #[test]
    fn a_sweep_removes_expired_sessions_from_all_shards() {
        let (store, now) = (Memory::default(), Instant::now());
        for _ in 0..500 {
            create(&store, now);
        }
        let (live, _) = create(&store, now + SECOND);
        store.sweep(now + LIFETIME);
        assert_eq!((store.session_count(), store.expired()), (1, 500));
        assert!(matches!(
            store.read_now(live, None, now + LIFETIME),
            ReadOutcome::Changed(_)
        ));
    }

    #[test]
    fn deleting_works_once_and_leaves_no_trace() {
        let (store, now) = (Memory::default(), Instant::now());
        let (id, _) = create(&store, now);
        assert!(store.delete_now(id, now));
        assert!(!store.delete_now(id, now));
        assert!(matches!(store.read_now(id, None, now), ReadOutcome::Gone));
        assert_eq!((store.session_count(), store.expired()), (0, 0));
    }

    #[test]
    fn sessions_expire_in_their_order_whatever_the_order_of_their_creation() {
        let mut sessions = Sessions::default();
        let now = Instant::now();
        for seconds in [3, 1, 4, 2, 5] {
            let new = NewSession {
                write: write("first", now),
                expires: now + seconds * SECOND,
                errcodes: Errcodes::Stable,
                permit: Permit::default(),
            };
            let (session, permit) = new.into_snapshot();
            sessions.insert(SessionId::random(SessionApi::Msc4108), session, permit);
        }
        let expired = [1, 3, 3, 5].map(|seconds| sessions.remove_expired(now + seconds * SECOND));
        assert_eq!(expired, [1, 2, 0, 2]);
    }

    #[test]
    fn what_is_left_of_deleted_sessions_is_bounded_and_does_not_expire() {
        let (store, now) = (Memory::default(), Instant::now());
        for _ in 0..50 * SHARDS * DELETED {
            let (id, _) = create(&store, now);
            assert!(store.delete_now(id, now));
        }
        for shard in &store.shards {
            assert!(shard.lock().unwrap().by_expiry.len() <= DELETED);
        }
        store.sweep(now + LIFETIME);
        assert_eq!(store.expired(), 0);
    }

    #[test]
    fn of_many_writers_that_saw_the_same_one_wins() {
        let (store, now) = (Arc::new(Memory::default()), Instant::now());
        let (id, mut current) = create(&store, now);
        for _ in 0..200 {
            let attempt = |_| {
                let (store, seen) = (store.clone(), current.tag);
                thread::spawn(move || store.write_now(id, Some(seen), write("mine", now)))
            };
            let threads: Vec<_> = (0..4).map(attempt).collect();
            let outcomes: Vec<_> = threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect();
            let mut winners = outcomes.into_iter().filter_map(|outcome| match outcome {
                WriteOutcome::Replaced(session) => Some(session),
                _ => None,
            });
            current = winners.next().unwrap();
            assert!(winners.next().is_none());
        }
    }
}
