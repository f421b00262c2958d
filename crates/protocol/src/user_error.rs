//! What a person is told about an error: what happened, who or what caused it, and what to do now.
//!
//! The three are never one text. What happened may quote what others said; the advice is ours.

use std::fmt;

/// Who or what an error is due to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The person at this device, or the command that they gave.
    Person,
    /// This device.
    Here,
    /// The other device, or the person at it.
    OtherDevice,
    /// The rendezvous server.
    RendezvousServer,
    /// The homeserver.
    Homeserver,
    /// The homeserver's OAuth authorization server.
    AuthorizationServer,
    /// The network, or the name of a server: no server was reached.
    Network,
    /// Time ran out.
    Clock,
    /// Somebody who is neither of the two devices.
    ThirdParty,
}

/// An error as a person is told it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{what}")]
pub struct UserError {
    /// Who or what it is due to.
    pub cause: Cause,
    /// What happened: one sentence without a secret. It may quote what others said.
    pub what: String,
    /// What to do now: one sentence, none of it what others said.
    pub advice: String,
}

impl UserError {
    /// An error with its two sentences.
    pub fn new(cause: Cause, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            cause,
            what: what.into(),
            advice: advice.into(),
        }
    }
}

/// An error that a person can be told. Its `Display` says what happened.
pub trait ToUserError: fmt::Display {
    /// Who or what it is due to, and what to do now. The advice is a fixed text: what others said
    /// cannot become advice.
    fn verdict(&self) -> (Cause, &'static str);

    /// What happened.
    fn what(&self) -> String {
        self.to_string()
    }

    /// Who or what it is due to.
    fn cause(&self) -> Cause {
        self.verdict().0
    }

    /// What to do now.
    fn advice(&self) -> &'static str {
        self.verdict().1
    }

    /// All three.
    fn to_user_error(&self) -> UserError {
        UserError::new(self.cause(), self.what(), self.advice())
    }
}

impl<E: ToUserError> From<E> for UserError {
    fn from(error: E) -> Self {
        error.to_user_error()
    }
}

/// What to do when a server refuses, or does not do its part: `transient` if the same request may
/// succeed a little later.
#[must_use]
pub fn advice_on_refusal(transient: bool) -> &'static str {
    if transient {
        "Try again in a moment; if the problem persists, tell the server's administrator."
    } else {
        "Tell the server's administrator."
    }
}
