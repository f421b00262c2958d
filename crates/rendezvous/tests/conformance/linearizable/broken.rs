//! Stores that are wrong on purpose, to show that the check can fail.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use matrix_qr_rendezvous::{
    Changed, Id, Memory, New, Read, Session, Store, Unavailable, Write, WriteTag, Written,
};

/// What the store does wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreFault {
    /// It compares and writes in two steps.
    ComparesThenWrites,
    /// It sometimes acknowledges a write without doing it.
    ForgetsWrites,
    /// It sometimes refuses a write after doing it.
    DeniesWrites,
    /// It shows an old payload for a few reads.
    ShowsOldPayloads,
    /// It acknowledges every deletion.
    DeletesTwice,
    /// It sometimes loses a session.
    ForgetsSessions,
}

pub(crate) struct BrokenStore {
    memory: Memory,
    fault: StoreFault,
    count: AtomicUsize,
    shown: Mutex<HashMap<Id, Session>>,
}

impl BrokenStore {
    pub(crate) fn new(fault: StoreFault) -> Self {
        Self {
            memory: Memory::default(),
            fault,
            count: AtomicUsize::new(0),
            shown: Mutex::default(),
        }
    }

    fn is(&self, fault: StoreFault) -> bool {
        self.fault == fault
    }

    /// True once in this number of calls.
    fn sometimes(&self, times: usize) -> bool {
        self.count.fetch_add(1, Relaxed).is_multiple_of(times)
    }

    async fn current(&self, id: Id, now: Instant) -> Result<Option<Session>, Unavailable> {
        Ok(match self.memory.read(id, None, now).await? {
            Read::Changed(session) | Read::Unchanged(session) => Some(session),
            Read::Gone => None,
        })
    }

    async fn compare_then_write(
        &self,
        id: Id,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<Written, Unavailable> {
        let Some(seen) = self.current(id, write.now).await? else {
            return Ok(Written::Gone);
        };
        if expected != Some(seen.revision) {
            return Ok(Written::Conflict(seen));
        }
        tokio::task::yield_now().await;
        let Some(by_now) = self.current(id, write.now).await? else {
            return Ok(Written::Gone);
        };
        self.memory.write(id, Some(by_now.revision), write).await
    }

    fn old(&self, id: Id, current: Session) -> Session {
        let mut shown = self.shown.lock().unwrap();
        let old = shown.entry(id).or_insert_with(|| current.clone()).clone();
        if self.sometimes(10) {
            shown.insert(id, current);
        }
        old
    }
}

impl Store for BrokenStore {
    async fn create(&self, id: Id, new: New) -> Result<Session, Unavailable> {
        self.memory.create(id, new).await
    }

    async fn read(
        &self,
        id: Id,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<Read, Unavailable> {
        if self.is(StoreFault::ForgetsSessions) && self.sometimes(500) {
            self.memory.delete(id, now).await?;
        }
        if !self.is(StoreFault::ShowsOldPayloads) {
            return self.memory.read(id, seen, now).await;
        }
        let Some(session) = self.current(id, now).await? else {
            return Ok(Read::Gone);
        };
        let old = self.old(id, session);
        Ok(if seen == Some(old.revision) {
            Read::Unchanged(old)
        } else {
            Read::Changed(old)
        })
    }

    async fn write(
        &self,
        id: Id,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<Written, Unavailable> {
        if self.is(StoreFault::ComparesThenWrites) {
            return self.compare_then_write(id, expected, write).await;
        }
        let before = self.current(id, write.now).await?;
        if let Some(mut session) =
            before.filter(|_| self.is(StoreFault::ForgetsWrites) && self.sometimes(20))
        {
            (session.revision, session.payload) = (write.revision, write.payload);
            return Ok(Written::Replaced(session));
        }
        Ok(match self.memory.write(id, expected, write).await? {
            Written::Replaced(session)
                if self.is(StoreFault::DeniesWrites) && self.sometimes(20) =>
            {
                Written::Conflict(session)
            }
            outcome => outcome,
        })
    }

    async fn delete(&self, id: Id, now: Instant) -> Result<bool, Unavailable> {
        let deleted = self.memory.delete(id, now).await?;
        Ok(deleted || self.is(StoreFault::DeletesTwice))
    }

    fn sweep(&self, now: Instant) {
        self.memory.sweep(now);
    }

    fn expired(&self) -> u64 {
        self.memory.expired()
    }

    async fn check(&self) -> Result<(), Unavailable> {
        Ok(())
    }

    async fn watch(&self, changed: impl Fn(Changed) + Send + Sync) -> Infallible {
        self.memory.watch(changed).await
    }
}
