//! One connection: who is at its other end, its requests, and how it ends.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::{
    body::Bytes,
    http::{HeaderValue, Request, Response, Version, header},
};
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::watch,
    time::timeout,
};

use super::{
    handler::RequestHandler,
    host_header,
    preamble::{self, Preamble},
    refusals::ConnectionRefusals,
    timed_body::TimedBody,
    watchdog::Watchdog,
};
use crate::{
    config::Timeouts,
    metrics::{ConnectionRefusal, Metrics},
    peer::Peer,
    proxies::Proxies,
};

/// The most that the headers of a request may take, in bytes.
const HEADERS: usize = 16 * 1024;

/// How many requests may be under way at once on one connection of HTTP/2. A proxy has many clients
/// on one.
const STREAMS: u32 = 1024;

/// How far a stop has progressed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum StopPhase {
    Running,
    /// New connections are accepted. Each is told to close as soon as its HTTP version is known.
    Draining,
    /// No new requests are taken.
    Closing,
}

/// What all connections have in common.
pub(super) struct ConnectionContext<S> {
    handler: S,
    timeouts: Timeouts,
    /// The proxies that must start each connection with a header of the PROXY protocol. `None`: no
    /// connection starts with one.
    pub(super) announced_by: Option<Proxies>,
    pub(super) metrics: Metrics,
    pub(super) refusals: ConnectionRefusals,
    /// Whether clients of HTTP/1 are told to close with each response.
    pub(super) closing: AtomicBool,
}

impl<S> ConnectionContext<S> {
    pub(super) fn new(handler: S, timeouts: Timeouts, metrics: Metrics) -> Self {
        Self {
            handler,
            timeouts,
            announced_by: None,
            refusals: ConnectionRefusals::new(metrics.clone()),
            metrics,
            closing: AtomicBool::new(false),
        }
    }
}

impl<S: RequestHandler> ConnectionContext<S> {
    /// Serves one connection until the client, the watchdog or a stop ends it.
    pub(super) async fn serve<T>(
        self: Arc<Self>,
        mut stream: T,
        peer: Peer,
        mut stop: watch::Receiver<StopPhase>,
    ) where
        T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let announced = tokio::select! {
            announced = self.announced(&mut stream, peer) => announced,
            _ = stop.wait_for(|stop| *stop == StopPhase::Closing) => return,
        };
        let Preamble { peer, rest } = match announced {
            Ok(Some(preamble)) => preamble,
            Ok(None) => return,
            Err(why) => return self.refusals.refused(why),
        };
        let watchdog = Watchdog::new(self.timeouts);
        let service = service_fn(|request| self.clone().answer(request, peer, watchdog.clone()));
        let io = watchdog.watch(TokioIo::new(stream), rest);
        let builder = builder();
        let mut connection = pin!(builder.serve_connection(io, service));
        let mut expired = pin!(watchdog.expired());
        // The connection goes first: in the same turn the watchdog then sees what it did. Its
        // errors are the client's.
        tokio::select! {
            biased;
            _ = &mut connection => return,
            () = &mut expired => return,
            () = told_to_close(&watchdog, &mut stop) => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            biased;
            _ = &mut connection => {}
            () = &mut expired => {}
        }
    }

    /// Whether this peer may open a connection at all. Where proxies must say for whom they do,
    /// nobody else may.
    pub(super) fn may_connect(&self, peer: Peer) -> bool {
        self.announced_by
            .as_ref()
            .is_none_or(|proxies| proxies.include(peer))
    }

    /// For whom the connection was opened. Where proxies must say so, it is refused if it does not
    /// say so in time. `None`: it has ended.
    async fn announced(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        peer: Peer,
    ) -> Result<Option<Preamble>, ConnectionRefusal> {
        if self.announced_by.is_none() {
            return Ok(Some(Preamble {
                peer,
                rest: Bytes::new(),
            }));
        }
        match timeout(self.timeouts.header, preamble::read(stream)).await {
            Ok(Ok(Some(preamble))) => Ok(Some(preamble)),
            Ok(Err(_)) => Ok(None),
            Ok(Ok(None)) | Err(_) => Err(ConnectionRefusal::NoProxyHeader),
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
        peer: Peer,
        watchdog: Watchdog,
    ) -> Result<Response<S::Body>, Infallible> {
        let version = request.version();
        let _serving = watchdog.serving(version);
        let request = request.map(|body| TimedBody::new(body, self.timeouts.body));
        let mut response = match host_header::is_valid(&request) {
            true => self.handler.answer(request, peer).await,
            false => self.handler.refuse_host(&request),
        };
        if version < Version::HTTP_2 && self.closing.load(Relaxed) {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// Done when a connection shall take no more requests. One of HTTP/2 is told so as soon as a stop
/// begins, without harm: it says which of its requests are answered. One of HTTP/1 can only be
/// closed, and a request may be on its way: so it is told with the next answer ([`ConnectionContext::answer`]),
/// and closed at the end of the drain.
async fn told_to_close(watchdog: &Watchdog, stop: &mut watch::Receiver<StopPhase>) {
    let _ = stop.wait_for(|stop| *stop >= StopPhase::Draining).await;
    tokio::select! {
        () = watchdog.speaks_http2() => {}
        _ = stop.wait_for(|stop| *stop == StopPhase::Closing) => {}
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
