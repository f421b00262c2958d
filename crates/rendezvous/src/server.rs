//! HTTP/1.1 on a listener. A client has a time for its headers, its body and its silence, and a stop lets
//! requests under way finish.

mod slow_body;
mod watchdog;

use std::{convert::Infallible, future::Future, io, pin::pin, time::Duration};

use axum::{Router, body::Body, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};
use tower::ServiceExt;

use self::{slow_body::SlowBody, watchdog::Watchdog};
use crate::Timeouts;

/// How long a stop waits for requests under way.
const GRACE: Duration = Duration::from_secs(20);

/// How long to wait when the system has no connection to give, mostly for want of file descriptors.
const RESPITE: Duration = Duration::from_millis(100);

/// The most that the headers of a request may take, in bytes.
const HEADERS: usize = 16 * 1024;

/// Serves any router as [`crate::serve`] does, with these timeouts. A body that is late fails to read, and
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
    // Dropped with this future, and all connections with it.
    let mut connections = JoinSet::new();
    let stopping = watch::Sender::new(());
    let mut shutdown = pin!(shutdown);
    loop {
        tokio::select! {
            () = &mut shutdown => break,
            stream = accept(&listener) => {
                connections.spawn(connection(stream, router.clone(), timeouts, stopping.subscribe()));
            }
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    stopping.send_replace(());
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, finished).await.is_err() {
        tracing::warn!("stopped before all requests were answered");
    }
    Ok(())
}

async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return stream,
            Err(error) => {
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(RESPITE).await;
            }
        }
    }
}

/// Serves one connection until the client, the watchdog or a stop ends it.
async fn connection(
    stream: TcpStream,
    router: Router,
    timeouts: Timeouts,
    mut stopping: watch::Receiver<()>,
) {
    // Answers are small and the other device waits for them. Without it they are only slower.
    let _ = stream.set_nodelay(true);
    let watchdog = Watchdog::new(timeouts);
    let service = service_fn(|request: hyper::Request<Incoming>| {
        let (router, watchdog) = (router.clone(), watchdog.clone());
        let request: Request = request.map(|body| Body::new(SlowBody::new(body, timeouts.body)));
        async move {
            watchdog.serving();
            let response = router.oneshot(request).await;
            watchdog.idle();
            response.map_err(|never: Infallible| never)
        }
    });
    let io = watchdog.watch(TokioIo::new(stream));
    let mut connection = pin!(http1::Builder::new().max_buf_size(HEADERS).serve_connection(io, service));
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
