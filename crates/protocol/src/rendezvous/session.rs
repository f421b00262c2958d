//! A rendezvous session in either API, and what this device knows of its own writes there.

use std::time::Duration;

use super::answer::{Received, Sent};
use super::certainty::OwnWrites;
use super::error::RendezvousApiError;
use super::etag_session::EtagSession;
use super::http::{Request, Response};
use super::json_session::JsonSession;
use super::location::Location;
use super::payload::{Binding, Payload};

/// A rendezvous session as one of the two devices sees it.
#[derive(Debug, PartialEq, Eq)]
pub struct RendezvousSession {
    api: Api,
    writes: OwnWrites,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Api {
    Etag(EtagSession),
    Json(JsonSession),
}

/// The same call in either API.
macro_rules! in_either {
    ($api:expr, $session:ident => $call:expr) => {
        match $api {
            Api::Etag($session) => $call,
            Api::Json($session) => $call,
        }
    };
}

impl RendezvousSession {
    /// A session that someone else created. It must be received from before it can be sent to.
    #[must_use]
    pub fn join(location: Location) -> Self {
        let api = match location {
            Location::Url(url) => Api::Etag(EtagSession::join(url)),
            Location::Id(id) => Api::Json(JsonSession::join(id)),
        };
        let writes = OwnWrites::joined();
        Self { api, writes }
    }

    pub(super) fn created(api: Api) -> Self {
        let writes = OwnWrites::created();
        Self { api, writes }
    }

    /// Where it is, for the QR code.
    #[must_use]
    pub fn location(&self) -> Location {
        match &self.api {
            Api::Etag(session) => Location::Url(session.url.clone()),
            Api::Json(session) => Location::Id(session.id.clone()),
        }
    }

    /// What was left of the session's life when the last answer that was understood was made, by
    /// the server's own clock. `None` when that answer does not say.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        in_either!(&self.api, session => session.time_left)
    }

    /// What a payload that is sealed now is written against: the last one that this device has seen
    /// or written.
    #[must_use]
    pub fn binding(&self) -> Binding {
        match &self.api {
            Api::Etag(_) => Binding::default(),
            Api::Json(session) => session.binding(),
        }
    }

    /// Asks for a payload that this device has not seen. `wait` is how many seconds (at most 30)
    /// the server may hold the request until there is one (RFC 7240, `Prefer: wait`); a server that
    /// does not know that answers at once.
    #[must_use]
    pub fn receive(&self, wait: Option<u8>) -> Request {
        in_either!(&self.api, session => session.receive(wait))
    }

    /// Reads the answer to [`RendezvousSession::receive`].
    ///
    /// # Errors
    /// As [`RendezvousApiError`] says; the session is as before then.
    pub fn received(&mut self, response: &Response) -> Result<Received, RendezvousApiError> {
        let (received, is_guess) = match &mut self.api {
            Api::Etag(session) => (session.received(response)?, false),
            Api::Json(session) => session.received(response, self.writes.token)?,
        };
        Ok(match received {
            Received::Payload(payload) if self.writes.found(&payload, is_guess) => Received::Ours,
            received => received,
        })
    }

    /// Sends a payload in place of the one that it was written against. In MSC4108 that is the last
    /// one that this device has seen.
    ///
    /// # Errors
    /// [`RendezvousApiError::TooLarge`] above 4096 bytes, [`RendezvousApiError::NotReadYet`] after
    /// [`RendezvousSession::join`] without a [`RendezvousSession::received`].
    pub fn send(&mut self, payload: &Payload) -> Result<Request, RendezvousApiError> {
        let request = match &self.api {
            Api::Etag(session) => session.send(&payload.bytes),
            Api::Json(session) => session.send(payload),
        }?;
        self.writes.begin(payload);
        Ok(request)
    }

    /// Reads the answer to [`RendezvousSession::send`].
    ///
    /// # Errors
    /// As [`RendezvousApiError`] says. After an error, or when there is no answer at all, the
    /// payload may have been written: ask [`RendezvousSession::must_receive`] before the next one.
    pub fn sent(&mut self, response: &Response) -> Result<Sent, RendezvousApiError> {
        let sent = in_either!(&mut self.api, session => session.sent(response));
        self.writes.answered(&sent);
        sent
    }

    /// Whether a send whose answer was lost may simply be repeated (MSC4388, "The send mechanism").
    /// Where it may not, only a receive shows what became of it.
    #[must_use]
    pub fn is_repeatable(&self) -> bool {
        matches!(self.api, Api::Json(_))
    }

    /// Whether this payload must not be sent before a receive has shown what is stored: an earlier
    /// send may have succeeded.
    #[must_use]
    pub fn must_receive(&self, payload: &Payload) -> bool {
        self.writes.must_read(payload, self.is_repeatable())
    }

    /// That receive brought [`Received::Nothing`]: no earlier send succeeded.
    pub fn found_nothing(&mut self) {
        self.writes.found_nothing();
    }

    /// Whether that receive showed that the payload before this one was never written, and nobody
    /// can open this one then: it is bound to the earlier one. Ask before
    /// [`RendezvousSession::found_nothing`].
    #[must_use]
    pub fn lacks_predecessor(&self, payload: &Payload) -> bool {
        self.is_repeatable() && self.writes.may_lack_predecessor(payload)
    }

    /// Whether a receive showed that the send of this payload succeeded although it looked
    /// otherwise. It says so once.
    pub fn take_landed(&mut self, payload: &Payload) -> bool {
        self.writes.take_landed(payload)
    }

    /// Whether the binding of the other device's last payload is a guess: an answer to a
    /// [`RendezvousSession::send`] was lost, with a token that the payload may have been written
    /// against, and the server does not say which it was. Then it is no forgery if it cannot be
    /// opened.
    #[must_use]
    pub fn has_lost_track(&self) -> bool {
        self.writes.lost_track
    }

    /// Cancels the session. Whatever the answer: it is over or will expire.
    #[must_use]
    pub fn delete(&self) -> Request {
        in_either!(&self.api, session => session.delete())
    }
}
