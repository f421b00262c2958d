//! The service: a store, with limits before it and waiters beside it. What it does is the same in
//! every dialect of HTTP.

use std::{
    convert::Infallible,
    future::Future,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::HeaderMap;

use crate::{
    Config, Limits, Memory,
    creation::CreationPolicy,
    etag,
    limits::{Denied, Limiter, Permit, RequestKind},
    log_throttle::LogThrottle,
    metrics::{Metrics, ScrapeValues, StoreOperation},
    peer::Peer,
    proxies::ClientAddress,
    readiness::Readiness,
    refusal::Refusal,
    store::{
        Errcodes, NewSession, ReadOutcome, SessionApi, SessionId, SessionSnapshot, Store,
        StoreChange, Unavailable, Write, WriteOutcome, WriteTag,
    },
    wait::Waiters,
};

/// How often sessions are looked for that have expired. A busy server forgets most of them at its
/// requests.
const SWEEP: Duration = Duration::from_secs(1);

/// How often clients are looked for that have not come for a while.
const SWEEP_CLIENTS: u32 = 30;

/// How often the log says, at most, that proxies do not name their clients.
const UNNAMED: Duration = Duration::from_secs(600);

/// The longest lifetime that a session can have.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A rendezvous server: its settings and its sessions. Clones share both.
pub struct Rendezvous<S: Store = Memory>(Arc<Inner<S>>);

struct Inner<S> {
    config: Config,
    /// Session URLs are this and the ID.
    sessions_url: String,
    store: S,
    limiter: Limiter,
    waiters: Waiters,
    metrics: Metrics,
    readiness: Readiness,
    creation: CreationPolicy,
    unnamed: LogThrottle,
}

impl<S: Store> Clone for Rendezvous<S> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl Rendezvous {
    /// A server without sessions, which keeps them in its memory.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_store(Memory::default(), config)
    }
}

impl<S: Store> Rendezvous<S> {
    /// A server whose sessions are in this store.
    #[must_use]
    pub fn with_store(store: S, mut config: Config) -> Self {
        config.public_url.set_query(None);
        config.public_url.set_fragment(None);
        config.lifetime = config.lifetime.min(LONGEST_LIFETIME);
        let limiter = Limiter::new(config.limits.clone());
        let (waiters, metrics) = (Waiters::new(), Metrics::new());
        if !S::LOCAL {
            metrics.count_store_from_zero();
        }
        let sessions_url = format!(
            "{}{}",
            config.public_url.as_str().trim_end_matches('/'),
            etag::SESSIONS
        );
        let creation = CreationPolicy::new(&config.creation, &metrics);
        Self(Arc::new(Inner {
            config,
            sessions_url,
            store,
            limiter,
            waiters,
            metrics,
            readiness: Readiness::default(),
            creation,
            unnamed: LogThrottle::every(UNNAMED),
        }))
    }

    /// Sets other limits. Sessions that live are kept, and counted.
    pub fn set_limits(&self, limits: Limits) {
        self.0.limiter.set(limits);
    }

    /// Answers at once all who are held by `Prefer: wait`, and holds nobody from now on; `/ready`
    /// of [`operations`](Self::operations) says no. For the moment before a server stops;
    /// [`serve`](crate::serve) does it.
    pub fn release_waiters(&self) {
        self.0.waiters.release();
    }

    /// How many sessions live, of those that were made here.
    pub fn sessions(&self) -> usize {
        self.0.store.sweep(Instant::now());
        self.0.limiter.session_count()
    }

    /// What goes on beside the requests: it forgets what has expired, and wakes those who wait for
    /// what another instance wrote to the same store. [`serve`](crate::serve) does it.
    pub async fn upkeep(&self) -> Infallible {
        tokio::select! {
            never = self.sweep(SWEEP) => never,
            never = self.0.store.watch(|changed| self.0.waiters.wake(changed)) => never,
        }
    }

    pub(crate) async fn sweep(&self, every: Duration) -> Infallible {
        loop {
            for _ in 0..SWEEP_CLIENTS {
                tokio::time::sleep(every).await;
                self.0.store.sweep(Instant::now());
            }
            self.0.limiter.sweep();
            tracing::debug!(
                sessions = self.0.limiter.session_count(),
                waiters = self.0.waiters.count(),
                "swept"
            );
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// From whom a request comes.
    pub(crate) fn client(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
        now: Instant,
    ) -> ClientAddress {
        let client = self.0.config.proxies.client(peer, headers);
        if client == ClientAddress::Unknown && self.0.unnamed.due(now).is_some() {
            tracing::warn!(
                "a trusted proxy does not say for whom it asks: such clients are limited as one network; see client-header and \
                 trusted-proxies"
            );
        }
        client
    }

    pub(crate) fn metrics(&self) -> &Metrics {
        &self.0.metrics
    }

    pub(crate) async fn scrape_values(&self) -> ScrapeValues {
        let (sessions, store_up) = (self.sessions(), self.check_store().await.is_ok());
        ScrapeValues {
            sessions,
            waiters: self.0.waiters.count(),
            expired: self.0.store.expired(),
            store_up,
        }
    }

    /// Whether the store can be used. Those who ask within a second of each other are told the
    /// same.
    pub(crate) async fn check_store(&self) -> Result<(), Unavailable> {
        let this = self.clone();
        let asked = async move {
            this.timed(StoreOperation::Check, this.0.store.check())
                .await
        };
        self.0.readiness.check(asked).await
    }

    /// A reader that comes now is not held, and is not told that it was: it shall poll, and not ask
    /// again at once.
    pub(crate) fn released(&self) -> bool {
        self.0.waiters.released()
    }

    pub(crate) fn session_url(&self, id: SessionId) -> String {
        let mut url = String::with_capacity(self.0.sessions_url.len() + 22);
        url.push_str(&self.0.sessions_url);
        url.push_str(str::from_utf8(&id.to_text()).unwrap_or_default());
        url
    }

    pub(crate) fn admit(&self, client: ClientAddress, kind: RequestKind) -> Result<(), Refusal> {
        self.0
            .limiter
            .admit(client, kind)
            .map_err(|denied| self.refusal(denied))
    }

    /// Whether a request with these headers may create sessions, where not everybody may. `admit`
    /// is asked before the homeserver is.
    pub(crate) async fn may_create(
        &self,
        headers: &HeaderMap,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        self.0.creation.allows(headers, admit).await
    }

    pub(crate) async fn create(
        &self,
        client: ClientAddress,
        write: Write,
        (api, errcodes): (SessionApi, Errcodes),
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
        let session = self
            .timed(StoreOperation::Create, self.0.store.create(id, new))
            .await?;
        self.count_received(bytes);
        Ok((id, session))
    }

    /// Before it says that there is no room, it looks whether some has become free.
    fn reserve(&self, client: ClientAddress) -> Result<Permit, Denied> {
        self.0.limiter.reserve(client).or_else(|_| {
            self.0.store.sweep(Instant::now());
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

    /// Waits until the payload is not the one that was seen, for at most this time.
    pub(crate) async fn read_held(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        time: Duration,
    ) -> Result<ReadOutcome, Unavailable> {
        let load = |now| self.load(id, seen, now);
        let read = self.0.waiters.hold(id, Instant::now() + time, load).await;
        self.count_sent(read)
    }

    /// What stands there, whether the reader has seen it or not: for an API whose answers always
    /// have the payload. Waits first, if it shall be held for a time, until that is not what was
    /// seen.
    pub(crate) async fn read_whole(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        held: Option<Duration>,
    ) -> Result<Option<SessionSnapshot>, Unavailable> {
        let load = |now| self.load(id, seen, now);
        let read = match held {
            Some(time) => self.0.waiters.hold(id, Instant::now() + time, load).await?,
            None => load(Instant::now()).await?,
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

    async fn load(
        &self,
        id: SessionId,
        seen: Option<WriteTag>,
        now: Instant,
    ) -> Result<ReadOutcome, Unavailable> {
        self.timed(StoreOperation::Read, self.0.store.read(id, seen, now))
            .await
    }

    pub(crate) async fn write(
        &self,
        id: SessionId,
        expected: Option<WriteTag>,
        write: Write,
    ) -> Result<WriteOutcome, Unavailable> {
        let bytes = write.payload.len();
        let written = self
            .timed(
                StoreOperation::Write,
                self.0.store.write(id, expected, write),
            )
            .await?;
        if let WriteOutcome::Replaced(_) = written {
            self.count_received(bytes);
            self.0.waiters.wake(StoreChange::One(id));
        }
        Ok(written)
    }

    pub(crate) async fn delete(&self, id: SessionId) -> Result<bool, Unavailable> {
        let deleted = self
            .timed(
                StoreOperation::Delete,
                self.0.store.delete(id, Instant::now()),
            )
            .await?;
        // Nobody waits for a session that there is not, and a name that somebody made up shares its
        // door with one that there is.
        if deleted {
            self.0.waiters.wake(StoreChange::One(id));
        }
        Ok(deleted)
    }

    async fn timed<T>(
        &self,
        operation: StoreOperation,
        work: impl Future<Output = Result<T, Unavailable>>,
    ) -> Result<T, Unavailable> {
        // What stays in this process takes less time than to look at the clock.
        if S::LOCAL {
            return work.await;
        }
        let started = Instant::now();
        let result = work.await;
        self.0
            .metrics
            .stored(operation, started.elapsed(), result.as_ref().err().copied());
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

    fn refusal(&self, denied: Denied) -> Refusal {
        // Sessions end evenly over their lifetime: in a tenth of it a tenth of the places become
        // free.
        let retry_after = self.0.config.lifetime / 10;
        match denied {
            Denied::Network => Refusal::Network,
            Denied::Rate(retry_after) => Refusal::TooFast { retry_after },
            Denied::NetworkFull => Refusal::NetworkFull { retry_after },
            Denied::Full => Refusal::Full { retry_after },
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use axum::{body::Body, http::Request};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn an_idle_server_forgets_expired_sessions() {
        let public_url = "https://rendezvous.example".parse().unwrap();
        let config = Config {
            lifetime: Duration::from_millis(1),
            ..Config::new(public_url)
        };
        let rendezvous = Rendezvous::new(config);
        let request = Request::post("/")
            .header("content-length", "1")
            .header("content-type", "text/plain");
        rendezvous
            .router()
            .oneshot(request.body(Body::from("x")).unwrap())
            .await
            .unwrap();
        assert_eq!(rendezvous.0.store.session_count(), 1);
        let forgotten = async {
            while rendezvous.0.store.session_count() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = forgotten => {}
            never = rendezvous.sweep(Duration::from_millis(5)) => match never {},
            () = tokio::time::sleep(Duration::from_secs(20)) => unreachable!("nothing is forgotten"),
        }
    }
}
