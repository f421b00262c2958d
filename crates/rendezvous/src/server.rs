//! HTTP on a listener: HTTP/1.1, and HTTP/2 for clients that start with it. There are timeouts for
//! a request's headers, its body and idle connections, a limit of connections, and a stop that lets
//! requests in progress finish.

mod connection;
mod handler;
mod host_header;
mod listener;
mod preamble;
mod refusals;
pub(crate) mod timed_body;
mod watchdog;

use std::{
    future::Future,
    io,
    pin::pin,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Duration,
};

use axum::Router;
use tokio::{
    sync::watch,
    task::JoinSet,
    time::{sleep, timeout},
};

pub use self::listener::Listener;
use self::{
    connection::{ConnectionContext, StopPhase},
    handler::RequestHandler,
    listener::AcceptedStream,
};
use crate::{
    config::{Config, Timeouts},
    metrics::{ConnectionRefusal, Metrics},
    peer::Peer,
    rendezvous::Rendezvous,
    store::Store,
};

/// How long a stop waits for requests in progress.
const GRACE: Duration = Duration::from_secs(20);

/// How long to wait after the system could not accept a connection, usually for lack of file
/// descriptors.
const RETRY_ACCEPT: Duration = Duration::from_millis(100);

/// Serves until `shutdown`. Then waiting readers are answered, `/ready` of
/// [`Rendezvous::operations`] reports that the server is stopping, and clients are told to close
/// their connections. After [`Config::drain`] new connections are refused, and requests in progress
/// finish.
///
/// Leaves no task behind when it returns or is dropped.
///
/// # Errors
///
/// None at present: a failure to accept a connection is logged, and accepting is retried.
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
        ref proxies,
        proxy_protocol,
        ..
    } = *rendezvous.config();
    let metrics = rendezvous.metrics().clone();
    let mut context = ConnectionContext::new(rendezvous.clone(), timeouts, metrics);
    context.announced_by = proxy_protocol.then(|| proxies.clone());
    let server = HttpServer {
        context: Arc::new(context),
        max_connections,
    };
    tokio::select! {
        () = server.serve(listener.into(), stop, drain) => Ok(()),
        never = rendezvous.upkeep() => match never {},
    }
}

/// Serves any router as [`serve`] does, with these timeouts. A body that arrives too late fails to
/// read, and the router decides what to answer. A client must also have received its response
/// within [`Timeouts::idle`]. New connections are refused from `shutdown` on.
///
/// # Errors
///
/// None at present: a failure to accept a connection is logged, and accepting is retried.
pub async fn serve_router(
    listener: impl Into<Listener>,
    router: Router,
    timeouts: Timeouts,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let server = HttpServer {
        context: Arc::new(ConnectionContext::new(router, timeouts, Metrics::new())),
        max_connections: usize::MAX,
    };
    server
        .serve(listener.into(), shutdown, Duration::ZERO)
        .await;
    Ok(())
}

struct HttpServer<S> {
    context: Arc<ConnectionContext<S>>,
    max_connections: usize,
}

impl<S: RequestHandler> HttpServer<S> {
    async fn serve(self, listener: Listener, shutdown: impl Future<Output = ()>, drain: Duration) {
        // Dropped with this future, and all connections with it.
        let mut connections = JoinSet::new();
        let stop = watch::Sender::new(StopPhase::Running);
        self.accept_until(shutdown, &listener, &mut connections, &stop)
            .await;
        self.context.closing.store(true, Relaxed);
        stop.send_replace(StopPhase::Draining);
        self.accept_until(sleep(drain), &listener, &mut connections, &stop)
            .await;
        drop(listener);
        stop.send_replace(StopPhase::Closing);
        let finished = async { while connections.join_next().await.is_some() {} };
        if timeout(GRACE, finished).await.is_err() {
            tracing::warn!("stopped before all requests were answered");
        }
    }

    /// Accepts connections and serves each in a task.
    async fn accept_until(
        &self,
        until: impl Future<Output = ()>,
        listener: &Listener,
        connections: &mut JoinSet<()>,
        stop: &watch::Sender<StopPhase>,
    ) {
        let mut until = pin!(until);
        let ConnectionContext {
            refusals, metrics, ..
        } = &*self.context;
        loop {
            tokio::select! {
                biased;
                () = &mut until => return,
                Some(_) = connections.join_next() => {}
                (stream, peer) = self.accept(listener) => {
                    let context = self.context.clone();
                    match stream {
                        // First: those who may not connect must not use up connections.
                        _ if !context.may_connect(peer) => refusals.refused(ConnectionRefusal::NotAProxy),
                        _ if connections.len() >= self.max_connections => {
                            refusals.refused(ConnectionRefusal::TooMany);
                        }
                        AcceptedStream::Tcp(stream) => {
                            connections.spawn(context.serve(stream, peer, stop.subscribe()));
                        }
                        #[cfg(unix)]
                        AcceptedStream::Unix(stream) => {
                            connections.spawn(context.serve(stream, peer, stop.subscribe()));
                        }
                    }
                }
            }
            metrics
                .connections
                .set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
        }
    }

    async fn accept(&self, listener: &Listener) -> (AcceptedStream, Peer) {
        loop {
            match listener.accept().await {
                Ok(accepted) => return accepted,
                Err(error) => {
                    self.context.refusals.not_accepted(&error);
                    sleep(RETRY_ACCEPT).await;
                }
            }
        }
    }
}
