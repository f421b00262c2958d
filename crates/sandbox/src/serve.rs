//! Serves one router on one listener. Like `axum::serve`, with two additions: a timeout for slow
//! headers, and the ability to close a connection instead of answering. To a client, that is a lost
//! connection.

use std::{convert::Infallible, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tower::ServiceExt as _;

use crate::guard;

const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Instead of a response: the connection is closed.
#[derive(Clone, Copy)]
pub(crate) struct CloseConnection;

impl IntoResponse for CloseConnection {
    fn into_response(self) -> Response {
        let mut response = Response::default();
        response.extensions_mut().insert(self);
        response
    }
}

/// Serves until the future is dropped. That also closes its connections.
pub(crate) async fn serve(listener: TcpListener, app: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if guard::is_loopback(peer.ip()) => {
                    connections.spawn(connection(stream, app.clone()));
                }
                Ok((_, peer)) => {
                    tracing::warn!(peer = %peer.ip(), "refused a peer that is not loopback");
                }
                // Probably no file descriptor is free: wait for one.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn connection(stream: TcpStream, app: Router) {
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let app = app.clone();
        async move { answer(app, request.map(Body::new)).await }
    });
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "a connection ended early");
    }
}

async fn answer(app: Router, request: Request) -> Result<Response, ConnectionLost> {
    let response = app
        .oneshot(request)
        .await
        .unwrap_or_else(|never: Infallible| match never {});
    match response.extensions().get::<CloseConnection>() {
        Some(CloseConnection) => Err(ConnectionLost),
        None => Ok(response),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the connection is closed without a response: a fault is set")]
struct ConnectionLost;
