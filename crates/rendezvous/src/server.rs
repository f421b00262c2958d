//! HTTP on a listener: HTTP/1.1, and HTTP/2 for clients that begin with it. A client has a time for
//! its headers, its body and its silence, there are at most so many connections, and a stop lets
//! requests under way finish.

mod connection;
mod handler;
mod host_header;
mod listener;
mod preamble;
mod refusals;
mod timed_body;
mod watchdog;

use std::{
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use axum::Router;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

pub use self::listener::Listener;
pub(crate) use self::timed_body::BodyError;
use self::{handler::RequestHandler, listener::AcceptedStream, refusals::ConnectionRefusals};
use crate::{
    Config, Proxies, Rendezvous, Store, Timeouts,
    metrics::{ConnectionRefusal, Metrics},
    peer::Peer,
};

/// How long a stop waits for requests under way.
const GRACE: Duration = Duration::from_secs(20);

/// How long to wait when the system has no connection to give, mostly for want of file descriptors.
const RESPITE: Duration = Duration::from_millis(100);

/// Serves until `shutdown`. Then held readers are answered, `/ready` of [`Rendezvous::operations`]
/// says no, and clients are told to close their connections. After [`Config::drain`] new
/// connections are refused, and requests under way finish.
///
/// Leaves no task behind when it returns or is dropped.
///
/// # Errors
///
/// None at present: a failure to accept a connection is logged, and tried again.
pub async fn serve<S: Store>(
    listener: impl Into<Listener>,
    rendezvous: Rendezvous<S>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let stop = async {
        shutdown.await;
        rendezvous.release_waiters();
    };
    let Config {
        timeouts,
        max_connections,
        drain,
        ..
    } = *rendezvous.config();
    let Config {
        proxies,
        proxy_protocol,
        ..
    } = rendezvous.config();
    let announced_by = proxy_protocol.then(|| proxies.clone());
    let metrics = rendezvous.metrics().clone();
    let server = HttpServer {
        announced_by,
        max_connections,
        ..HttpServer::new(rendezvous.clone(), timeouts, metrics)
    };
    tokio::select! {
        () = server.serve(listener.into(), stop, drain) => Ok(()),
        never = rendezvous.upkeep() => match never {},
    }
}

/// Serves any router as [`serve`] does, with these timeouts. A body that is late fails to read, and
/// what is made of that is the router's affair. A client must also have taken an answer within
/// [`Timeouts::idle`]. New connections are refused from `shutdown` on.
///
/// # Errors
///
/// None at present: a failure to accept a connection is logged, and tried again.
pub async fn serve_router(
    listener: impl Into<Listener>,
    router: Router,
    timeouts: Timeouts,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let server = HttpServer::new(router, timeouts, Metrics::new());
    server
        .serve(listener.into(), shutdown, Duration::ZERO)
        .await;
    Ok(())
}

/// How far a stop has come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum StopPhase {
    Not,
    /// New connections are taken, and each is told to close when it is known how.
    Soon,
    Now,
}

/// What every connection is served with.
struct HttpServer<S> {
    service: S,
    timeouts: Timeouts,
    max_connections: usize,
    /// Those who must begin each connection with a header of the PROXY protocol. `None`: nobody
    /// does.
    announced_by: Option<Proxies>,
    metrics: Metrics,
    refusals: ConnectionRefusals,
    /// Whether clients of HTTP/1 are told to close with each answer.
    closing: AtomicBool,
}

impl<S> HttpServer<S> {
    fn new(service: S, timeouts: Timeouts, metrics: Metrics) -> Self {
        let (max_connections, refusals) = (usize::MAX, ConnectionRefusals::new(metrics.clone()));
        let closing = AtomicBool::new(false);
        Self {
            service,
            timeouts,
            max_connections,
            announced_by: None,
            metrics,
            refusals,
            closing,
        }
    }
}

impl<S: RequestHandler> HttpServer<S> {
    async fn serve(self, listener: Listener, shutdown: impl Future<Output = ()>, drain: Duration) {
        let server = Arc::new(self);
        // Dropped with this future, and all connections with it.
        let mut connections = JoinSet::new();
        let stop = watch::Sender::new(StopPhase::Not);
        server
            .take(&listener, &mut connections, &stop, shutdown)
            .await;
        server.closing.store(true, Relaxed);
        stop.send_replace(StopPhase::Soon);
        server
            .take(&listener, &mut connections, &stop, sleep(drain))
            .await;
        drop(listener);
        stop.send_replace(StopPhase::Now);
        let finished = async { while connections.join_next().await.is_some() {} };
        if timeout(GRACE, finished).await.is_err() {
            tracing::warn!("stopped before all requests were answered");
        }
    }

    /// Takes connections, and serves them.
    async fn take(
        self: &Arc<Self>,
        listener: &Listener,
        connections: &mut JoinSet<()>,
        stop: &watch::Sender<StopPhase>,
        until: impl Future<Output = ()>,
    ) {
        let mut until = pin!(until);
        loop {
            tokio::select! {
                biased;
                () = &mut until => return,
                Some(_) = connections.join_next() => {}
                (stream, peer) = self.accept(listener) => {
                    let server = self.clone();
                    match stream {
                        // Before a place is looked for: strangers shall take none.
                        _ if !self.may_connect(peer) => self.refusals.refused(ConnectionRefusal::NotAProxy),
                        _ if connections.len() >= self.max_connections => {
                            self.refusals.refused(ConnectionRefusal::TooMany);
                        }
                        AcceptedStream::Tcp(stream) => {
                            connections.spawn(server.connection(stream, peer, stop.subscribe()));
                        }
                        #[cfg(unix)]
                        AcceptedStream::Unix(stream) => {
                            connections.spawn(server.connection(stream, peer, stop.subscribe()));
                        }
                    }
                }
            }
            self.metrics
                .connections
                .set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
        }
    }

    async fn accept(&self, listener: &Listener) -> (AcceptedStream, Peer) {
        loop {
            match listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    self.refusals.not_accepted(&error);
                    sleep(RESPITE).await;
                }
            }
        }
    }
}
