//! One connection: its client, its requests, and its end.

use std::{
    convert::Infallible,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::{
    body::{Bytes, HttpBody},
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

/// The maximum size of the headers of a request, in bytes.
const HEADERS: usize = 16 * 1024;

/// How many requests may be in progress at the same time on one HTTP/2 connection. A proxy uses one
/// for many clients.
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
        let preamble = tokio::select! {
            preamble = self.read_preamble(&mut stream, peer) => preamble,
            _ = stop.wait_for(|stop| *stop == StopPhase::Closing) => return,
        };
        let Preamble { peer, rest } = match preamble {
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
        // The connection is polled first, so that the watchdog sees what it did. Errors of the
        // connection are the client's problem.
        tokio::select! {
            biased;
            _ = &mut connection => return,
            () = &mut expired => return,
            () = must_close(&watchdog, &mut stop) => connection.as_mut().graceful_shutdown(),
        }
        tokio::select! {
            biased;
            _ = &mut connection => {}
            () = &mut expired => {}
        }
    }

    /// Whether this peer may open a connection at all. With the PROXY protocol only trusted proxies
    /// may.
    pub(super) fn may_connect(&self, peer: Peer) -> bool {
        self.announced_by
            .as_ref()
            .is_none_or(|proxies| proxies.contains(peer))
    }

    /// The client of the connection. With the PROXY protocol the connection is refused if its
    /// header does not arrive in time. `None`: the connection has ended.
    async fn read_preamble(
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
        let unread = UnreadRequest::of(&request);
        let mut response = match host_header::is_valid(&request) {
            true => self.handler.answer(request, peer).await,
            false => self.handler.refuse_host(&request),
        };
        if version < Version::HTTP_2 && (self.closing.load(Relaxed) || !unread.read_rest().await) {
            response
                .headers_mut()
                .insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response)
    }
}

/// What the handler may leave of a request. hyper closes an HTTP/1 connection whose request was not
/// read to its end, and does not say so in the response: a proxy would reuse the connection, and
/// fail with a request that is not the first one's.
struct UnreadRequest {
    body: TimedBody,
    /// Whether the client sends no body until it is asked to (RFC 9110, section 10.1.1).
    waits: bool,
}

impl UnreadRequest {
    fn of(request: &Request<TimedBody>) -> Self {
        Self {
            body: request.body().clone(),
            waits: request.headers().contains_key(header::EXPECT),
        }
    }

    /// Whether the request is read to its end now, so that the connection can be used again.
    async fn read_rest(self) -> bool {
        self.body.is_end_stream() || (!self.waits && self.body.read_rest().await)
    }
}

/// Returns when a connection must take no more requests. An HTTP/2 connection is told as soon as a
/// stop begins, which does no harm: the protocol says which requests will be answered. An HTTP/1
/// connection can only be closed, and a request may be on its way: so it is told with the next
/// response ([`ConnectionContext::answer`]), and closed at the end of the drain.
async fn must_close(watchdog: &Watchdog, stop: &mut watch::Receiver<StopPhase>) {
    let _ = stop.wait_for(|stop| *stop >= StopPhase::Draining).await;
    tokio::select! {
        () = watchdog.speaks_http2() => {}
        _ = stop.wait_for(|stop| *stop == StopPhase::Closing) => {}
    }
}

/// Without hyper's timers: the watchdog covers both HTTP versions.
fn builder() -> Builder<TokioExecutor> {
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().max_buf_size(HEADERS);
    builder
        .http2()
        .max_header_list_size(u32::try_from(HEADERS).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAMS);
    builder
}
