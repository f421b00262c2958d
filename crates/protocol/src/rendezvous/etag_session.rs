//! MSC4108's API: one `text/plain` payload at one URL, with an ETag for each revision of it.

use std::time::Duration;

use super::answer::{Received, Sent};
use super::error::RendezvousApiError;
use super::http::{Method, Request, Response};
use super::location::SessionUrl;
use super::payload::MAX_PAYLOAD_BYTES;
use crate::printable;

/// The longest ETag that is sent back, in bytes.
const MAX_ETAG_BYTES: usize = 512;

pub(super) const TEXT_PLAIN: (&str, &str) = ("Content-Type", "text/plain");

/// A rendezvous session as one of the two devices sees it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct EtagSession {
    pub(super) url: SessionUrl,
    /// Of the last payload that this device has seen or written. Opaque: sent back as it came.
    etag: Option<String>,
    /// An answer's `Expires` minus its own `Date`.
    pub(super) time_left: Option<Duration>,
}

impl EtagSession {
    pub(super) fn join(url: SessionUrl) -> Self {
        Self {
            url,
            etag: None,
            time_left: None,
        }
    }

    pub(super) fn receive(&self, wait: Option<u8>) -> Request {
        let mut request = Request::new(Method::Get, self.url.url().clone());
        if let Some(etag) = &self.etag {
            request.headers.push(("If-None-Match", etag.clone()));
            let prefer = wait.map(|seconds| ("Prefer", format!("wait={seconds}")));
            request.headers.extend(prefer);
        }
        request
    }

    pub(super) fn received(&mut self, response: &Response) -> Result<Received, RendezvousApiError> {
        let unchanged = match response.status {
            200 => self.etag.as_deref() == Some(etag(response)?),
            304 if self.etag.is_some() => true,
            304 => {
                return Err(RendezvousApiError::malformed(
                    "it says that nothing has changed, but nothing had been read",
                ));
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
        let mut request = Request::new(Method::Put, self.url.url().clone());
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
        Request::new(Method::Delete, self.url.url().clone())
    }

    pub(super) fn adopt(&mut self, response: &Response) -> Result<(), RendezvousApiError> {
        self.etag = Some(etag(response)?.to_owned());
        self.time_left = response.until("Expires");
        Ok(())
    }
}

/// Section "Receive a payload": `text/plain`, which may have parameters, and not too large.
fn check_payload(response: &Response) -> Result<(), RendezvousApiError> {
    let is_text = |found: &str| found.eq_ignore_ascii_case(TEXT_PLAIN.1);
    if !response.media_type().is_some_and(is_text) {
        let found = response.header("Content-Type");
        let found = printable(found.unwrap_or("of no stated type"));
        return Err(RendezvousApiError::WrongContentType { found });
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
    if response.is_web_page() {
        return Err(RendezvousApiError::WebPage);
    }
    let broken = |what| Err(RendezvousApiError::BrokenProxy { what });
    match response.header("ETag") {
        None | Some("" | "\"\"") => broken("has no ETag"),
        Some(etag) if etag.starts_with("W/") => broken("has a weak ETag (compression does that)"),
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
