//! Stores that are wrong on purpose: a test that cannot fail proves nothing.

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

/// How it is wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It looks, and then writes, in two steps.
    LooksThenWrites,
    /// It says that it has written, and now and then has not.
    ForgetsWrites,
    /// It writes, and now and then says that it has not.
    DeniesWrites,
    /// It shows what it showed a few reads before.
    ShowsOldPayloads,
    /// It ends a session each time that it is asked to.
    EndsTwice,
    /// It forgets some sessions on its own.
    ForgetsSessions,
}

pub(crate) struct Broken {
    memory: Memory,
    fault: Fault,
    count: AtomicUsize,
    shown: Mutex<HashMap<SessionId, SessionSnapshot>>,
}

impl Broken {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            memory: Memory::default(),
            fault,
            count: AtomicUsize::new(0),
            shown: Mutex::default(),
        }
    }

    fn is(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    /// One time in so many.
    fn now_and_then(&self, times: usize) -> bool {
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

    async fn look_then_write(
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
        if self.now_and_then(10) {
            shown.insert(id, current);
        }
        old
    }
}

impl Store for Broken {
    async fn create(&self, id: SessionId, new: NewSession) -> Result<SessionSnapshot, Unavailable> {
        self.memory.create(id, new).await
    }

    async fn read(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<ReadOutcome, Unavailable> {
        if self.is(Fault::ForgetsSessions) && self.now_and_then(500) {
            self.memory.delete(id, now).await?;
        }
        if !self.is(Fault::ShowsOldPayloads) {
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
        if self.is(Fault::LooksThenWrites) {
            return self.look_then_write(id, expected, write).await;
        }
        let before = self.current(id, write.now).await?;
        if let Some(mut session) =
            before.filter(|_| self.is(Fault::ForgetsWrites) && self.now_and_then(20))
        {
            (session.tag, session.payload) = (write.tag, write.payload);
            return Ok(WriteOutcome::Replaced(session));
        }
        Ok(match self.memory.write(id, expected, write).await? {
            WriteOutcome::Replaced(session)
                if self.is(Fault::DeniesWrites) && self.now_and_then(20) =>
            {
                WriteOutcome::Conflict(session)
            }
            outcome => outcome,
        })
    }

    async fn delete(&self, id: SessionId, now: Instant) -> Result<bool, Unavailable> {
        let deleted = self.memory.delete(id, now).await?;
        Ok(deleted || self.is(Fault::EndsTwice))
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
