//! What is known of a session between two requests.

use matrix_qr_protocol::driver::Delivery;
use matrix_qr_protocol::rendezvous::{
    Payload, Received, RendezvousApiError, RendezvousSession, Response,
};

/// The session, and what was read from it and not passed on yet.
pub(super) struct State {
    pub(super) session: RendezvousSession,
    /// A payload of the other device that [`RendezvousClient::receive`] has not returned yet.
    ///
    /// [`RendezvousClient::receive`]: super::RendezvousClient::receive
    pub(super) overheard: Option<Payload>,
}

/// What a read found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Heard {
    /// The other device's payload; it is in `overheard` now.
    Theirs,
    /// A payload of our own.
    Ours,
    /// Nothing new, and whether the server held the request until that was certain.
    Nothing { waited: bool },
}

impl State {
    pub(super) fn new(session: RendezvousSession) -> Self {
        Self {
            session,
            overheard: None,
        }
    }

    /// What became of this payload, if that is known without a request.
    pub(super) fn known(&mut self, payload: &Payload) -> Option<Delivery> {
        if self.overheard.is_some() {
            return Some(Delivery::Overtaken);
        }
        self.session.take_landed(payload).then_some(Delivery::Done)
    }

    pub(super) fn heard(&mut self, response: &Response) -> Result<Heard, RendezvousApiError> {
        Ok(match self.session.received(response)? {
            Received::Nothing { waited } => Heard::Nothing { waited },
            Received::Ours => Heard::Ours,
            Received::Payload(payload) => {
                self.overheard = Some(payload);
                Heard::Theirs
            }
        })
    }
}
