//! The service: a store, with limits in front of it and waiting readers beside it. It is the same
//! for both HTTP APIs.

mod sessions;

use std::{
    convert::Infallible,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::http::HeaderMap;

use crate::{
    config::Config,
    creation::CreationPolicy,
    limits::{Denied, Limiter, Limits, RequestKind},
    log_throttle::LogThrottle,
    metrics::{Metrics, ScrapeValues},
    paths,
    peer::Peer,
    proxies::ClientAddress,
    readiness::Readiness,
    refusal::Refusal,
    store::{Store, id::SessionId, memory::Memory},
    wait::WaitableStore,
};

/// How often expired sessions are removed. A busy server removes most of them when it handles
/// requests.
const SWEEP: Duration = Duration::from_secs(1);

/// After how many of these sweeps the limits forget idle clients.
const SWEEPS_PER_LIMITS_SWEEP: u32 = 30;

/// The minimum time between two warnings that proxies do not name their clients.
const WARN_UNNAMED: Duration = Duration::from_secs(600);

/// The longest lifetime that a session can have.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// See [`Rendezvous::created`].
const AFTER_ID: &[u8] = b"\"}";

/// A rendezvous server: its settings and its sessions. Clones share both.
pub struct Rendezvous<S: Store = Memory>(Arc<RendezvousInner<S>>);

struct RendezvousInner<S> {
    config: Config,
    /// The response to a create request in MSC4108's API, up to the ID. After the ID: [`AFTER_ID`].
    before_id: String,
    sessions: WaitableStore<S>,
    limiter: Limiter,
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
    /// A server that keeps its sessions in memory.
    #[must_use]
    pub fn new(config: Config) -> Self {
        Self::with_store(Memory::default(), config)
    }
}

impl<S: Store> Rendezvous<S> {
    /// A server that keeps its sessions in this store.
    #[must_use]
    pub fn with_store(store: S, mut config: Config) -> Self {
        config.public_url.set_query(None);
        config.public_url.set_fragment(None);
        config.lifetime = config.lifetime.min(LONGEST_LIFETIME);
        let limiter = Limiter::new(config.limits.clone());
        let metrics = Metrics::new();
        if !S::LOCAL {
            metrics.count_store_from_zero();
        }
        let sessions_url = format!(
            "{}{}",
            config.public_url.as_str().trim_end_matches('/'),
            paths::MSC4108_SESSIONS
        );
        let quoted = serde_json::Value::from(sessions_url).to_string();
        let before_id = format!("{{\"url\":{}", quoted.trim_end_matches('"'));
        let creation = CreationPolicy::new(&config.creation, &metrics);
        Self(Arc::new(RendezvousInner {
            config,
            before_id,
            sessions: WaitableStore::new(store),
            limiter,
            metrics,
            readiness: Readiness::default(),
            creation,
            unnamed: LogThrottle::every(WARN_UNNAMED),
        }))
    }

    /// Replaces the limits. Live sessions are kept, and count against the new limits.
    pub fn set_limits(&self, limits: Limits) {
        self.0.limiter.set(limits);
    }

    /// Answers at once all readers that wait with `Prefer: wait`, and lets no reader wait from now
    /// on; `/ready` of [`operations`](Self::operations) reports that the server is stopping. Call
    /// it right before a server stops; [`serve`](crate::serve) does.
    pub fn release_waiters(&self) {
        self.0.sessions.waiters.release();
    }

    /// How many live sessions there are, of those created through this value.
    pub fn sessions(&self) -> usize {
        self.0.sessions.store.sweep(Instant::now());
        self.0.limiter.session_count()
    }

    /// The work beside the requests: removes expired sessions, and wakes readers that wait for what
    /// another instance writes to the same store. Poll it as long as the service is used;
    /// [`serve`](crate::serve) does.
    pub async fn upkeep(&self) -> Infallible {
        tokio::select! {
            never = self.sweep(SWEEP) => never,
            never = self.0.sessions.store.watch(|changed| self.0.sessions.waiters.wake(changed)) => never,
        }
    }

    pub(crate) async fn sweep(&self, every: Duration) -> Infallible {
        loop {
            for _ in 0..SWEEPS_PER_LIMITS_SWEEP {
                tokio::time::sleep(every).await;
                self.0.sessions.store.sweep(Instant::now());
            }
            self.0.limiter.sweep();
            tracing::debug!(
                sessions = self.0.limiter.session_count(),
                waiters = self.0.sessions.waiters.count(),
                "swept"
            );
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.0.config
    }

    /// The client that a request comes from.
    pub(crate) fn client(
        &self,
        peer: Option<Peer>,
        headers: &HeaderMap,
        now: Instant,
    ) -> ClientAddress {
        let client = self.0.config.proxies.client(peer, headers);
        if client == ClientAddress::Unknown && self.0.unnamed.due(now).is_some() {
            tracing::warn!(
                "a trusted proxy does not name its clients: all of them are limited as one network; \
                 see client-header and trusted-proxies"
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
            waiters: self.0.sessions.waiters.count(),
            expired: self.0.sessions.store.expired(),
            store_up,
        }
    }

    /// Whether the server is about to stop. Then no reader waits, and its response must not claim
    /// that it waited: otherwise the client would ask again at once instead of polling.
    pub(crate) fn released(&self) -> bool {
        self.0.sessions.waiters.released()
    }

    /// The body of the response to a create request in MSC4108's API: an object with the session's
    /// URL. Put together here, because serializing it takes longer than creating the session.
    pub(crate) fn created(&self, id: SessionId) -> Vec<u8> {
        [self.0.before_id.as_bytes(), &id.to_text(), AFTER_ID].concat()
    }

    pub(crate) fn admit(&self, client: ClientAddress, kind: RequestKind) -> Result<(), Refusal> {
        self.0
            .limiter
            .admit(client, kind)
            .map_err(|denied| self.refusal(denied))
    }

    /// Whether a request with these headers may create sessions. `admit` is called before the
    /// homeserver is asked.
    pub(crate) async fn may_create(
        &self,
        headers: &HeaderMap,
        admit: impl FnOnce() -> Result<(), Refusal>,
    ) -> Result<bool, Refusal> {
        self.0.creation.allows(headers, admit).await
    }

    fn refusal(&self, denied: Denied) -> Refusal {
        // Sessions end evenly distributed over their lifetime: after a tenth of it, a tenth of them
        // has ended.
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

    #[test]
    fn no_session_lives_longer_than_a_day() {
        for (set, lifetime) in [(86_399, 86_399), (86_401, 86_400)] {
            let public_url = "https://rendezvous.example".parse().unwrap();
            let config = Config {
                lifetime: Duration::from_secs(set),
                ..Config::new(public_url)
            };
            let rendezvous = Rendezvous::new(config);
            assert_eq!(rendezvous.config().lifetime.as_secs(), lifetime);
        }
    }

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
        assert_eq!(rendezvous.0.sessions.store.session_count(), 1);
        let forgotten = async {
            while rendezvous.0.sessions.store.session_count() > 0 {
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
