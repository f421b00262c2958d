//! MSC4388's API, as far as there is no session yet: whether it is there, and how a session is
//! created.

use serde::Deserialize;
use serde_json::json;

use super::error::RendezvousApiError;
use super::http::{AUTHORIZATION, Method, Request, Response};
pub use super::json_body::MAX_ANSWER_BYTES;
use super::json_body::{TimeLeft, read, token, with_body};
use super::json_session::JsonSession;
use super::session::{Api, RendezvousSession};
use super::session_id::{ApiRoot, SessionId};

/// Asks whether there is a rendezvous API, and whether a session can be created with this access
/// token, or without one.
#[must_use]
pub fn discover(api: &ApiRoot, access_token: Option<&str>) -> Request {
    authorized(Request::new(Method::Get, api.url()), access_token)
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
        #[serde(default)]
        expires_in_ms: TimeLeft,
    }
    if !matches!(response.status, 200..=299) {
        return Err(not_created(response));
    }
    let body: Body = read(response)?;
    let malformed = RendezvousApiError::malformed("the session's ID is not an opaque identifier");
    let id = SessionId::parse(api.clone(), &body.id).ok_or(malformed)?;
    let mut session = JsonSession::join(id);
    session.adopt(token(&body.sequence_token)?, body.expires_in_ms);
    Ok(RendezvousSession::created(Api::Json(session)))
}

fn authorized(mut request: Request, access_token: Option<&str>) -> Request {
    let bearer = access_token.map(|token| (AUTHORIZATION, format!("Bearer {token}")));
    request.headers.extend(bearer);
    request
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

#[cfg(test)]
mod tests;
