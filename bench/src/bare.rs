//! What our server is measured against: axum as it comes, with the same routes and answers that
//! never change.

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
    answers::{Answers, Constant},
    error::BenchError,
};

/// Reads the answers from the first line of standard input, and serves until that ends. With
/// `minimal` an answer has no more headers than a client needs to understand it.
pub(crate) fn run(minimal: bool) -> Result<(), BenchError> {
    let mut line = String::new();
    io::stdin().lock().read_line(&mut line)?;
    let answers: Answers = serde_json::from_str(&line)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(async {
        tokio::select! {
            result = serve(&answers, minimal) => result,
            // The one who started it is gone.
            result = left_alone() => result,
        }
    });
    runtime.shutdown_background();
    Ok(result?)
}

async fn left_alone() -> io::Result<()> {
    tokio::io::copy(&mut tokio::io::stdin(), &mut tokio::io::sink())
        .await
        .map(drop)
}

async fn serve(answers: &Answers, minimal: bool) -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    eprintln!("listening address={}", listener.local_addr()?);
    axum::serve(listener, router(answers, minimal)).await
}

/// The routes of our server.
pub(crate) fn router(answers: &Answers, minimal: bool) -> Router {
    let fixed = |constant| -> &'static Fixed { Box::leak(Box::new(Fixed::new(constant, minimal))) };
    let (created, read) = (fixed(&answers.post), fixed(&answers.get));
    let (written, deleted) = (fixed(&answers.put), fixed(&answers.delete));
    // A handler that left the body unread would not be one that could do anything with it.
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

/// An answer that is copied, not made.
struct Fixed {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Fixed {
    /// A header or status that is none is left out: then the two servers differ, and the client
    /// says so.
    fn new(constant: &Constant, minimal: bool) -> Self {
        let kept =
            |name: &HeaderName| !minimal || [header::CONTENT_TYPE, header::ETAG].contains(name);
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
