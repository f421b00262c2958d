//! A rendezvous server for Matrix sign-in by QR code, as MSC4108 describes it ("Insecure rendezvous
//! session").
//!
//! Two devices that share a URL exchange payloads at it, one at a time, through a server that neither of them
//! trusts. A payload is at most 4096 bytes; a session lives for minutes, in memory.
//!
//! [`Rendezvous`] is the service. [`Rendezvous::router`] fits it into any axum server, [`serve`] runs it on a
//! listener, with timeouts for slow clients. The binary of the same name does that from the command line.

mod answer;
mod config;
mod etag;
mod payload;
mod refusal;
mod server;
mod store;
mod wait;

use std::{
    future::Future,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{Router, middleware};
use tokio::net::TcpListener;

pub use crate::{
    config::{Config, Timeouts},
    server::serve_router,
};
use crate::{
    store::{Id, memory::Memory},
    wait::Waiters,
};

/// How often an idle server looks for sessions that have expired. A busy one forgets them at each request.
const SWEEP: Duration = Duration::from_secs(10);

/// The longest lifetime that a session can have.
const LONGEST_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);

/// A rendezvous server: its settings and its sessions. Clones share both.
#[derive(Clone)]
pub struct Rendezvous(Arc<Inner>);

struct Inner {
    config: Config,
    store: Memory,
    waiters: Waiters,
}

impl Rendezvous {
    /// A server without sessions.
    #[must_use]
    pub fn new(mut config: Config) -> Self {
        config.public_url.set_query(None);
        config.public_url.set_fragment(None);
        let store = Memory::new(config.lifetime.min(LONGEST_LIFETIME), config.max_sessions);
        Self(Arc::new(Inner { config, store, waiters: Waiters::new() }))
    }

    /// The service as routes. They bring a fallback, so merge other routes into them, or nest them.
    ///
    /// A server other than [`serve`] and [`serve_router`] must itself see to slow clients: axum's own waits
    /// for them forever.
    pub fn router(&self) -> Router {
        etag::routes().layer(middleware::from_fn(answer::common)).with_state(self.clone())
    }

    /// Answers at once all who are held by `Prefer: wait`, and holds nobody from now on. For the moment
    /// before a server stops; [`serve`] does it.
    pub fn release_waiters(&self) {
        self.0.waiters.release();
    }

    /// How many sessions live.
    pub fn sessions(&self) -> usize {
        self.0.store.count(Instant::now())
    }

    fn session_url(&self, id: Id) -> String {
        format!("{}{}/{id}", self.0.config.public_url.as_str().trim_end_matches('/'), etag::SESSIONS)
    }

    async fn sweep(&self, every: Duration) -> io::Result<()> {
        loop {
            tokio::time::sleep(every).await;
            // Counting forgets the expired. Not within the log line, which is evaluated only if somebody wants it.
            let sessions = self.sessions();
            tracing::debug!(sessions, "swept");
        }
    }
}

/// Serves until `shutdown`: then new connections are refused, held readers are answered, and requests under
/// way finish.
///
/// Leaves no task behind when it returns or is dropped.
///
/// # Errors
///
/// None at present: a failure to accept a connection is logged, and tried again.
pub async fn serve(
    listener: TcpListener,
    rendezvous: Rendezvous,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let stop = async {
        shutdown.await;
        rendezvous.release_waiters();
    };
    let timeouts = rendezvous.0.config.timeouts;
    tokio::select! {
        result = serve_router(listener, rendezvous.router(), timeouts, stop) => result,
        never = rendezvous.sweep(SWEEP) => never,
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
        let config = Config { lifetime: Duration::from_millis(1), ..Config::new(public_url) };
        let rendezvous = Rendezvous::new(config);
        let request = Request::post("/").header("content-length", "1").header("content-type", "text/plain");
        rendezvous.router().oneshot(request.body(Body::from("x")).unwrap()).await.unwrap();
        assert_eq!(rendezvous.0.store.held(), 1);
        let forgotten = async {
            while rendezvous.0.store.held() > 0 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::select! {
            () = forgotten => {}
            never = rendezvous.sweep(Duration::from_millis(5)) => never.unwrap(),
            () = tokio::time::sleep(Duration::from_secs(20)) => unreachable!("nothing is forgotten"),
        }
    }
}
