//! What can go wrong with a rendezvous session: for the person, and for the caller who may retry.

use std::time::Duration;

use serde_json::Value;
use thiserror::Error;

use super::http::Response;
use super::payload::MAX_PAYLOAD_BYTES;
use crate::{
    printable,
    user_error::{Cause, ToUserError, advice_on_refusal},
};

/// The unstable form of `errcode` (section "Unstable prefix"): it says more than the `M_UNKNOWN`
/// beside it.
const UNSTABLE_ERRCODE: &str = "org.matrix.msc4108.errcode";

/// For what a network that wants to be logged in to answers in a server's place, too.
const LOG_IN: &str = "If this network has a log-in page, log in there, then start again; if not, tell \
    the server's administrator.";

/// Why a step with the rendezvous server failed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RendezvousApiError {
    /// 404: the session has expired, or someone deleted it, which is how some clients cancel.
    #[error("the rendezvous session has ended: it expired or the other device cancelled")]
    Gone,
    /// Our payload is larger than 4096 bytes or than the server takes (413).
    #[error(
        "the message is too large for the rendezvous server, which accepts at most \
         {MAX_PAYLOAD_BYTES} bytes"
    )]
    TooLarge,
    /// The server sent a payload of more than 4096 bytes.
    #[error(
        "the rendezvous session holds {size} bytes, but at most {MAX_PAYLOAD_BYTES} are allowed: \
         someone else may have written to it"
    )]
    Oversized {
        /// How many bytes arrived.
        size: usize,
    },
    /// 429. It can be asked again after a while.
    #[error("the rendezvous server reports too many requests")]
    RateLimited {
        /// How long, if the server says so. It can say anything: bound it.
        retry_after: Option<Duration>,
    },
    /// Another status that means a refusal.
    #[error(
        "the rendezvous server refused with status {status}{}",
        said(.errcode.as_deref(), .error.as_deref())
    )]
    Refused {
        /// The status code.
        status: u16,
        /// Matrix's error code, if it gave one; bounded, without control characters.
        errcode: Option<String>,
        /// Its explanation, likewise.
        error: Option<String>,
    },
    /// A status that is temporary: 5xx, or 408.
    #[error("the rendezvous server is not available at the moment (status {status})")]
    Unavailable {
        /// The status code.
        status: u16,
    },
    /// 401 or 403 at the creation of a session: the server lets only some do that, mostly those who
    /// are signed in there.
    #[error("the rendezvous server does not let this device create a session")]
    CreationForbidden,
    /// An answer whose ETag is missing or weak: something between here and the server rewrites it.
    #[error("a proxy in front of the rendezvous server changes its responses: this one {what}")]
    BrokenProxy {
        /// What is wrong with the answer.
        what: &'static str,
    },
    /// A page for people: a network's log-in page, or that of a proxy.
    #[error("a web page came in place of the rendezvous server's answer")]
    WebPage,
    /// A payload that is not `text/plain`.
    #[error(
        "the rendezvous session's content is {found}, not text/plain: \
         this is not a rendezvous session, or a proxy answered for it"
    )]
    WrongContentType {
        /// What it is instead; bounded, without control characters.
        found: String,
    },
    /// A redirect that must not be followed.
    #[error("the rendezvous server redirects elsewhere (status {status}): {why}")]
    Redirected {
        /// The status code.
        status: u16,
        /// The rule that it breaks.
        why: &'static str,
    },
    /// An answer that is not usable.
    #[error("the rendezvous server's answer does not follow the rendezvous API: {what}")]
    Malformed {
        /// What is wrong with it.
        what: &'static str,
    },
    /// A send before anything was received: without an ETag it could overwrite what the other
    /// device wrote.
    #[error("nothing can be sent before the rendezvous session has been read")]
    NotReadYet,
    /// MSC4388's sessions carry text, and this is not text.
    #[error("the message is not text, but the rendezvous session carries only text")]
    NotText,
}

impl RendezvousApiError {
    /// Whether the same request may succeed a little later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::RateLimited { .. } | Self::Unavailable { .. })
    }

    pub(super) fn malformed(what: &'static str) -> Self {
        Self::Malformed { what }
    }

    /// Whether the server does not know this path (Client-Server API, section "Unsupported
    /// endpoints"): 404, or `M_UNRECOGNIZED` with the 400 or 405 of older servers.
    #[must_use]
    pub fn is_unrecognized(&self) -> bool {
        match self {
            Self::Refused {
                status, errcode, ..
            } => {
                *status == 404
                    || (matches!(status, 400 | 405) && errcode.as_deref() == Some("M_UNRECOGNIZED"))
            }
            _ => false,
        }
    }

    /// Reads a status that a step does not expect, on a session that exists.
    pub(super) fn of(response: &Response) -> Self {
        match response.status {
            404 => Self::Gone,
            _ => Self::of_creating(response),
        }
    }

    /// The same before there is a session: there, a 404 means that the server has no rendezvous
    /// API.
    pub(super) fn of_creating(response: &Response) -> Self {
        let status = response.status;
        match status {
            408 | 500..=599 => Self::Unavailable { status },
            413 => Self::TooLarge,
            429 => Self::RateLimited {
                retry_after: retry_after(response),
            },
            300..=399 => Self::Redirected {
                status,
                why: "only the creation of a session can be redirected, with status 307",
            },
            200..=299 => Self::malformed("its status reports the success of a different request"),
            _ => refused(response),
        }
    }
}

impl ToUserError for RendezvousApiError {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::WebPage => return (Cause::Network, LOG_IN),
            Self::Redirected { .. } => LOG_IN,
            Self::Gone => "Start again with a new QR code.",
            Self::RateLimited { .. } => "Wait a moment, then try again.",
            Self::BrokenProxy { .. } => {
                "Tell its administrator to turn off compression there and to pass on the ETag \
                 header unchanged."
            }
            Self::TooLarge
            | Self::Oversized { .. }
            | Self::Refused { .. }
            | Self::Unavailable { .. }
            | Self::CreationForbidden
            | Self::WrongContentType { .. }
            | Self::Malformed { .. }
            | Self::NotReadYet
            | Self::NotText => advice_on_refusal(self.is_transient()),
        };
        (Cause::RendezvousServer, advice)
    }
}

fn refused(response: &Response) -> RendezvousApiError {
    let body = json(response);
    let text = |key: &str| body.get(key).and_then(Value::as_str).map(printable);
    RendezvousApiError::Refused {
        status: response.status,
        errcode: text(UNSTABLE_ERRCODE).or_else(|| text("errcode")),
        error: text("error"),
    }
}

/// RFC 9110's `Retry-After`, a number of seconds or a date, or else Matrix's `retry_after_ms`.
fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = || response.header("Retry-After")?.parse().ok();
    let until = || response.until("Retry-After");
    let milliseconds = || json(response).get("retry_after_ms")?.as_u64();
    let after = seconds().map(Duration::from_secs).or_else(until);
    after.or_else(|| milliseconds().map(Duration::from_millis))
}

/// The body as JSON, or null.
fn json(response: &Response) -> Value {
    if response.body.len() > MAX_PAYLOAD_BYTES {
        return Value::Null;
    }
    serde_json::from_slice(&response.body).unwrap_or_default()
}

fn said(errcode: Option<&str>, error: Option<&str>) -> String {
    match (errcode, error) {
        (Some(errcode), Some(error)) => format!(" and said: {error} ({errcode})"),
        (Some(text), None) | (None, Some(text)) => format!(" and said: {text}"),
        (None, None) => String::new(),
    }
}
