//! The places of the sessions that were made here. Redis forgets a session at its end by itself;
//! its place is ours to give back.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{limits::Permit, store::Id};

#[derive(Default)]
pub(super) struct Tickets(Mutex<Held>);

#[derive(Default)]
struct Held {
    by_id: HashMap<Id, (Instant, Permit)>,
    by_expiry: BTreeSet<(Instant, Id)>,
    expired: u64,
}

impl Tickets {
    pub(super) fn keep(&self, id: Id, expires: Instant, ticket: Permit) {
        let mut held = self.lock();
        held.by_id.insert(id, (expires, ticket));
        held.by_expiry.insert((expires, id));
    }

    /// The session has been ended.
    pub(super) fn give_back(&self, id: Id) {
        let mut held = self.lock();
        if let Some((expires, _ticket)) = held.by_id.remove(&id) {
            held.by_expiry.remove(&(expires, id));
        }
    }

    /// Gives back those of sessions that have expired.
    pub(super) fn sweep(&self, now: Instant) {
        let mut held = self.lock();
        while let Some((expires, id)) = held.by_expiry.first().copied()
            && expires <= now
        {
            held.by_expiry.pop_first();
            held.by_id.remove(&id);
            held.expired += 1;
        }
    }

    /// How many sessions have expired.
    pub(super) fn expired(&self) -> u64 {
        self.lock().expired
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_place_is_given_back_once_by_a_delete_or_by_time() {
        let (tickets, now) = (Tickets::default(), Instant::now());
        let ids = [1, 2, 3].map(|byte| Id::from_bytes([byte; 16]));
        for (id, seconds) in ids.into_iter().zip(1..) {
            tickets.keep(id, now + Duration::from_secs(seconds), Permit::default());
        }
        tickets.give_back(ids[0]);
        tickets.give_back(ids[0]);
        tickets.sweep(now + Duration::from_secs(2));
        let held = tickets.lock();
        assert_eq!(
            (held.by_id.len(), held.by_expiry.len(), held.expired),
            (1, 1, 1)
        );
    }
}
