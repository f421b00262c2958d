//! HTTP on a listener: HTTP/1.1, and HTTP/2 for clients that begin with it. A client has a time for its headers, its
//! body and its silence, there are at most so many connections, and a stop lets requests under way finish.

mod host;
mod slow_body;
mod watchdog;

use std::{
    convert::Infallible, error::Error, future::Future, io, net::SocketAddr, pin::pin, sync::Arc,
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes, HttpBody},
    extract::ConnectInfo,
    http::{Request, Response, StatusCode},
    response::IntoResponse,
};
use http_body_util::Full;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tower::ServiceExt;

pub(crate) use self::slow_body::BodyError;
use self::{slow_body::SlowBody, watchdog::Watchdog};
use crate::{Config, Rendezvous, Store, Timeouts, metrics::Metrics, refusal::Refusal};

/// How long a stop waits for requests under way.
const GRACE: Duration = Duration::from_secs(20);

/// How long to wait when the system has no connection to give, mostly for want of file descriptors.
const RESPITE: Duration = Duration::from_millis(100);

/// The most that the headers of a request may take, in bytes.
const HEADERS: usize = 16 * 1024;

/// How many requests may be under way at once on one connection of HTTP/2. A proxy has many clients on one.
const STREAMS: u32 = 1024;

/// Serves until `shutdown`: then new connections are refused, held readers are answered, and requests under
/// way finish.
///
/// Leaves no task behind when it returns or is dropped.
///
/// # Errors
///
/// None at present: a failure to accept a connection is logged, and tried again.
pub async fn serve<S: Store>(
    listener: TcpListener,
    rendezvous: Rendezvous<S>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let stop = async {
        shutdown.await;
        rendezvous.release_waiters();
    };
    let Config { timeouts, max_connections, .. } = *rendezvous.config();
    let metrics = rendezvous.metrics().clone();
    let house = House { service: rendezvous.clone(), timeouts, max_connections, metrics };
    tokio::select! {
        () = house.serve(listener, stop) => Ok(()),
        never = rendezvous.upkeep() => match never {},
    }
}

/// Serves any router as [`serve`] does, with these timeouts. A body that is late fails to read, and
/// what is made of that is the router's affair. A client must also have taken an answer within
/// [`Timeouts::idle`].
///
/// # Errors
///
/// None at present: a failure to accept a connection is logged, and tried again.
pub async fn serve_router(
    listener: TcpListener,
    router: Router,
    timeouts: Timeouts,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let house = House { service: router, timeouts, max_connections: usize::MAX, metrics: Metrics::new() };
    house.serve(listener, shutdown).await;
    Ok(())
}

/// What answers requests.
trait Service: Clone + Send + Sync + 'static {
    type Body: HttpBody<Data = Bytes, Error: Error + Send + Sync> + Send + 'static;

    fn answer(
        &self,
        request: Request<SlowBody>,
        peer: SocketAddr,
    ) -> impl Future<Output = Response<Self::Body>> + Send;

    /// What is said to a request that names no host, or two.
    fn refuse_host(&self, request: &Request<SlowBody>) -> Response<Self::Body>;
}

/// Without the detour by a router: it would take as long as the answer.
impl<S: Store> Service for Rendezvous<S> {
    type Body = Full<Bytes>;

    async fn answer(&self, request: Request<SlowBody>, peer: SocketAddr) -> Response<Full<Bytes>> {
        self.answer(request, Some(peer.ip())).await
    }

    fn refuse_host(&self, request: &Request<SlowBody>) -> Response<Full<Bytes>> {
        self.refuse(request, Refusal::NoHost)
    }
}

impl Service for Router {
    type Body = Body;

    async fn answer(&self, request: Request<SlowBody>, peer: SocketAddr) -> Response<Body> {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        self.clone().oneshot(request).await.unwrap_or_else(|never: Infallible| match never {})
    }

    fn refuse_host(&self, _: &Request<SlowBody>) -> Response<Body> {
        (StatusCode::BAD_REQUEST, "the request must have one Host header\n").into_response()
    }
}

/// What every connection is served with.
struct House<S> {
    service: S,
    timeouts: Timeouts,
    max_connections: usize,
    metrics: Metrics,
}

impl<S: Service> House<S> {
    async fn serve(self, listener: TcpListener, shutdown: impl Future<Output = ()>) {
        let house = Arc::new(self);
        // Dropped with this future, and all connections with it.
        let mut connections = JoinSet::new();
        let stopping = watch::Sender::new(());
        let mut shutdown = pin!(shutdown);
        loop {
            tokio::select! {
                () = &mut shutdown => break,
                accepted = accept(&listener) => {
                    if connections.len() < house.max_connections {
                        connections.spawn(house.clone().connection(accepted, stopping.subscribe()));
                    } else {
                        house.metrics.connection_refused();
                    }
                }
                Some(_) = connections.join_next() => {}
            }
            house.metrics.connections.set(i64::try_from(connections.len()).unwrap_or(i64::MAX));
        }
        drop(listener);
        stopping.send_replace(());
        let finished = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, finished).await.is_err() {
            tracing::warn!("stopped before all requests were answered");
        }
    }

    /// Serves one connection until the client, the watchdog or a stop ends it.
    async fn connection(
        self: Arc<Self>,
        (stream, peer): (TcpStream, SocketAddr),
        mut stopping: watch::Receiver<()>,
    ) {
        // Answers are small and the other device waits for them. Without it they are only slower.
        let _ = stream.set_nodelay(true);
        let watchdog = Watchdog::new(self.timeouts);
        let service = service_fn(|request| self.clone().answer(request, peer, watchdog.clone()));
        let io = watchdog.watch(TokioIo::new(stream));
        let builder = builder();
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut bite = pin!(watchdog.bite());
        // The connection goes first: in the same turn the watchdog then sees what it did. Its errors are the
        // client's.
        tokio::select! {
            biased;
            _ = &mut connection => return,
            () = &mut bite => return,
            _ = stopping.changed() => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            biased;
            _ = &mut connection => {}
            () = &mut bite => {}
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: SocketAddr,
        watchdog: Watchdog,
    ) -> Result<Response<S::Body>, Infallible> {
        let _serving = watchdog.serving(request.version());
        let request = request.map(|body| SlowBody::new(body, self.timeouts.body));
        if !host::is_named(&request) {
            return Ok(self.service.refuse_host(&request));
        }
        Ok(self.service.answer(request, peer).await)
    }
}

/// Without a timer: the watchdog is there for both versions.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(HEADERS);
    builder
        .http2()
        .max_header_list_size(u32::try_from(HEADERS).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS);
    builder
}

async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(RESPITE).await;
            }
        }
    }
}
