//! What this device knows of its own writes when an answer is lost.
//!
//! A write can have happened although its answer says otherwise, or never comes. Then two things
//! are uncertain. [`WriteCertainty`]: what is stored in the session, and so whether it must be read
//! before the next write. [`TokenCertainty`], in MSC4388 only: whether the server gave this device
//! a sequence token that it never received, and so what the other device's next payload was written
//! against.
//!
//! | what happens | `WriteCertainty` becomes | `TokenCertainty` becomes |
//! |---|---|---|
//! | a write begins | `Unanswered` | `Lost` after `Unanswered` or `Lost`, otherwise `Unanswered` |
//! | its answer: 2xx | `Certain` | `Certain` |
//! | its answer: 412 or 409 | `Conflict` | `Refused` after `Unanswered`, otherwise unchanged |
//! | its answer: 429 | `Deferred` | `Certain` after `Unanswered`, otherwise unchanged |
//! | its answer: 408 or 5xx | `Deferred` | unchanged |
//! | its answer: anything else | `Unanswered` | unchanged |
//! | a read finds nothing new | `Certain` | unchanged |
//! | a read finds a payload | `Certain` | `Certain` |
//!
//! What has to happen before a payload is written follows from `WriteCertainty`:
//!
//! | `WriteCertainty` | the payload of the last attempt | another payload |
//! |---|---|---|
//! | `Certain` | write | write |
//! | `Unanswered` | MSC4108: read; MSC4388: write | read |
//! | `Deferred` | write | read |
//! | `Conflict` | read | read |
//!
//! What the other device's payload was written against follows from `TokenCertainty`:
//!
//! | `TokenCertainty` | the server states the token | the server does not |
//! |---|---|---|
//! | `Certain` | the last token received, whatever it states | the last token received |
//! | `Unanswered`, `Lost` | as stated | a guess: the last token received, and the track is lost |
//! | `Refused` | as stated | the last token received |

use super::answer::Sent;
use super::error::RendezvousApiError;
use super::payload::Payload;

/// Whether it is known what is stored in the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WriteCertainty {
    Certain,
    /// A write was begun, and it is not known whether it happened.
    Unanswered,
    /// The server did not take a write for the moment. If it happened all the same, repeating it
    /// leads to a conflict.
    Deferred,
    /// A write was refused: another payload is stored, perhaps an earlier one of this device, from
    /// a request whose answer was lost.
    Conflict,
}

/// Whether this device has received every token that the server gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenCertainty {
    Certain,
    /// A payload was sent, and no answer has come.
    Unanswered,
    /// It was refused. A proxy may have sent it twice, so that only the second request was refused.
    Refused,
    /// It was sent once more: the first answer is lost.
    Lost,
}

/// What can change either.
#[derive(Clone, Copy)]
enum Event<'a> {
    WriteBegins,
    Answer(&'a Result<Sent, RendezvousApiError>),
    NothingNew,
    Payload,
}

/// The first table, row by row.
fn after(event: Event<'_>, token: TokenCertainty) -> (WriteCertainty, TokenCertainty) {
    use Event::Answer;
    use RendezvousApiError::{RateLimited, Unavailable};
    use TokenCertainty as Token;
    use WriteCertainty as Write;
    match (event, token) {
        (Event::WriteBegins, Token::Unanswered | Token::Lost) => (Write::Unanswered, Token::Lost),
        (Event::WriteBegins, _) => (Write::Unanswered, Token::Unanswered),
        (Answer(Ok(Sent::Accepted)), _) => (Write::Certain, Token::Certain),
        (Answer(Ok(Sent::Conflict)), Token::Unanswered) => (Write::Conflict, Token::Refused),
        (Answer(Ok(Sent::Conflict)), token) => (Write::Conflict, token),
        // 429 is sent before a request is looked at. A 5xx says less: it may come from a proxy that
        // lost the answer.
        (Answer(Err(RateLimited { .. })), Token::Unanswered) => (Write::Deferred, Token::Certain),
        (Answer(Err(RateLimited { .. } | Unavailable { .. })), token) => (Write::Deferred, token),
        (Answer(Err(_)), token) => (Write::Unanswered, token),
        (Event::NothingNew, token) => (Write::Certain, token),
        (Event::Payload, _) => (Write::Certain, Token::Certain),
    }
}

impl TokenCertainty {
    /// Whether a server that states what a payload was written against knows better than this
    /// device.
    pub(super) fn needs_statement(self) -> bool {
        self != Self::Certain
    }

    /// Whether the binding of the next payload is a guess if the server does not state it.
    pub(super) fn leaves_guess(self) -> bool {
        matches!(self, Self::Unanswered | Self::Lost)
    }
}

/// What this device wrote, or tried to write, and what is certain about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct OwnWrites {
    write: WriteCertainty,
    pub(super) token: TokenCertainty,
    /// Since the other device last wrote, the last attempt at the end. Before, there is the empty
    /// one that the session was created with: nobody says anything by it, however often it is read.
    payloads: Vec<Payload>,
    /// A write that was uncertain did happen: a read found this payload.
    landed: Option<Payload>,
    /// Whether the binding of the other device's last payload is a guess.
    pub(super) lost_track: bool,
}

impl OwnWrites {
    /// In a session that somebody else created, and that is to be read first.
    pub(super) fn joined() -> Self {
        Self {
            write: WriteCertainty::Certain,
            token: TokenCertainty::Certain,
            payloads: Vec::new(),
            landed: None,
            lost_track: false,
        }
    }

    /// In a session that this device created.
    pub(super) fn created() -> Self {
        Self {
            payloads: vec![Payload::from("")],
            ..Self::joined()
        }
    }

    pub(super) fn begin(&mut self, payload: &Payload) {
        self.note(Event::WriteBegins);
        self.payloads.push(payload.clone());
    }

    pub(super) fn answered(&mut self, answer: &Result<Sent, RendezvousApiError>) {
        self.note(Event::Answer(answer));
    }

    pub(super) fn found_nothing(&mut self) {
        self.note(Event::NothingNew);
    }

    /// A read found this payload. Returns whether it is one of this device's own.
    pub(super) fn found(&mut self, payload: &Payload, is_guess: bool) -> bool {
        let was_certain = self.write == WriteCertainty::Certain;
        self.note(Event::Payload);
        let own = self.payloads.iter().any(|own| own.bytes == payload.bytes);
        if own {
            self.landed = (!was_certain).then(|| payload.clone());
        } else {
            self.payloads.clear();
            let begins = payload.bytes.is_empty().then(|| payload.clone());
            self.payloads.extend(begins);
            self.landed = None;
            self.lost_track = is_guess;
        }
        own
    }

    /// Whether the session must be read before this payload is written.
    pub(super) fn must_read(&self, payload: &Payload, repeatable: bool) -> bool {
        match self.write {
            WriteCertainty::Certain => false,
            WriteCertainty::Unanswered => !(repeatable && self.was_last(payload)),
            WriteCertainty::Deferred => !self.was_last(payload),
            WriteCertainty::Conflict => true,
        }
    }

    /// Whether the last attempt was another payload, which is not stored as far as is known.
    pub(super) fn may_lack_predecessor(&self, payload: &Payload) -> bool {
        let uncertain = matches!(
            self.write,
            WriteCertainty::Unanswered | WriteCertainty::Deferred
        );
        uncertain && !self.was_last(payload)
    }

    /// Whether a read has found that this payload was written. It says so once.
    pub(super) fn take_landed(&mut self, payload: &Payload) -> bool {
        self.landed
            .take()
            .is_some_and(|landed| landed.bytes == payload.bytes)
    }

    fn note(&mut self, event: Event<'_>) {
        (self.write, self.token) = after(event, self.token);
    }

    fn was_last(&self, payload: &Payload) -> bool {
        self.payloads
            .last()
            .is_some_and(|last| last.bytes == payload.bytes)
    }
}

#[cfg(test)]
mod tests;
