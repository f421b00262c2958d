//! Every way in which a request is refused, as Matrix errors (Client-Server API, "Standard error response").

use std::time::Duration;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::Value;

use crate::store::Errcodes;

/// Why a request is refused. What it says is the same for each session, known or not.
#[derive(Debug)]
pub(crate) enum Refusal {
    NoContentLength,
    NoContentType,
    WrongContentType,
    NoIfMatch,
    MalformedETag,
    TooLarge,
    TooSlow,
    ConcurrentWrite(Errcodes),
    Full { retry_after: Duration },
    Navigation,
    NoSession,
    NoSuchPath,
    NoSuchMethod,
    NoRandomness,
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::NoContentLength
            | Self::NoContentType
            | Self::WrongContentType
            | Self::NoIfMatch
            | Self::MalformedETag => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::ConcurrentWrite(_) => StatusCode::PRECONDITION_FAILED,
            Self::Full { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Navigation => StatusCode::FORBIDDEN,
            Self::NoSession | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::NoSuchMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoRandomness => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// `M_UNKNOWN` for a 429 is what MSC4108 says, where other Matrix calls have `M_LIMIT_EXCEEDED`.
    fn errcode(&self) -> &'static str {
        match self {
            Self::NoContentLength | Self::NoContentType | Self::NoIfMatch => "M_MISSING_PARAM",
            Self::WrongContentType | Self::MalformedETag => "M_INVALID_PARAM",
            Self::TooLarge => "M_TOO_LARGE",
            Self::ConcurrentWrite(Errcodes::Stable) => CONCURRENT_WRITE,
            Self::Navigation => "M_FORBIDDEN",
            Self::NoSession => "M_NOT_FOUND",
            Self::NoSuchPath | Self::NoSuchMethod => "M_UNRECOGNIZED",
            Self::ConcurrentWrite(Errcodes::Unstable)
            | Self::TooSlow
            | Self::Full { .. }
            | Self::NoRandomness => "M_UNKNOWN",
        }
    }

    fn message(&self) -> &'static str {
        match self {
            Self::NoContentLength => "the request must say its Content-Length",
            Self::NoContentType => "the request must have the Content-Type text/plain",
            Self::WrongContentType => "the Content-Type must be text/plain",
            Self::NoIfMatch => "the request must have If-Match, with the ETag of the payload last seen",
            Self::MalformedETag => "If-Match and If-None-Match take one strong ETag, in its quotes",
            Self::TooLarge => "the payload is larger than 4096 bytes",
            Self::TooSlow => "the payload did not arrive in time; send it again",
            Self::ConcurrentWrite(_) => "the payload has changed since; read it before writing again",
            Self::Full { .. } => "there are too many rendezvous sessions on this server; try again later",
            Self::Navigation => "a rendezvous session is for Matrix clients; there is nothing to look at",
            Self::NoSession => "there is no such rendezvous session; it may have ended",
            Self::NoSuchPath => "there is nothing at this path",
            Self::NoSuchMethod => "this path does not know this method",
            Self::NoRandomness => "the server's operating system gives no random numbers",
        }
    }

    fn body(&self) -> Value {
        let further = match self {
            Self::ConcurrentWrite(Errcodes::Unstable) => Some((UNSTABLE_ERRCODE, CONCURRENT_WRITE.into())),
            Self::Full { retry_after } => {
                Some(("retry_after_ms", (whole_seconds(*retry_after) * 1000).into()))
            }
            _ => None,
        };
        let fields = [("errcode", self.errcode().into()), ("error", self.message().into())];
        fields
            .into_iter()
            .chain(further)
            .map(|(name, value): (&str, Value)| (name.to_owned(), value))
            .collect()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status(), Json(self.body())).into_response();
        match self {
            Self::Full { retry_after } => {
                response.headers_mut().insert(header::RETRY_AFTER, whole_seconds(retry_after).into());
            }
            // What is left of the body may still come: nothing else can be read from this connection.
            Self::TooSlow => {
                response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        response
    }
}

const CONCURRENT_WRITE: &str = "M_CONCURRENT_WRITE";
const UNSTABLE_ERRCODE: &str = "org.matrix.msc4108.errcode";

/// Rounded up, so that whoever comes back then does not come too early. `Retry-After` knows no less than a
/// second.
fn whole_seconds(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}
