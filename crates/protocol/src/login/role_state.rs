//! What differs between the two roles of a login.

use super::{
    events::{Ended, Leave, Output},
    message::{Message, Reason},
};
use crate::{
    error::{Cause, Error, UserError},
    homeserver::HomeserverAddress,
};

/// The happy path of one role, as the state that its login is in.
pub trait RoleState: Sized {
    /// What this role's device is asked.
    type Ask;
    /// What it answers.
    type Answer;
    /// Where the device that shows the code begins, once the check code is right.
    const SHOWN: Self;

    /// Where the device that scanned the code begins, and what it does first.
    fn scanned(homeserver: HomeserverAddress) -> (Self, Vec<Output<Self::Ask>>);

    /// The other device says this. `None`: it is not expected here.
    fn message(self, message: Message) -> Option<LoginStep<Self>>;

    /// This device answers this. `None`: it was not asked that.
    fn answer(self, answer: Self::Answer) -> Option<LoginStep<Self>>;

    /// Whether the secrets are on their way: then nothing that the session could bring is needed.
    fn needs_no_session(&self) -> bool;

    /// The person at this device gives up.
    fn cancelled(self) -> LoginStep<Self> {
        LoginStep::cancel(Error::Cancelled)
    }

    /// The session ended like this, perhaps before the last message was stored in it. `Err`: that
    /// is the end of the login, too.
    fn unsent(self, ended: Ended) -> Result<Self, Ended> {
        Err(ended)
    }

    /// Somebody else wrote to the session, of which nothing is needed any more.
    fn written_over(self) -> Self {
        self
    }

    /// What a payload of somebody else means here.
    fn tampered(&self) -> Error {
        Error::Tampered
    }

    /// What `m.login.failure` means here.
    fn peer_failed(&self, reason: Reason) -> Error {
        Error::Peer(reason)
    }
}

/// What an expected input leads to.
pub enum LoginStep<S: RoleState> {
    /// On to the next state.
    Next(S, Vec<Output<S::Ask>>),
    /// The end. The other device need not be told.
    Done(Result<(), Error>, Leave),
    /// The end. The other device is told why.
    Fail(Message, Error),
}

impl<S: RoleState> LoginStep<S> {
    /// On to the next state, with one thing to do.
    pub(super) fn next(state: S, output: Output<S::Ask>) -> Self {
        Self::Next(state, vec![output])
    }

    /// The end, for this reason.
    pub(super) fn fail(reason: Reason, error: Error) -> Self {
        Self::Fail(Message::Failure(reason), error)
    }

    /// The end: the two devices know no protocol in common.
    pub(super) fn unsupported(what: impl Into<String>, advice: &str) -> Self {
        let error = UserError::new(Cause::OtherDevice, what, advice);
        Self::fail(
            Reason::UnsupportedProtocol,
            Error::UnsupportedProtocol(error),
        )
    }

    /// The end, for a reason that the other device need not know.
    pub(super) fn cancel(error: Error) -> Self {
        Self::fail(Reason::UserCancelled, error)
    }
}
