//! The permits of the sessions that were created here. Redis removes a session when it ends; its
//! permit must be released here.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{limits::Permit, store::id::SessionId};

#[derive(Default)]
pub(super) struct Permits(Mutex<PermitMap>);

#[derive(Default)]
struct PermitMap {
    by_id: HashMap<SessionId, (Instant, Permit)>,
    by_expiry: BTreeSet<(Instant, SessionId)>,
    expired: u64,
}

impl Permits {
    pub(super) fn keep(&self, id: SessionId, expires: Instant, permit: Permit) {
        let mut permits = self.lock();
        permits.by_id.insert(id, (expires, permit));
        permits.by_expiry.insert((expires, id));
    }

    /// Releases the permit of a deleted session.
    pub(super) fn release(&self, id: SessionId) {
        let mut permits = self.lock();
        if let Some((expires, _permit)) = permits.by_id.remove(&id) {
            permits.by_expiry.remove(&(expires, id));
        }
    }

    /// Releases the permits of expired sessions.
    pub(super) fn sweep(&self, now: Instant) {
        let mut permits = self.lock();
        while let Some((expires, id)) = permits.by_expiry.first().copied()
            && expires <= now
        {
            permits.by_expiry.pop_first();
            permits.by_id.remove(&id);
            permits.expired += 1;
        }
    }

    /// How many sessions have expired.
    pub(super) fn expired(&self) -> u64 {
        self.lock().expired
    }

    fn lock(&self) -> MutexGuard<'_, PermitMap> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_permit_is_released_once_by_a_delete_or_by_expiry() {
        let (permits, now) = (Permits::default(), Instant::now());
        let ids = [1, 2, 3].map(|byte| SessionId::from_bytes([byte; 16]));
        for (id, seconds) in ids.into_iter().zip(1..) {
            permits.keep(id, now + Duration::from_secs(seconds), Permit::default());
        }
        permits.release(ids[0]);
        permits.release(ids[0]);
        permits.sweep(now + Duration::from_secs(2));
        let permits = permits.lock();
        assert_eq!(
            (
                permits.by_id.len(),
                permits.by_expiry.len(),
                permits.expired
            ),
            (1, 1, 1)
        );
    }
}
