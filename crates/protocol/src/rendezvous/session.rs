//! A session in whichever dialect its location speaks.

use std::time::Duration;

use super::etag::EtagSession;
use super::json::JsonSession;
use super::{Binding, Location, Payload, RendezvousApiError, Request, Response};

/// A rendezvous session as one of the two devices sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct RendezvousSession(Api);

#[derive(Debug, PartialEq, Eq)]
enum Api {
    Etag(EtagSession),
    Json(JsonSession),
}

/// What the answer to [`RendezvousSession::receive`] means.
#[derive(Debug, PartialEq, Eq)]
pub enum Received {
    /// A payload that this device has not seen.
    ///
    /// After a [`RendezvousSession::send`] whose answer was lost it can be the payload that was
    /// sent: compare before using it.
    Payload(Payload),
    /// Nothing new.
    Nothing {
        /// The server held the request as `Prefer` asked it to, so the next one can follow at once.
        waited: bool,
    },
}

/// What the answer to [`RendezvousSession::send`] means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is the session's payload now.
    Accepted,
    /// 412 or 409: it is not, somebody else wrote first. Receive that before sending again, so that
    /// nothing unseen is overwritten.
    Conflict,
}

impl RendezvousSession {
    /// A session that someone else created. It must be received from before it can be sent to.
    #[must_use]
    pub fn join(location: Location) -> Self {
        Self(match location {
            Location::Url(url) => Api::Etag(EtagSession::join(url)),
            Location::Id(id) => Api::Json(JsonSession::join(id)),
        })
    }

    /// Where it is, for the QR code.
    #[must_use]
    pub fn location(&self) -> Location {
        match &self.0 {
            Api::Etag(session) => Location::Url(session.url().clone()),
            Api::Json(session) => Location::Id(session.id().clone()),
        }
    }

    /// What was left of the session's life when the last answer that was understood was made, by
    /// the server's own clock. `None` when that answer does not say.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        match &self.0 {
            Api::Etag(session) => session.time_left(),
            Api::Json(session) => session.time_left(),
        }
    }

    /// What a payload that is sealed now is written against: the last one that this device has seen
    /// or written.
    #[must_use]
    pub fn binding(&self) -> Binding {
        match &self.0 {
            Api::Etag(_) => Binding::default(),
            Api::Json(session) => session.binding(),
        }
    }

    /// Asks for a payload that this device has not seen. `wait` is how many seconds (at most 30)
    /// the server may hold the request until there is one (RFC 7240, `Prefer: wait`); a server that
    /// does not know that answers at once.
    #[must_use]
    pub fn receive(&self, wait: Option<u8>) -> Request {
        match &self.0 {
            Api::Etag(session) => session.receive(wait),
            Api::Json(session) => session.receive(wait),
        }
    }

    /// Reads the answer to [`RendezvousSession::receive`].
    ///
    /// # Errors
    /// As [`RendezvousApiError`] says; the session is as before then.
    pub fn received(&mut self, response: &Response) -> Result<Received, RendezvousApiError> {
        match &mut self.0 {
            Api::Etag(session) => session.received(response),
            Api::Json(session) => session.received(response),
        }
    }

    /// Sends a payload in place of the one that it was written against. In MSC4108 that is the last
    /// one that this device has seen.
    ///
    /// # Errors
    /// [`RendezvousApiError::TooLarge`] above 4096 bytes, [`RendezvousApiError::NotReadYet`] after
    /// [`RendezvousSession::join`] without a [`RendezvousSession::received`].
    pub fn send(&mut self, payload: &Payload) -> Result<Request, RendezvousApiError> {
        match &mut self.0 {
            Api::Etag(session) => session.send(&payload.bytes),
            Api::Json(session) => session.send(payload),
        }
    }

    /// Whether a send whose answer was lost may simply be repeated (MSC4388, "The send mechanism").
    /// Where it may not, only a receive tells what became of it.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        matches!(self.0, Api::Json(_))
    }

    /// Whether the binding of the last payload is a guess: an answer to a
    /// [`RendezvousSession::send`] was lost, with a token that the payload may have been written
    /// against, and the server does not say which it was. Then it is no forgery if it cannot be
    /// opened.
    #[must_use]
    pub fn has_lost_track(&self) -> bool {
        match &self.0 {
            Api::Etag(_) => false,
            Api::Json(session) => session.has_lost_track(),
        }
    }

    /// Reads the answer to [`RendezvousSession::send`].
    ///
    /// # Errors
    /// As [`RendezvousApiError`] says. When there is no answer at all the payload may have been
    /// written: receive, and look.
    pub fn sent(&mut self, response: &Response) -> Result<Sent, RendezvousApiError> {
        match &mut self.0 {
            Api::Etag(session) => session.sent(response),
            Api::Json(session) => session.sent(response),
        }
    }

    /// Cancels the session. Whatever the answer: it is over or will expire.
    #[must_use]
    pub fn delete(&self) -> Request {
        match &self.0 {
            Api::Etag(session) => session.delete(),
            Api::Json(session) => session.delete(),
        }
    }
}

impl From<EtagSession> for RendezvousSession {
    fn from(session: EtagSession) -> Self {
        Self(Api::Etag(session))
    }
}

impl From<JsonSession> for RendezvousSession {
    fn from(session: JsonSession) -> Self {
        Self(Api::Json(session))
    }
}
