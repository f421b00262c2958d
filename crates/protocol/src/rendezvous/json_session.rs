//! A session of MSC4388: one text in a JSON object at one ID, with a sequence token for each
//! revision of it.

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::answer::{Received, Sent};
use super::certainty::TokenCertainty;
use super::error::RendezvousApiError;
use super::http::{Method, Request, Response};
use super::json_body::{TimeLeft, read, token, with_body};
use super::payload::{Binding, MAX_PAYLOAD_BYTES, Payload};
use super::session_id::{SequenceToken, SessionId};

/// A rendezvous session as one of the two devices sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JsonSession {
    pub(super) id: SessionId,
    /// Of the last payload that this device has seen or written.
    token: Option<SequenceToken>,
    pub(super) time_left: Option<Duration>,
}

impl JsonSession {
    pub(super) fn join(id: SessionId) -> Self {
        Self {
            id,
            token: None,
            time_left: None,
        }
    }

    pub(super) fn binding(&self) -> Binding {
        self.token
            .as_ref()
            .map(|token| Binding::new(&self.id, token))
            .unwrap_or_default()
    }

    /// Section "Receive a payload", its last paragraph: a server that waits is told what this
    /// device has seen.
    pub(super) fn receive(&self, wait: Option<u8>) -> Request {
        let mut request = Request::new(Method::Get, self.id.url());
        if let (Some(token), Some(seconds)) = (&self.token, wait) {
            request
                .url
                .query_pairs_mut()
                .append_pair("sequence_token", token.as_str());
            request.headers.push(("Prefer", format!("wait={seconds}")));
        }
        request
    }

    /// Also says whether a payload's binding is a guess.
    pub(super) fn received(
        &mut self,
        response: &Response,
        certainty: TokenCertainty,
    ) -> Result<(Received, bool), RendezvousApiError> {
        #[derive(Deserialize)]
        struct Body {
            data: String,
            sequence_token: String,
            #[serde(default)]
            expires_in_ms: TimeLeft,
            /// Our own extension, optional for a server: the token that the payload was written
            /// against.
            #[serde(rename = "io.github.matrix-qr.previous_sequence_token")]
            previous: Option<String>,
        }
        if response.status != 200 {
            return Err(not_there(response));
        }
        let body: Body = read(response)?;
        let size = body.data.len();
        if size > MAX_PAYLOAD_BYTES {
            return Err(RendezvousApiError::Oversized { size });
        }
        let token = token(&body.sequence_token)?;
        if self.token.as_ref() == Some(&token) {
            self.adopt(token, body.expires_in_ms);
            let waited = response.waited();
            return Ok((Received::Nothing { waited }, false));
        }
        let stated = body
            .previous
            .filter(|_| certainty.needs_statement())
            .and_then(|previous| SequenceToken::parse(&previous));
        let is_guess = stated.is_none() && certainty.leaves_guess();
        let binding = stated.map_or_else(
            || self.binding(),
            |previous| Binding::new(&self.id, &previous),
        );
        self.adopt(token, body.expires_in_ms);
        let bytes = body.data.into_bytes();
        let payload = Payload { bytes, binding };
        Ok((Received::Payload(payload), is_guess))
    }

    /// The token that goes with it is the one that the payload is bound to: the server compares
    /// what the cipher compares.
    pub(super) fn send(&self, payload: &Payload) -> Result<Request, RendezvousApiError> {
        if payload.bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(RendezvousApiError::TooLarge);
        }
        let token = payload
            .binding
            .token()
            .ok_or(RendezvousApiError::NotReadYet)?
            .as_str();
        let data = std::str::from_utf8(&payload.bytes).map_err(|_| RendezvousApiError::NotText)?;
        let body = json!({ "sequence_token": token, "data": data });
        Ok(with_body(Method::Put, self.id.url(), &body))
    }

    pub(super) fn sent(&mut self, response: &Response) -> Result<Sent, RendezvousApiError> {
        #[derive(Deserialize)]
        struct Body {
            sequence_token: String,
            #[serde(default)]
            expires_in_ms: TimeLeft,
        }
        match response.status {
            200..=299 => {
                let body: Body = read(response)?;
                self.adopt(token(&body.sequence_token)?, body.expires_in_ms);
                Ok(Sent::Accepted)
            }
            409 => Ok(Sent::Conflict),
            _ => Err(not_there(response)),
        }
    }

    pub(super) fn delete(&self) -> Request {
        Request::new(Method::Delete, self.id.url())
    }

    pub(super) fn adopt(&mut self, token: SequenceToken, expires_in_ms: TimeLeft) {
        self.token = Some(token);
        self.time_left = expires_in_ms.0;
    }
}

/// 404 has two meanings: without the API there is nothing at this path, with it there is no such
/// session any more.
fn not_there(response: &Response) -> RendezvousApiError {
    match RendezvousApiError::of_creating(response) {
        RendezvousApiError::Refused {
            status: 404,
            errcode,
            ..
        } if errcode.as_deref() != Some("M_UNRECOGNIZED") => RendezvousApiError::Gone,
        error => error,
    }
}
