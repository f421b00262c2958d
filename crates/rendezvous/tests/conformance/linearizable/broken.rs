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
    Memory, NewSession, ReadOutcome, SessionId, SessionSnapshot, Store, StoreChange, Unavailable,
    Write, WriteOutcome, WriteTag,
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
    shown: Mutex<HashMap<SessionId, SessionSnapshot>>,
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

    async fn current(
        &self,
        id: SessionId,
        now: Instant,
    ) -> Result<Option<SessionSnapshot>, Unavailable> {
        Ok(match self.memory.read(id, None, now).await? {
            ReadOutcome::Changed(session) | ReadOutcome::Unchanged(session) => Some(session),
            ReadOutcome::Gone => None,
        })
    }

    async fn compare_then_write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<WriteOutcome, Unavailable> {
        let Some(seen) = self.current(id, write.now).await? else {
            return Ok(WriteOutcome::Gone);
        };
        if expected != Some(seen.tag) {
            return Ok(WriteOutcome::Conflict(seen));
        }
        tokio::task::yield_now().await;
        let Some(by_now) = self.current(id, write.now).await? else {
            return Ok(WriteOutcome::Gone);
        };
        self.memory.write(id, Some(by_now.tag), write).await
    }

    fn old(&self, id: SessionId, current: SessionSnapshot) -> SessionSnapshot {
        let mut shown = self.shown.lock().unwrap();
        let old = shown.entry(id).or_insert_with(|| current.clone()).clone();
        if self.sometimes(10) {
            shown.insert(id, current);
        }
        old
    }
}

impl Store for BrokenStore {
    async fn create(&self, id: SessionId, new: NewSession) -> Result<SessionSnapshot, Unavailable> {
        self.memory.create(id, new).await
    }

    async fn read(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<ReadOutcome, Unavailable> {
        if self.is(StoreFault::ForgetsSessions) && self.sometimes(500) {
            self.memory.delete(id, now).await?;
        }
        if !self.is(StoreFault::ShowsOldPayloads) {
            return self.memory.read(id, seen, now).await;
        }
        let Some(session) = self.current(id, now).await? else {
            return Ok(ReadOutcome::Gone);
        };
        let old = self.old(id, session);
        Ok(if seen == Some(old.tag) {
            ReadOutcome::Unchanged(old)
        } else {
            ReadOutcome::Changed(old)
        })
    }

    async fn write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<WriteOutcome, Unavailable> {
        if self.is(StoreFault::ComparesThenWrites) {
            return self.compare_then_write(id, expected, write).await;
        }
        let before = self.current(id, write.now).await?;
        if let Some(mut session) =
            before.filter(|_| self.is(StoreFault::ForgetsWrites) && self.sometimes(20))
        {
            (session.tag, session.payload) = (write.tag, write.payload);
            return Ok(WriteOutcome::Replaced(session));
        }
        Ok(match self.memory.write(id, expected, write).await? {
            WriteOutcome::Replaced(session)
                if self.is(StoreFault::DeniesWrites) && self.sometimes(20) =>
            {
                WriteOutcome::Conflict(session)
            }
            outcome => outcome,
        })
    }

    async fn delete(&self, id: SessionId, now: Instant) -> Result<bool, Unavailable> {
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

    async fn watch(&self, changed: impl Fn(StoreChange) + Send + Sync) -> Infallible {
        self.memory.watch(changed).await
    }
}
