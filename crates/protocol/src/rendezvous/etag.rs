//! MSC4108's dialect: one `text/plain` payload at one URL, with an ETag for each revision of it.

use std::time::Duration;

use serde::Deserialize;
use url::Url;

use super::{
    MAX_PAYLOAD_BYTES, MAX_SESSION_URL_BYTES, Method, Received, RendezvousApiError,
    RendezvousSession, Request, Response, Sent, SessionUrl,
};
use crate::{printable, web_url};

/// The longest ETag that is sent back, in bytes.
const MAX_ETAG_BYTES: usize = 512;

const TEXT_PLAIN: (&str, &str) = ("Content-Type", "text/plain");

/// The request that creates a session with an empty payload (step 2 of "Establishment").
#[must_use]
pub fn create(endpoint: &Url) -> Request {
    let headers = vec![(TEXT_PLAIN.0, TEXT_PLAIN.1.to_owned())];
    Request {
        method: Method::Post,
        url: endpoint.clone(),
        headers,
        body: Vec::new(),
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
        200..=299 => {
            new_session(endpoint, response).map(|session| Created::Session(session.into()))
        }
        307 => redirect(endpoint, response).map(Created::Redirect),
        _ => Err(RendezvousApiError::of_creating(response)),
    }
}

#[derive(Deserialize)]
struct CreatedBody {
    url: String,
}

fn new_session(endpoint: &Url, response: &Response) -> Result<EtagSession, RendezvousApiError> {
    if response.body.len() > MAX_PAYLOAD_BYTES {
        return Err(RendezvousApiError::Malformed {
            what: "the answer is larger than a URL can be",
        });
    }
    let CreatedBody { url } =
        serde_json::from_slice(&response.body).map_err(|_| RendezvousApiError::Malformed {
            what: "it is not a JSON object with the session's URL",
        })?;
    let url = SessionUrl::parse(&url).map_err(|_| RendezvousApiError::Malformed {
        what: "the session's URL is not a usable one",
    })?;
    if leaves_https(endpoint, url.url()) {
        return Err(RendezvousApiError::Malformed {
            what: "the session's URL leaves https",
        });
    }
    Ok(EtagSession {
        url,
        etag: Some(etag(response)?.to_owned()),
        time_left: response.until("Expires"),
    })
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

/// A rendezvous session as one of the two devices sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EtagSession {
    url: SessionUrl,
    /// Of the last payload that this device has seen or written. Opaque: sent back as it came.
    etag: Option<String>,
    time_left: Option<Duration>,
}

impl EtagSession {
    pub(super) fn join(url: SessionUrl) -> Self {
        Self {
            url,
            etag: None,
            time_left: None,
        }
    }

    pub(super) fn url(&self) -> &SessionUrl {
        &self.url
    }

    /// An answer's `Expires` minus its own `Date`.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.time_left
    }

    pub(super) fn receive(&self, wait: Option<u8>) -> Request {
        let mut request = self.request(Method::Get);
        if let Some(etag) = &self.etag {
            request.headers.push(("If-None-Match", etag.clone()));
            request
                .headers
                .extend(wait.map(|seconds| ("Prefer", format!("wait={seconds}"))));
        }
        request
    }

    pub(super) fn received(&mut self, response: &Response) -> Result<Received, RendezvousApiError> {
        let unchanged = match response.status {
            200 => self.etag.as_deref() == Some(etag(response)?),
            304 if self.etag.is_some() => true,
            304 => {
                return Err(RendezvousApiError::Malformed {
                    what: "it says that nothing changed, and nothing was known",
                });
            }
            _ => return Err(RendezvousApiError::of(response)),
        };
        // A server that does not know `If-None-Match` sends back what we wrote ourselves.
        if unchanged {
            self.time_left = response.until("Expires");
            return Ok(Received::Nothing {
                waited: response.waited(),
            });
        }
        check_payload(response)?;
        self.adopt(response)?;
        Ok(Received::Payload(response.body.clone().into()))
    }

    pub(super) fn send(&self, payload: &[u8]) -> Result<Request, RendezvousApiError> {
        if payload.len() > MAX_PAYLOAD_BYTES {
            return Err(RendezvousApiError::TooLarge);
        }
        let etag = self.etag.clone().ok_or(RendezvousApiError::NotReadYet)?;
        let mut request = self.request(Method::Put);
        request.headers = vec![(TEXT_PLAIN.0, TEXT_PLAIN.1.to_owned()), ("If-Match", etag)];
        request.body = payload.to_vec();
        Ok(request)
    }

    pub(super) fn sent(&mut self, response: &Response) -> Result<Sent, RendezvousApiError> {
        match response.status {
            200..=299 => self.adopt(response).map(|()| Sent::Accepted),
            // Its ETag belongs to a payload that this device has not seen.
            412 => Ok(Sent::Conflict),
            _ => Err(RendezvousApiError::of(response)),
        }
    }

    pub(super) fn delete(&self) -> Request {
        self.request(Method::Delete)
    }

    fn request(&self, method: Method) -> Request {
        Request {
            method,
            url: self.url.url().clone(),
            headers: Vec::new(),
            body: Vec::new(),
        }
    }

    fn adopt(&mut self, response: &Response) -> Result<(), RendezvousApiError> {
        self.etag = Some(etag(response)?.to_owned());
        self.time_left = response.until("Expires");
        Ok(())
    }
}

/// Section "Receive a payload": `text/plain`, which may have parameters, and not too large.
fn check_payload(response: &Response) -> Result<(), RendezvousApiError> {
    let found = response
        .header("Content-Type")
        .unwrap_or("of no stated type");
    let essence = found.split(';').next().unwrap_or_default().trim_end();
    if !essence.eq_ignore_ascii_case(TEXT_PLAIN.1) {
        return Err(RendezvousApiError::WrongContentType {
            found: printable(found),
        });
    }
    let size = response.body.len();
    if size > MAX_PAYLOAD_BYTES {
        Err(RendezvousApiError::Oversized { size })
    } else {
        Ok(())
    }
}

/// Section "The send mechanism": only a strong, single ETag. Quoted or not, it is sent back as it
/// came.
fn etag(response: &Response) -> Result<&str, RendezvousApiError> {
    let broken = |what| Err(RendezvousApiError::BrokenProxy { what });
    match response.header("ETag") {
        None | Some("" | "\"\"") => broken("has no ETag"),
        Some(etag) if etag.starts_with("W/") => {
            broken("has a weak ETag (compressing an answer does that)")
        }
        Some(etag)
            if etag.len() > MAX_ETAG_BYTES
                || !etag.bytes().all(|b| b.is_ascii_graphic())
                || etag == "*" =>
        {
            broken("has an ETag that cannot be sent back")
        }
        Some(etag) => Ok(etag),
    }
}
