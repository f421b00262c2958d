//! What goes into a login, and what comes out of it.

use super::message::{Authorization, DeviceId, Message, Secrets, Unreadable, VerificationLink};
use crate::{
    error::{Error, UserError},
    homeserver::HomeserverAddress,
};

/// What happens to a login. `A` are the answers of its role: [`NewDeviceAnswer`] or
/// [`ExistingDeviceAnswer`].
#[derive(Debug, Clone)]
pub enum Input<A> {
    /// Whether the two digits that the person typed are the right ones: the answer to
    /// [`Output::AskCheckCode`].
    CheckCode(bool),
    /// The other device says something.
    Message(Message),
    /// The other device says something that is no message.
    Unreadable(Unreadable),
    /// Somebody wrote a payload that does not authenticate.
    Tampered,
    /// The answer to the outstanding question. An answer to any other question is a defect, and
    /// ends the login with [`Error::OutOfOrder`].
    Answer(A),
    /// The person at this device gives up.
    Cancel,
    /// The rendezvous session is over.
    Ended(Ended),
    /// The rendezvous session is over, and it is not known whether the last message was stored in
    /// it.
    Unsent(Ended),
}

/// How a rendezvous session ends.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Ended {
    /// Its time ran out.
    Expired,
    /// The server does not know it any more: the other device deleted it, or its time ran out.
    Gone,
    /// The server cannot be used.
    Unusable(UserError),
}

/// What a login wants. `Q` are the questions of its role: [`NewDeviceAsk`] or
/// [`ExistingDeviceAsk`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output<Q> {
    /// Say this to the other device.
    Send(Message),
    /// Ask the person for the two digits that the other device shows. Answered by
    /// [`Input::CheckCode`].
    AskCheckCode,
    /// Ask this device. Answered by [`Input::Answer`] with the variant of the question's name.
    Ask(Q),
    /// It is over: nothing comes after this.
    End(Outcome),
}

/// How a login ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it succeeded.
    pub result: Result<(), Error>,
    /// What becomes of the rendezvous session.
    pub session: Leave,
}

/// What becomes of the rendezvous session at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Nobody has to read its payload: it is deleted at once.
    Delete,
    /// Its payload is our last word: it is deleted once a reader that polls has had the time to
    /// read that. A device that waits for its user instead finds the session gone at its next step.
    DeleteOnceRead,
    /// It is over, or the other device deletes it.
    Alone,
}

/// What the login of a new device asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub enum NewDeviceAsk {
    /// Step 2: ask the homeserver's authorization server for a device authorization.
    RequestAuthorization(HomeserverAddress),
    /// Step 4: show the user code, and wait for the person's decision.
    AwaitToken,
    /// Secret sharing, step 3: check and store them, sign, upload, connect the backup.
    ImportSecrets(Secrets),
}

/// The answers to [`NewDeviceAsk`]: each has the name of its question.
#[derive(Debug, Clone)]
pub enum NewDeviceAnswer {
    /// The request that the existing device is told about.
    RequestAuthorization(Result<Authorization, NoAuthorization>),
    /// Whether there is a token.
    AwaitToken(Result<(), NoToken>),
    /// Whether the device is set up.
    ImportSecrets(Result<(), NotImported>),
}

/// What the login of an existing device asks it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub enum ExistingDeviceAsk {
    /// Step 5: is this device ID free?
    FindDevice(DeviceId),
    /// Step 5: show the link's host, and open it if the person agrees.
    OpenUri(VerificationLink),
    /// Secret sharing, step 1: wait up to 10 s for the homeserver to show this device.
    AwaitDevice(DeviceId),
    /// Secret sharing, step 2: take the secrets out of the store.
    ExportSecrets,
    /// See on the homeserver that the new device has signed itself. The end does not depend on it.
    AwaitVerified(DeviceId),
}

/// The answers to [`ExistingDeviceAsk`]: each has the name of its question.
#[derive(Debug, Clone)]
pub enum ExistingDeviceAnswer {
    /// Whether the device ID is taken.
    FindDevice(Result<DeviceLookup, NotLookedUp>),
    /// Whether the link is open.
    OpenUri(Result<(), NotOpened>),
    /// Whether the device appeared in time.
    AwaitDevice(Result<DeviceLookup, UserError>),
    /// The secrets.
    ExportSecrets(Result<Secrets, UserError>),
    /// What was seen.
    AwaitVerified(VerificationOutcome),
}

/// Whether the homeserver shows a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DeviceLookup {
    /// `GET /devices/{id}` is 200.
    Present,
    /// `GET /devices/{id}` is 404. No other answer means this.
    Absent,
}

/// What the homeserver shows of the new device after the secrets were sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum VerificationOutcome {
    /// It is there, and signed by its owner.
    Verified,
    /// It was not seen signed in time.
    Unseen,
    /// It was there, and is not any more.
    Gone,
}

/// Why there is no device authorization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoAuthorization {
    /// The homeserver has no OAuth, or no device grant.
    Unsupported(UserError),
    /// The authorization server gave none.
    Failed(UserError),
}

/// Why there is no token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoToken {
    /// `access_denied`.
    Denied,
    /// `expired_token`, or its time ran out.
    Expired,
    /// It is for another account than the person wants to be signed in to.
    WrongAccount(UserError),
    /// The token is not what was asked for, or the server gave none.
    Failed(UserError),
}

/// Why it is not known whether a device ID is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotLookedUp {
    /// It is not bound to the channel, and this device insists on that.
    Unbound,
    /// The homeserver did not say.
    Failed(UserError),
}

/// Why the link was not opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotOpened {
    /// The person does not want to.
    Refused,
    /// It is not `https`, or no browser opens it.
    Unusable(UserError),
}

/// Why the secrets were not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotImported {
    /// They are wrong: nothing was stored.
    Refused(UserError),
    /// They are right, and the device could not be set up with them.
    Failed(UserError),
}

impl Ended {
    /// What becomes of the session then.
    pub(super) fn leave(&self) -> Leave {
        match self {
            // A 404 need not be the server's own: where there is a session all the same, its end
            // tells the other device.
            Self::Unusable(_) | Self::Gone => Leave::Delete,
            Self::Expired => Leave::Alone,
        }
    }
}

impl From<Ended> for Error {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Expired => Self::Expired,
            Ended::Gone => Self::Gone,
            Ended::Unusable(error) => Self::Rendezvous(error),
        }
    }
}

impl From<NoAuthorization> for Error {
    fn from(why: NoAuthorization) -> Self {
        match why {
            NoAuthorization::Unsupported(error) => Self::UnsupportedProtocol(error),
            NoAuthorization::Failed(error) => Self::NotAuthorized(error),
        }
    }
}
