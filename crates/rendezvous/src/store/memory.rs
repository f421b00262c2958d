//! Sessions in the memory of this process.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Created, Errcodes, Id, Read, Revision, Session, Write, Written};

/// All sessions of a server: at most `max_sessions`, each for `lifetime`.
pub(crate) struct Memory {
    lifetime: Duration,
    max_sessions: usize,
    sessions: Mutex<Sessions>,
}

impl Memory {
    pub(crate) fn new(lifetime: Duration, max_sessions: usize) -> Self {
        Self { lifetime, max_sessions, sessions: Mutex::default() }
    }

    /// Makes a session, or none when there are as many as may be: a flood of new ones ends no sign-in under
    /// way.
    pub(crate) fn create(&self, id: Id, write: Write, errcodes: Errcodes) -> Created {
        let Write { revision, payload, now } = write;
        let mut sessions = self.open(now);
        if sessions.by_id.len() >= self.max_sessions {
            return Created::Full { until: sessions.by_expiry.first().map_or(now, |(expires, _)| *expires) };
        }
        let session = Session { revision, payload, modified: now, expires: now + self.lifetime, errcodes };
        sessions.by_expiry.insert((session.expires, id));
        sessions.by_id.insert(id, session.clone());
        Created::Created(session)
    }

    /// What the session holds, compared with what the reader has `seen`.
    pub(crate) fn read(&self, id: Id, seen: Option<Revision>, now: Instant) -> Read {
        match self.open(now).by_id.get(&id) {
            None => Read::Gone,
            Some(session) if seen == Some(session.revision) => Read::Unchanged(session.clone()),
            Some(session) => Read::Changed(session.clone()),
        }
    }

    /// Replaces the payload if it is still the `expected` one. Look and write are one step under the lock, so
    /// of two writers that have seen the same payload one wins (MSC4108, "The send mechanism").
    pub(crate) fn write(&self, id: Id, expected: Option<Revision>, write: Write) -> Written {
        let mut sessions = self.open(write.now);
        let Some(session) = sessions.by_id.get_mut(&id) else { return Written::Gone };
        if expected != Some(session.revision) {
            return Written::Conflict(session.clone());
        }
        session.revision = write.revision;
        session.payload = write.payload;
        session.modified = write.now;
        Written::Replaced(session.clone())
    }

    /// Ends a session. `false` when there was none.
    pub(crate) fn delete(&self, id: Id, now: Instant) -> bool {
        let mut sessions = self.open(now);
        let Some(session) = sessions.by_id.remove(&id) else { return false };
        sessions.by_expiry.remove(&(session.expires, id))
    }

    /// How many sessions live.
    pub(crate) fn count(&self, now: Instant) -> usize {
        self.open(now).by_id.len()
    }

    /// How many sessions take up memory, expired or not.
    #[cfg(test)]
    pub(crate) fn held(&self) -> usize {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).by_expiry.len()
    }

    /// The sessions that live `now`. The only way to them, so nobody can meet one that has expired.
    fn open(&self, now: Instant) -> MutexGuard<'_, Sessions> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.forget_expired(now);
        sessions
    }
}

#[derive(Default)]
struct Sessions {
    by_id: HashMap<Id, Session>,
    by_expiry: BTreeSet<(Instant, Id)>,
}

impl Sessions {
    fn forget_expired(&mut self, now: Instant) {
        while let Some((expires, id)) = self.by_expiry.first().copied()
            && expires <= now
        {
            self.by_expiry.pop_first();
            self.by_id.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use std::{sync::Arc, thread};

    use super::*;

    const LIFETIME: Duration = Duration::from_secs(300);
    const SECOND: Duration = Duration::from_secs(1);

    fn write(payload: &str, now: Instant) -> Write {
        Write { revision: Revision::random().unwrap(), payload: payload.as_bytes().into(), now }
    }

    fn create(store: &Memory, now: Instant) -> (Id, Session) {
        let id = Id::random().unwrap();
        match store.create(id, write("first", now), Errcodes::Stable) {
            Created::Created(session) => (id, session),
            Created::Full { .. } => panic!("full"),
        }
    }

    #[test]
    fn a_write_replaces_what_it_has_seen_and_nothing_else() {
        let (store, now) = (Memory::new(LIFETIME, 10), Instant::now());
        let (id, first) = create(&store, now);
        assert!(matches!(store.read(id, Some(first.revision), now), Read::Unchanged(_)));
        let Written::Replaced(second) = store.write(id, Some(first.revision), write("second", now + SECOND))
        else {
            panic!("not written")
        };
        assert_eq!((second.modified, second.expires), (now + SECOND, first.expires));
        for stale in [Some(first.revision), None] {
            let Written::Conflict(left) = store.write(id, stale, write("third", now)) else {
                panic!("no conflict")
            };
            assert_eq!((left.revision, &left.payload[..]), (second.revision, &b"second"[..]));
        }
        let Read::Changed(read) = store.read(id, Some(first.revision), now) else { panic!("not changed") };
        assert_eq!(&read.payload[..], b"second");
    }

    #[test]
    fn a_session_ends_at_its_time_and_no_write_puts_that_off() {
        let (store, now) = (Memory::new(LIFETIME, 10), Instant::now());
        let (id, first) = create(&store, now);
        let last_moment = now + LIFETIME - Duration::from_nanos(1);
        let Written::Replaced(_) = store.write(id, Some(first.revision), write("second", last_moment)) else {
            panic!("not written")
        };
        assert_eq!(store.count(last_moment), 1);
        assert!(matches!(store.read(id, None, now + LIFETIME), Read::Gone));
        assert_eq!(store.count(now), 0, "it is forgotten, not hidden");
    }

    #[test]
    fn an_expired_session_can_be_neither_written_nor_deleted() {
        let (store, now) = (Memory::new(LIFETIME, 10), Instant::now());
        let (id, first) = create(&store, now);
        let late = store.write(id, Some(first.revision), write("late", now + LIFETIME));
        assert!(matches!(late, Written::Gone));
        assert!(!store.delete(id, now + LIFETIME));
    }

    #[test]
    fn deleting_works_once_and_makes_room() {
        let (store, now) = (Memory::new(LIFETIME, 1), Instant::now());
        let (id, _) = create(&store, now);
        assert!(store.delete(id, now));
        assert!(!store.delete(id, now));
        assert!(matches!(store.read(id, None, now), Read::Gone));
        create(&store, now);
        assert_eq!(store.held(), 1, "no trace of the deleted one is left");
    }

    #[test]
    fn a_full_store_keeps_the_live_and_says_when_there_is_room() {
        let (store, now) = (Memory::new(LIFETIME, 2), Instant::now());
        let (first, _) = create(&store, now);
        let (second, _) = create(&store, now + SECOND);
        let refused = store.create(Id::random().unwrap(), write("no", now + SECOND), Errcodes::Stable);
        assert!(matches!(refused, Created::Full { until } if until == now + LIFETIME));
        for id in [first, second] {
            assert!(matches!(store.read(id, None, now + SECOND), Read::Changed(_)));
        }
        let (third, _) = create(&store, now + LIFETIME);
        assert!(matches!(store.read(second, None, now + LIFETIME), Read::Changed(_)));
        assert!(matches!(store.read(third, None, now + LIFETIME), Read::Changed(_)));
    }

    #[test]
    fn of_many_writers_that_saw_the_same_one_wins() {
        let (store, now) = (Arc::new(Memory::new(LIFETIME, 1)), Instant::now());
        let (id, mut current) = create(&store, now);
        for _ in 0..200 {
            let attempt = |_| {
                let (store, seen) = (store.clone(), current.revision);
                thread::spawn(move || store.write(id, Some(seen), write("mine", now)))
            };
            let threads: Vec<_> = (0..4).map(attempt).collect();
            let outcomes: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
            let mut winners = outcomes.into_iter().filter_map(|outcome| match outcome {
                Written::Replaced(session) => Some(session),
                _ => None,
            });
            current = winners.next().unwrap();
            assert!(winners.next().is_none());
        }
    }
}
