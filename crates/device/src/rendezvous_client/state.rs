//! What is known of a session between two requests.

use matrix_qr_protocol::rendezvous::{
    Payload, Received, RendezvousApiError, RendezvousSession, Request, Response, Sent,
};

use super::Delivery;

/// The session, and what a lost answer or a dropped call leaves open.
pub(super) struct State {
    pub(super) session: RendezvousSession,
    doubt: Doubt,
    /// As the session said when the other device's last payload came: a word that is sent since
    /// begins a new doubt there.
    pub(super) lost_track: bool,
    /// A payload of the other device that nobody has been given yet.
    pub(super) overheard: Option<Payload>,
    /// What we wrote, or tried to, since the other device last wrote: none of it is news.
    ours: Vec<Vec<u8>>,
    /// The write in doubt did happen: this is what a look found.
    landed: Option<Vec<u8>>,
}

/// Whether it is known what stands in the session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Doubt {
    #[default]
    None,
    /// A write was begun, and it is not known whether it happened.
    Unanswered,
    /// A write was put off (429, 5xx). Should it have happened all the same, its repetition meets a
    /// conflict.
    PutOff,
    /// A write was refused: another payload stands there, perhaps our own of before.
    Conflict,
}

/// What a look found.
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
            doubt: Doubt::None,
            lost_track: false,
            overheard: None,
            ours: Vec::new(),
            landed: None,
        }
    }

    /// Whether a look is needed before this payload is written.
    pub(super) fn must_look(&self, payload: &Payload) -> bool {
        match self.doubt {
            Doubt::None => false,
            Doubt::Unanswered => !(self.session.is_repeatable() && self.was_last(payload)),
            Doubt::PutOff => !self.was_last(payload),
            Doubt::Conflict => true,
        }
    }

    /// Whether it is this payload that is in doubt.
    fn was_last(&self, payload: &Payload) -> bool {
        self.ours.last() == Some(&payload.bytes)
    }

    /// Whether the payload before this one never came, where nobody can open this one then: what it
    /// stands on is sealed into it.
    pub(super) fn lacks_one_before(&self, payload: &Payload) -> bool {
        let never_came = matches!(self.doubt, Doubt::Unanswered | Doubt::PutOff);
        never_came && self.session.is_repeatable() && !self.was_last(payload)
    }

    /// A look has found that nothing was written.
    pub(super) fn settle(&mut self) {
        self.doubt = Doubt::None;
    }

    /// What became of this payload, if that is known without asking.
    pub(super) fn known(&mut self, payload: &Payload) -> Option<Delivery> {
        if self.overheard.is_some() {
            return Some(Delivery::Overtaken);
        }
        (self.landed.take()? == payload.bytes).then_some(Delivery::Done)
    }

    /// Begins a write. Until its answer is here it may have happened.
    pub(super) fn write(&mut self, payload: &Payload) -> Result<Request, RendezvousApiError> {
        let request = self.session.send(payload)?;
        self.doubt = Doubt::Unanswered;
        self.ours.push(payload.bytes.clone());
        Ok(request)
    }

    /// A conflict stays in doubt: the other payload may be our own, from a request whose answer was
    /// lost.
    pub(super) fn written(&mut self, response: &Response) -> Result<Sent, RendezvousApiError> {
        let sent = self.session.sent(response);
        self.doubt = match &sent {
            Ok(Sent::Accepted) => Doubt::None,
            Ok(Sent::Conflict) => Doubt::Conflict,
            Err(error) if error.is_transient() => Doubt::PutOff,
            Err(_) => Doubt::Unanswered,
        };
        sent
    }

    pub(super) fn heard(&mut self, response: &Response) -> Result<Heard, RendezvousApiError> {
        let payload = match self.session.received(response)? {
            Received::Nothing { waited } => return Ok(Heard::Nothing { waited }),
            Received::Payload(payload) => payload,
        };
        let was_in_doubt = std::mem::take(&mut self.doubt) != Doubt::None;
        if self.ours.contains(&payload.bytes) {
            self.landed = was_in_doubt.then_some(payload.bytes);
            return Ok(Heard::Ours);
        }
        self.lost_track = self.session.has_lost_track();
        self.ours.clear();
        self.landed = None;
        self.overheard = Some(payload);
        Ok(Heard::Theirs)
    }
}
