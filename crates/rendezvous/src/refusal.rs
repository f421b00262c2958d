//! Every reason to refuse a request, as Matrix errors (Client-Server API, "Standard error
//! response").

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use serde_json::Value;

use crate::{
    media_type::MediaType,
    metrics::RefusalReason,
    response::{ApiResponse, ResponseBody},
    store::{session::Errcodes, unavailable::Unavailable},
};

/// Why a request is refused. The response is the same for every session, existing or not.
#[derive(Debug)]
pub(crate) enum Refusal {
    BrokenBody,
    NoHost,
    NoContentType(MediaType),
    WrongContentType(MediaType),
    NotJson,
    BadJson,
    NoIfMatch,
    MalformedETag,
    TooLarge,
    TooSlow,
    ConcurrentWrite(Errcodes),
    /// As `ConcurrentWrite`, in MSC4388, with the error code of the request's path.
    StaleToken {
        errcode: &'static str,
    },
    Full {
        retry_after: Duration,
    },
    NetworkFull {
        retry_after: Duration,
    },
    TooFast {
        retry_after: Duration,
    },
    Network,
    NoToken,
    #[cfg_attr(
        not(feature = "whoami"),
        expect(dead_code, reason = "no homeserver is asked")
    )]
    NoHomeserver,
    Navigation,
    NoSession,
    NoSuchPath,
    NoSuchMethod {
        allowed: &'static str,
    },
    NoStore,
}

impl From<Unavailable> for Refusal {
    fn from(_: Unavailable) -> Self {
        Self::NoStore
    }
}

impl Refusal {
    fn status(&self) -> StatusCode {
        match self {
            Self::BrokenBody
            | Self::NoHost
            | Self::NoContentType(_)
            | Self::WrongContentType(_)
            | Self::NotJson
            | Self::BadJson
            | Self::NoIfMatch
            | Self::MalformedETag => StatusCode::BAD_REQUEST,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::ConcurrentWrite(_) => StatusCode::PRECONDITION_FAILED,
            Self::StaleToken { .. } => StatusCode::CONFLICT,
            Self::Full { .. } | Self::NetworkFull { .. } | Self::TooFast { .. } => {
                StatusCode::TOO_MANY_REQUESTS
            }
            Self::Navigation | Self::Network | Self::NoToken => StatusCode::FORBIDDEN,
            Self::NoSession | Self::NoSuchPath => StatusCode::NOT_FOUND,
            Self::NoSuchMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoStore | Self::NoHomeserver => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    fn errcode(&self, too_many: &'static str) -> &'static str {
        match self {
            Self::NoContentType(_) | Self::NoIfMatch => "M_MISSING_PARAM",
            Self::WrongContentType(_) | Self::MalformedETag => "M_INVALID_PARAM",
            Self::NotJson => "M_NOT_JSON",
            Self::BadJson => "M_BAD_JSON",
            Self::TooLarge => "M_TOO_LARGE",
            Self::ConcurrentWrite(Errcodes::Stable) => CONCURRENT_WRITE,
            Self::StaleToken { errcode } => errcode,
            Self::Full { .. } | Self::NetworkFull { .. } | Self::TooFast { .. } => too_many,
            Self::Navigation | Self::Network | Self::NoToken => "M_FORBIDDEN",
            Self::NoSession => "M_NOT_FOUND",
            Self::NoSuchPath | Self::NoSuchMethod { .. } => "M_UNRECOGNIZED",
            Self::ConcurrentWrite(Errcodes::Unstable)
            | Self::TooSlow
            | Self::BrokenBody
            | Self::NoHost
            | Self::NoStore
            | Self::NoHomeserver => "M_UNKNOWN",
        }
    }

    fn message(&self) -> &'static str {
        match self {
            Self::BrokenBody => "the body is malformed or incomplete; send it again",
            Self::NoHost => "the request must have one Host header",
            Self::NoContentType(MediaType::Plain) => {
                "the request must have the Content-Type text/plain"
            }
            Self::NoContentType(MediaType::Json) => {
                "the request must have the Content-Type application/json"
            }
            Self::WrongContentType(MediaType::Plain) => "the Content-Type must be text/plain",
            Self::WrongContentType(MediaType::Json) => "the Content-Type must be application/json",
            Self::NotJson => "the body is not JSON",
            Self::BadJson => {
                "the body must be a JSON object with each field of this request exactly once, as a string"
            }
            Self::NoIfMatch => {
                "the request must have If-Match with the ETag of the last payload seen"
            }
            Self::MalformedETag => {
                "If-Match and If-None-Match take one strong ETag in quotes, exactly as the server sent it"
            }
            Self::TooLarge => "the payload is larger than 4096 bytes",
            Self::TooSlow => "the payload did not arrive in time; send it again",
            Self::ConcurrentWrite(_) | Self::StaleToken { .. } => {
                "the payload has changed; read it before writing again"
            }
            Self::Full { .. } => {
                "there are too many rendezvous sessions on this server; try again later"
            }
            Self::NetworkFull { .. } => {
                "there are too many rendezvous sessions from your network; try again later"
            }
            Self::TooFast { .. } => {
                "too many requests from your network; wait before sending the next"
            }
            Self::Network => "your network may not use this rendezvous server",
            Self::NoToken => {
                "creating a rendezvous session requires an access token of this homeserver"
            }
            Self::NoHomeserver => {
                "the homeserver does not say who owns the access token; try again in a moment"
            }
            Self::Navigation => {
                "rendezvous sessions are for Matrix clients; there is nothing to see here"
            }
            Self::NoSession => "there is no such rendezvous session; it may have ended",
            Self::NoSuchPath => "there is nothing at this path",
            Self::NoSuchMethod { .. } => "this path does not support this method",
            Self::NoStore => "the server cannot reach its store; try again in a moment",
        }
    }

    /// For the metrics.
    fn reason(&self) -> RefusalReason {
        match self {
            Self::NoContentType(_) | Self::NoIfMatch => RefusalReason::MissingHeader,
            Self::WrongContentType(_) | Self::MalformedETag | Self::NoHost => {
                RefusalReason::MalformedHeader
            }
            Self::NotJson | Self::BadJson | Self::BrokenBody => RefusalReason::MalformedBody,
            Self::TooLarge => RefusalReason::TooLarge,
            Self::TooSlow => RefusalReason::TooSlow,
            Self::ConcurrentWrite(_) | Self::StaleToken { .. } => RefusalReason::ConcurrentWrite,
            Self::Full { .. } => RefusalReason::Full,
            Self::NetworkFull { .. } => RefusalReason::NetworkFull,
            Self::TooFast { .. } => RefusalReason::Rate,
            Self::Network => RefusalReason::NetworkDenied,
            Self::NoToken => RefusalReason::NoToken,
            Self::NoHomeserver => RefusalReason::NoHomeserver,
            Self::Navigation => RefusalReason::Navigation,
            Self::NoSession => RefusalReason::NoSession,
            Self::NoSuchPath => RefusalReason::NoPath,
            Self::NoSuchMethod { .. } => RefusalReason::NoMethod,
            Self::NoStore => RefusalReason::NoStore,
        }
    }

    /// When the client should retry.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Full { retry_after }
            | Self::NetworkFull { retry_after }
            | Self::TooFast { retry_after } => Some(*retry_after),
            Self::NoStore | Self::NoHomeserver => Some(RETRY),
            _ => None,
        }
    }

    fn body(&self, too_many: &'static str) -> Value {
        let extra = match self {
            Self::ConcurrentWrite(Errcodes::Unstable) => {
                Some((UNSTABLE_ERRCODE, CONCURRENT_WRITE.into()))
            }
            _ => self
                .retry_after()
                .map(|time| ("retry_after_ms", (whole_seconds(time) * 1000).into())),
        };
        let fields = [
            ("errcode", self.errcode(too_many).into()),
            ("error", self.message().into()),
        ];
        fields
            .into_iter()
            .chain(extra)
            .map(|(name, value): (&str, Value)| (name.to_owned(), value))
            .collect()
    }

    /// As MSC4388 specifies: a 429 has the error code of other Matrix APIs.
    pub(crate) fn into_json_response(self) -> ApiResponse {
        self.respond("M_LIMIT_EXCEEDED")
    }

    /// With this error code for a 429.
    fn respond(self, too_many: &'static str) -> ApiResponse {
        let body = serde_json::to_vec(&self.body(too_many)).unwrap_or_default();
        let response = ApiResponse::new(self.status(), ResponseBody::Json(body));
        let response = match (self.retry_after(), &self) {
            (Some(time), _) => response.with(header::RETRY_AFTER, whole_seconds(time)),
            (None, Self::NoSuchMethod { allowed }) => {
                response.with(header::ALLOW, HeaderValue::from_static(allowed))
            }
            // The rest of the body may still arrive, so the connection cannot be used for another
            // request.
            (None, Self::TooSlow | Self::BrokenBody | Self::NoHost) => {
                response.with(header::CONNECTION, HeaderValue::from_static("close"))
            }
            (None, _) => response,
        };
        ApiResponse {
            refusal: Some(self.reason()),
            ..response
        }
    }
}

impl From<Refusal> for ApiResponse {
    /// As MSC4108 specifies: a 429 has no error code of its own.
    fn from(refusal: Refusal) -> Self {
        refusal.respond("M_UNKNOWN")
    }
}

/// How long an outage usually takes: a restart, or the election of another main server.
const RETRY: Duration = Duration::from_secs(1);

const CONCURRENT_WRITE: &str = "M_CONCURRENT_WRITE";
const UNSTABLE_ERRCODE: &str = "org.matrix.msc4108.errcode";

/// Rounded up, so that a client does not retry too early. `Retry-After` has whole seconds, and 0
/// would mean at once.
fn whole_seconds(time: Duration) -> u64 {
    (time.as_secs() + u64::from(time.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_says_what_to_do() {
        let said = |refusal: Refusal| refusal.message();
        assert_eq!(said(Refusal::NotJson), "the body is not JSON");
        assert_eq!(
            said(Refusal::TooLarge),
            "the payload is larger than 4096 bytes"
        );
    }

    #[test]
    fn a_client_does_not_retry_too_early() {
        for (milliseconds, seconds) in [(0, 1), (1, 1), (1000, 1), (1001, 2), (1999, 2)] {
            let time = Duration::from_millis(milliseconds);
            assert_eq!(whole_seconds(time), seconds, "{time:?}");
        }
    }
}
