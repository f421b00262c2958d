//! MSC4388's dialect: one text in a JSON object at one ID, with a sequence token for each revision
//! of it.

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::http::AUTHORIZATION;
use super::{
    ApiRoot, Binding, MAX_PAYLOAD_BYTES, Method, Payload, Received, RendezvousApiError,
    RendezvousSession, Request, Response, Sent, SequenceToken, SessionId,
};

/// The longest answer that is read, in bytes: room for a payload, even with each of its bytes
/// escaped.
pub const MAX_ANSWER_BYTES: usize = 32 << 10;

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Asks whether there is a rendezvous API, and whether a session can be created with this access
/// token, or without one.
#[must_use]
pub fn discover(api: &ApiRoot, access_token: Option<&str>) -> Request {
    authorized(
        Request {
            method: Method::Get,
            url: api.url(),
            headers: Vec::new(),
            body: Vec::new(),
        },
        access_token,
    )
}

/// Reads the answer to [`discover`]: `create_available`.
///
/// # Errors
/// As for [`created`].
pub fn discovered(response: &Response) -> Result<bool, RendezvousApiError> {
    #[derive(Deserialize)]
    struct Body {
        create_available: bool,
    }
    match response.status {
        200..=299 => read(response).map(|body: Body| body.create_available),
        _ => Err(not_created(response)),
    }
}

/// The request that creates a session with an empty payload (step 2 of "Establishment").
#[must_use]
pub fn create(api: &ApiRoot, access_token: Option<&str>) -> Request {
    let request = with_body(Method::Post, api.url(), &json!({ "data": "" }));
    authorized(request, access_token)
}

/// Reads the answer to [`create`].
///
/// # Errors
/// As [`RendezvousApiError`] says. [`RendezvousApiError::CreationForbidden`] when the server wants
/// another access token, or one at all. A server without this API is
/// [`RendezvousApiError::Refused`] with status 404.
pub fn created(
    api: &ApiRoot,
    response: &Response,
) -> Result<RendezvousSession, RendezvousApiError> {
    #[derive(Deserialize)]
    struct Body {
        id: String,
        sequence_token: String,
        expires_in_ms: Option<u64>,
    }
    if !matches!(response.status, 200..=299) {
        return Err(not_created(response));
    }
    let Body {
        id,
        sequence_token,
        expires_in_ms,
    } = read(response)?;
    let malformed = RendezvousApiError::Malformed {
        what: "the session's ID is not an opaque identifier",
    };
    let id = SessionId::parse(api.clone(), &id).ok_or(malformed)?;
    let mut session = JsonSession::join(id);
    session.adopt(token(&sequence_token)?, expires_in_ms);
    Ok(session.into())
}

/// A rendezvous session as one of the two devices sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct JsonSession {
    id: SessionId,
    /// Of the last payload that this device has seen or written.
    token: Option<SequenceToken>,
    time_left: Option<Duration>,
    doubt: Doubt,
}

/// Whether the server may have given this device a token that it never saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    None,
    /// A payload was sent, and no answer has come.
    Unanswered,
    /// It was refused. But a proxy may have sent it twice, so that it is the second that was
    /// refused.
    Refused,
    /// It was sent once more: the first answer is lost.
    Lost,
    /// So is the token that the last payload was written against.
    LostTrack,
}

impl JsonSession {
    pub(super) fn join(id: SessionId) -> Self {
        Self {
            id,
            token: None,
            time_left: None,
            doubt: Doubt::None,
        }
    }

    pub(super) fn id(&self) -> &SessionId {
        &self.id
    }

    pub(super) fn time_left(&self) -> Option<Duration> {
        self.time_left
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
        let mut request = self.request(Method::Get);
        if let (Some(token), Some(seconds)) = (&self.token, wait) {
            request
                .url
                .query_pairs_mut()
                .append_pair("sequence_token", token.as_str());
            request.headers.push(("Prefer", format!("wait={seconds}")));
        }
        request
    }

    pub(super) fn received(&mut self, response: &Response) -> Result<Received, RendezvousApiError> {
        #[derive(Deserialize)]
        struct Body {
            data: String,
            sequence_token: String,
            expires_in_ms: Option<u64>,
            /// Ours, and optional for a server: the token that the payload was written against.
            #[serde(rename = "io.github.matrix-qr.previous_sequence_token")]
            previous: Option<String>,
        }
        if response.status != 200 {
            return Err(not_there(response));
        }
        let Body {
            data,
            sequence_token,
            expires_in_ms,
            previous,
        } = read(response)?;
        let size = data.len();
        if size > MAX_PAYLOAD_BYTES {
            return Err(RendezvousApiError::Oversized { size });
        }
        let token = token(&sequence_token)?;
        if self.token.as_ref() == Some(&token) {
            self.adopt(token, expires_in_ms);
            return Ok(Received::Nothing {
                waited: response.waited(),
            });
        }
        let binding = self.written_against(previous.as_deref());
        self.adopt(token, expires_in_ms);
        Ok(Received::Payload(Payload {
            bytes: data.into_bytes(),
            binding,
        }))
    }

    /// What a new payload was written against is what this device had seen until now; or what it
    /// wrote since, if the answer to that was lost. Then only a server that says it can tell.
    fn written_against(&mut self, previous: Option<&str>) -> Binding {
        let asked = !matches!(self.doubt, Doubt::None | Doubt::LostTrack);
        let previous = previous.filter(|_| asked).and_then(SequenceToken::parse);
        self.doubt = match self.doubt {
            Doubt::Unanswered | Doubt::Lost if previous.is_none() => Doubt::LostTrack,
            _ => Doubt::None,
        };
        previous.map_or_else(|| self.binding(), |token| Binding::new(&self.id, &token))
    }

    pub(super) fn has_lost_track(&self) -> bool {
        self.doubt == Doubt::LostTrack
    }

    /// The token that goes with it is the one that the payload is bound to: the server compares
    /// what the cipher compares.
    pub(super) fn send(&mut self, payload: &Payload) -> Result<Request, RendezvousApiError> {
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
        self.doubt = match self.doubt {
            Doubt::Unanswered | Doubt::Lost => Doubt::Lost,
            Doubt::None | Doubt::Refused | Doubt::LostTrack => Doubt::Unanswered,
        };
        Ok(with_body(Method::Put, self.id.url(), &body))
    }

    pub(super) fn sent(&mut self, response: &Response) -> Result<Sent, RendezvousApiError> {
        #[derive(Deserialize)]
        struct Body {
            sequence_token: String,
            expires_in_ms: Option<u64>,
        }
        match response.status {
            200..=299 => {
                let Body {
                    sequence_token,
                    expires_in_ms,
                } = read(response)?;
                self.adopt(token(&sequence_token)?, expires_in_ms);
                self.doubt = Doubt::None;
                Ok(Sent::Accepted)
            }
            409 => {
                if self.doubt == Doubt::Unanswered {
                    self.doubt = Doubt::Refused;
                }
                Ok(Sent::Conflict)
            }
            _ => {
                let error = not_there(response);
                // Sent away before it was looked at. A 5xx says less: it may be a proxy's, of an
                // answer that it lost.
                if matches!(error, RendezvousApiError::RateLimited { .. })
                    && self.doubt == Doubt::Unanswered
                {
                    self.doubt = Doubt::None;
                }
                Err(error)
            }
        }
    }

    pub(super) fn delete(&self) -> Request {
        self.request(Method::Delete)
    }

    fn request(&self, method: Method) -> Request {
        Request {
            method,
            url: self.id.url(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn adopt(&mut self, token: SequenceToken, expires_in_ms: Option<u64>) {
        self.token = Some(token);
        self.time_left = expires_in_ms.map(Duration::from_millis);
    }
}

fn with_body(method: Method, url: url::Url, body: &Value) -> Request {
    let headers = vec![(JSON.0, JSON.1.to_owned())];
    Request {
        method,
        url,
        headers,
        body: body.to_string().into_bytes(),
    }
}

fn authorized(mut request: Request, access_token: Option<&str>) -> Request {
    request
        .headers
        .extend(access_token.map(|token| (AUTHORIZATION, format!("Bearer {token}"))));
    request
}

fn read<T: DeserializeOwned>(response: &Response) -> Result<T, RendezvousApiError> {
    if response.body.len() > MAX_ANSWER_BYTES {
        return Err(RendezvousApiError::Malformed {
            what: "it is larger than a payload can be",
        });
    }
    serde_json::from_slice(&response.body).map_err(|_| RendezvousApiError::Malformed {
        what: "it is not the JSON object that belongs there",
    })
}

fn token(text: &str) -> Result<SequenceToken, RendezvousApiError> {
    SequenceToken::parse(text).ok_or(RendezvousApiError::Malformed {
        what: "the sequence token is not an opaque identifier",
    })
}

/// "depending on server policy": who may create a session.
fn not_created(response: &Response) -> RendezvousApiError {
    match RendezvousApiError::of_creating(response) {
        RendezvousApiError::Refused {
            status: 401 | 403, ..
        } => RendezvousApiError::CreationForbidden,
        error => error,
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
