//! The JSON objects that MSC4388's requests and answers carry.

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use super::error::RendezvousApiError;
use super::http::{Method, Request, Response};
use super::session_id::SequenceToken;

/// The longest answer that is read, in bytes: room for a payload, even with each of its bytes
/// escaped.
pub const MAX_ANSWER_BYTES: usize = 32 << 10;

/// `expires_in_ms`: "The number of milliseconds remaining until the rendezvous session expires". The
/// text requires it, but nothing that a device sends depends on it. So what is no such number is as
/// good as none, as with MSC4108's `Expires`.
#[derive(Default, Deserialize)]
#[serde(from = "Value")]
pub(super) struct TimeLeft(pub(super) Option<Duration>);

impl From<Value> for TimeLeft {
    fn from(value: Value) -> Self {
        Self(value.as_u64().map(Duration::from_millis))
    }
}

const JSON: (&str, &str) = ("Content-Type", "application/json");

pub(super) fn with_body(method: Method, url: url::Url, body: &Value) -> Request {
    Request {
        headers: vec![(JSON.0, JSON.1.to_owned())],
        body: body.to_string().into_bytes(),
        ..Request::new(method, url)
    }
}

pub(super) fn read<T: DeserializeOwned>(response: &Response) -> Result<T, RendezvousApiError> {
    if response.is_web_page() {
        return Err(RendezvousApiError::WebPage);
    }
    if response.body.len() > MAX_ANSWER_BYTES {
        return Err(RendezvousApiError::malformed(
            "it is larger than a payload can be",
        ));
    }
    serde_json::from_slice(&response.body)
        .map_err(|_| RendezvousApiError::malformed("it is not the expected JSON object"))
}

pub(super) fn token(text: &str) -> Result<SequenceToken, RendezvousApiError> {
    SequenceToken::parse(text).ok_or(RendezvousApiError::malformed(
        "the sequence token is not an opaque identifier",
    ))
}
