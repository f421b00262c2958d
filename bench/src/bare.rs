//! The server that ours is compared with: plain axum, with the same routes and constant responses.

use std::{
    io::{self, BufRead},
    net::Ipv4Addr,
};

use axum::{
    Router,
    body::{Body, Bytes},
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
    response::Response,
    routing::{get, post},
};
use tokio::net::TcpListener;

use crate::{
    error::BenchError,
    responses::{ConstantResponse, Responses},
};

/// Reads the responses from the first line of standard input, and serves until the input ends. With
/// `minimal` a response has only the headers that a client needs.
pub(crate) fn run(minimal: bool) -> Result<(), BenchError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let responses: Responses = serde_json::from_str(&line)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = serve(&responses, minimal) => result,
            // The program that started it has ended.
            result = input_ends() => result,
        }
    });
    runtime.shutdown_background();
    Ok(result?)
}

async fn input_ends() -> io::Result<()> {
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink())
        .await
        .map(drop)
}

async fn serve(responses: &Responses, minimal: bool) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    eprintln!("listening address={}", listener.local_addr()?);
    axum::serve(listener, router(responses, minimal)).await
}

/// The routes of our server.
pub(crate) fn router(responses: &Responses, minimal: bool) -> Router {
    let fixed = |constant| -> &'static Fixed { Box::leak(Box::new(Fixed::new(constant, minimal))) };
    let (created, read) = (fixed(&responses.post), fixed(&responses.get));
    let (written, deleted) = (fixed(&responses.put), fixed(&responses.delete));
    // A handler that leaves the body unread could not work with it, so these read it.
    let create = async |_: Bytes| created.response();
    let session = get(async || read.response())
        .put(async |_: Bytes| written.response())
        .delete(async || deleted.response());
    Router::new()
        .route("/_matrix/client/v1/rendezvous", post(create))
        .route(
            "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
            post(create),
        )
        .route("/rendezvous/{id}", session.clone())
        .route("/_matrix/client/v1/rendezvous/{id}", session)
}

/// The headers that a client needs, in a browser or not: without one of them it would not find out
/// what it asked for. No browser reads more of them from a response that is not to a preflight.
const NEEDED: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::ETAG,
    header::EXPIRES,
    header::LAST_MODIFIED,
    header::ACCESS_CONTROL_ALLOW_ORIGIN,
    header::ACCESS_CONTROL_EXPOSE_HEADERS,
];

/// A response that is copied for each request.
struct Fixed {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Fixed {
    /// Leaves out an invalid header or status. The servers then differ, and the client reports it.
    fn new(constant: &ConstantResponse, minimal: bool) -> Self {
        let kept = |name: &HeaderName| !minimal || NEEDED.contains(name);
        let headers = constant.headers.iter().filter_map(|(name, value)| {
            let value: &'static str = String::leak(value.clone());
            Some((
                HeaderName::try_from(name).ok().filter(kept)?,
                HeaderValue::from_static(value),
            ))
        });
        Self {
            status: StatusCode::from_u16(constant.status).unwrap_or_default(),
            headers: headers.collect(),
            body: Bytes::from_static(String::leak(constant.body.clone()).as_bytes()),
        }
    }

    fn response(&self) -> Response {
        let mut response = Response::new(Body::from(self.body.clone()));
        *response.status_mut() = self.status;
        *response.headers_mut() = self.headers.clone();
        response
    }
}
