//! What can be done with sessions: within the limits, with the waiting readers woken, counted and
//! timed.

use std::time::{Duration, Instant};

use super::Rendezvous;
use crate::{
    limits::{Denied, Permit},
    metrics::StoreOperation,
    proxies::ClientAddress,
    refusal::Refusal,
    store::{
        Store,
        id::{SessionApi, SessionId, WriteTag},
        session::{Errcodes, NewSession, ReadOutcome, SessionSnapshot, Write, WriteOutcome},
        unavailable::Unavailable,
    },
};

impl<S: Store> Rendezvous<S> {
    pub(crate) async fn create(
        &self,
        client: ClientAddress,
        write: Write,
        api: SessionApi,
        errcodes: Errcodes,
    ) -> Result<(SessionId, SessionSnapshot), Refusal> {
        let permit = self
            .reserve(client)
            .map_err(|denied| self.refusal(denied))?;
        let id = SessionId::random(api);
        let bytes = write.payload.len();
        let new = NewSession {
            expires: write.now + self.0.config.lifetime,
            write,
            errcodes,
            permit,
        };
        let started = Self::clock();
        let created = self.0.sessions.store.create(id, new).await;
        let session = self.timed(StoreOperation::Create, started, created)?;
        self.count_received(bytes);
        Ok((id, session))
    }

    /// Removes expired sessions before it gives up: that may free a permit.
    fn reserve(&self, client: ClientAddress) -> Result<Permit, Denied> {
        self.0.limiter.reserve(client).or_else(|_| {
            self.0.sessions.store.sweep(Instant::now());
            self.0.limiter.reserve(client)
        })
    }

    pub(crate) async fn read(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
    ) -> Result<ReadOutcome, Unavailable> {
        let read = self.load(id, seen, Instant::now()).await;
        self.count_sent(read)
    }

    /// Waits until the payload is not the one that was seen, at most for this time.
    pub(crate) async fn read_when_changed(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        time: Duration,
    ) -> Result<ReadOutcome, Unavailable> {
        let read = self.hold(id, seen, time).await;
        self.count_sent(read)
    }

    /// The session, whether the reader has seen its payload or not: for an API whose responses
    /// always contain the payload. If `max_wait` is a time, waits at most that long for a payload
    /// that was not seen.
    pub(crate) async fn read_whole(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        max_wait: Option<Duration>,
    ) -> Result<Option<SessionSnapshot>, Unavailable> {
        let read = match max_wait {
            Some(time) => self.hold(id, seen, time).await?,
            None => self.load(id, seen, Instant::now()).await?,
        };
        let session = read.session();
        session
            .iter()
            .for_each(|session| self.count_sent_bytes(session.payload.len()));
        Ok(session)
    }

    /// Whether there is such a session.
    pub(crate) async fn exists(&self, id: SessionId) -> Result<bool, Unavailable> {
        Ok(self
            .load(id, None, Instant::now())
            .await?
            .session()
            .is_some())
    }

    /// Boxed, so that the futures of requests that do not wait are small: they are moved often.
    async fn hold(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        time: Duration,
    ) -> Result<ReadOutcome, Unavailable> {
        let load = |now| self.load(id, seen, now);
        Box::pin(
            self.0
                .sessions
                .waiters
                .hold(id, Instant::now() + time, load),
        )
        .await
    }

    async fn load(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<ReadOutcome, Unavailable> {
        let started = Self::clock();
        let read = self.0.sessions.store.read(id, seen, now).await;
        self.timed(StoreOperation::Read, started, read)
    }

    pub(crate) async fn write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<WriteOutcome, Unavailable> {
        let bytes = write.payload.len();
        let started = Self::clock();
        let written = self.0.sessions.write(id, expected, write).await;
        let written = self.timed(StoreOperation::Write, started, written)?;
        if let WriteOutcome::Replaced(_) = written {
            self.count_received(bytes);
        }
        Ok(written)
    }

    pub(crate) async fn delete(&self, id: SessionId) -> Result<bool, Unavailable> {
        let started = Self::clock();
        let deleted = self.0.sessions.delete(id, Instant::now()).await;
        self.timed(StoreOperation::Delete, started, deleted)
    }

    /// When an operation starts. `None` in memory, where one takes less time than reading the clock.
    fn clock() -> Option<Instant> {
        (!S::LOCAL).then(Instant::now)
    }

    /// Not a future around the operation's: that would be twice as large, and it is moved.
    fn timed<T>(
        &self,
        operation: StoreOperation,
        started: Option<Instant>,
        result: Result<T, Unavailable>,
    ) -> Result<T, Unavailable> {
        if let Some(started) = started {
            let failed = result.as_ref().err().copied();
            self.0.metrics.stored(operation, started.elapsed(), failed);
        }
        result
    }

    fn count_received(&self, bytes: usize) {
        self.0
            .metrics
            .received
            .inc_by(bytes.try_into().unwrap_or(u64::MAX));
    }

    fn count_sent(
        &self,
        read: Result<ReadOutcome, Unavailable>,
    ) -> Result<ReadOutcome, Unavailable> {
        if let Ok(ReadOutcome::Changed(session)) = &read {
            self.count_sent_bytes(session.payload.len());
        }
        read
    }

    fn count_sent_bytes(&self, bytes: usize) {
        self.0
            .metrics
            .sent
            .inc_by(bytes.try_into().unwrap_or(u64::MAX));
    }

    /// Whether the store can be used. Callers within one second of each other get the same result.
    pub(crate) async fn check_store(&self) -> Result<(), Unavailable> {
        let this = self.clone();
        let check = async move {
            let started = Self::clock();
            let checked = this.0.sessions.store.check().await;
            this.timed(StoreOperation::Check, started, checked)
        };
        self.0.readiness.check(check).await
    }
}
