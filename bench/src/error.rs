//! Why something could not be measured.

use std::io;

/// Ends a group of rows: they count as missed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BenchError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("{what} did not start: {why}")]
    NoStart { what: String, why: String },
    #[error("{0} took too long")]
    TooSlow(&'static str),
    #[error("this is no HTTP/1.1 answer: {0:?}")]
    NoHttp(String),
    #[error("the connection was closed in the middle of an answer")]
    Closed,
    #[error("{request} was answered {got} instead of {wanted}")]
    Status {
        request: &'static str,
        wanted: u16,
        got: u16,
    },
    #[error("the answer to {request} has no {what}")]
    Lacks {
        request: &'static str,
        what: &'static str,
    },
    #[error("what was read is not what was written")]
    WrongPayload,
    #[error("a client broke off: {0}")]
    Task(#[from] tokio::task::JoinError),
    #[error("the server does not speak HTTP/2 without TLS (prior knowledge): {0}")]
    NoHttp2(h2::Error),
    #[error("over HTTP/2: {0}")]
    Http2(#[from] h2::Error),
    #[error("{0}")]
    Request(#[from] axum::http::Error),
    #[error("there is no {0}: apt-get install redis-server")]
    NoRedis(&'static str),
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("`matrix-qr demo` did not end in a verified device, or did not say how long it took")]
    NoSignIn,
    #[error("stopped")]
    Stopped,
}
