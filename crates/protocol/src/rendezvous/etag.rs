//! MSC4108's API, as far as there is no session yet: how one is created.

use serde::Deserialize;
use url::Url;

use super::error::RendezvousApiError;
use super::etag_session::{EtagSession, TEXT_PLAIN};
use super::http::{Method, Request, Response};
use super::location::{MAX_SESSION_URL_BYTES, SessionUrl};
use super::payload::MAX_PAYLOAD_BYTES;
use super::session::{Api, RendezvousSession};
use crate::web_url;

/// The request that creates a session with an empty payload (step 2 of "Establishment").
#[must_use]
pub fn create(endpoint: &Url) -> Request {
    Request {
        headers: vec![(TEXT_PLAIN.0, TEXT_PLAIN.1.to_owned())],
        ..Request::new(Method::Post, endpoint.clone())
    }
}

/// What the answer to [`create`] means.
#[derive(Debug, PartialEq, Eq)]
pub enum Created {
    /// There is a session.
    Session(RendezvousSession),
    /// 307: make the same request there. The caller bounds how often.
    Redirect(Url),
}

/// Reads the answer to [`create`], which was sent to `endpoint`.
///
/// # Errors
/// As [`RendezvousApiError`] says. A server without a rendezvous API is
/// [`RendezvousApiError::Refused`], mostly with status
/// 404. Neither a redirect nor the session may lead from `https` to `http`.
pub fn created(endpoint: &Url, response: &Response) -> Result<Created, RendezvousApiError> {
    match response.status {
        200..=299 => new_session(endpoint, response).map(Created::Session),
        307 => redirect(endpoint, response).map(Created::Redirect),
        _ => Err(RendezvousApiError::of_creating(response)),
    }
}

#[derive(Deserialize)]
struct CreatedBody {
    url: String,
}

fn new_session(
    endpoint: &Url,
    response: &Response,
) -> Result<RendezvousSession, RendezvousApiError> {
    let malformed = RendezvousApiError::malformed;
    if response.is_web_page() {
        return Err(RendezvousApiError::WebPage);
    }
    if response.body.len() > MAX_PAYLOAD_BYTES {
        return Err(malformed("the answer is larger than a URL can be"));
    }
    let CreatedBody { url } = serde_json::from_slice(&response.body)
        .map_err(|_| malformed("it is not a JSON object with the session's URL"))?;
    let url =
        SessionUrl::parse(&url).map_err(|_| malformed("the session's URL is not a usable one"))?;
    if leaves_https(endpoint, url.url()) {
        return Err(malformed("the session's URL leaves https"));
    }
    let mut session = EtagSession::join(url);
    session.adopt(response)?;
    Ok(RendezvousSession::created(Api::Etag(session)))
}

fn redirect(endpoint: &Url, response: &Response) -> Result<Url, RendezvousApiError> {
    let refused = |why| RendezvousApiError::Redirected {
        status: response.status,
        why,
    };
    let location = response
        .header("Location")
        .ok_or(refused("it does not say where to"))?;
    if location.len() > MAX_SESSION_URL_BYTES {
        return Err(refused("its target is too long"));
    }
    let target = endpoint
        .join(location)
        .map_err(|_| refused("its target is not a URL"))?;
    let target = web_url::check(target).map_err(|_| refused("its target is not a usable URL"))?;
    if leaves_https(endpoint, &target) {
        Err(refused("its target is not https"))
    } else {
        Ok(target)
    }
}

fn leaves_https(from: &Url, to: &Url) -> bool {
    from.scheme() == "https" && to.scheme() != "https"
}
