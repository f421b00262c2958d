//! Why something could not be measured.

use std::io;

/// Ends the measurement of a group. Its missing rows count as missed targets.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{what} did not start: {why}")]
    NoStart { what: String, why: String },
    #[error("{0} took too long")]
    TooSlow(&'static str),
    #[error("not an HTTP/1.1 response: {0:?}")]
    NoHttp(String),
    #[error("the server closed the connection before the end of a response")]
    Closed,
    #[error("the response to {request} has the status {got} instead of {wanted}")]
    Status {
        request: &'static str,
        wanted: u16,
        got: u16,
    },
    #[error("the response to {request} has no {what}")]
    Lacks {
        request: &'static str,
        what: &'static str,
    },
    #[error("a read returned another payload than the one that was written")]
    WrongPayload,
    #[error("a client task failed: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error("the server does not speak HTTP/2 without TLS (prior knowledge): {0}")]
    NoHttp2(h2::Error),
    #[error("HTTP/2: {0}")]
    Http2(#[from] h2::Error),
    #[error("{0}")]
    RequestBuffer(#[from] axum::http::Error),
    #[error("{0} is missing: apt-get install redis-server")]
    NoRedis(&'static str),
    #[error("{0} is missing: apt-get install valgrind")]
    NoValgrind(&'static str),
    #[error("valgrind has not written how many instructions it counted")]
    NoCount,
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("`matrix-qr demo` did not end with a verified device, or did not report its times")]
    NoSignIn,
    #[error("stopped")]
    Stopped,
}
