//! What goes into a login, and what comes out of it.

use super::message::{Authorization, DeviceId, Message, Secrets, Unreadable, VerificationLink};
use crate::{
    error::{Error, UserError},
    homeserver::HomeserverAddress,
};

/// What happens to a login.
#[derive(Debug, Clone)]
pub enum Input {
    /// Whether the two digits that the person typed are the right ones: the answer to
    /// [`Ask::CheckCode`].
    CheckCode(bool),
    /// The other device says something.
    Message(Message),
    /// The other device says something that is no message.
    Unreadable(Unreadable),
    /// Somebody wrote a payload that does not authenticate.
    Tampered,
    /// The answer to the outstanding [`Ask`].
    Answer(Answer),
    /// The person at this device gives up.
    Cancel,
    /// The rendezvous session is over.
    Ended(Ended),
    /// The rendezvous session is over, and it is not known whether the last message stood in it.
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

/// What a login wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Say this to the other device.
    Send(Message),
    /// Do this, and come back with its answer. A new question makes an older one pointless.
    Ask(Ask),
    /// It is over: nothing comes after this.
    End(Outcome),
}

/// How a login ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Whether it did what it is for.
    pub result: Result<(), Error>,
    /// What becomes of the rendezvous session.
    pub session: Leave,
}

/// What becomes of the rendezvous session at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leave {
    /// Nobody has to read what stands in it: it is deleted at once.
    Delete,
    /// Our last word stands in it: it is deleted once a reader that polls has had the time to read
    /// it. Another device, one that waits for its user, meets the end of the session at its next
    /// step.
    DeleteOnceRead,
    /// It is over, or the other device's to delete.
    Alone,
}

/// What a login asks of the device that it runs on.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(test, derive(Hash))]
pub enum Ask {
    /// The two digits that the other device shows. Answered by [`Input::CheckCode`].
    CheckCode,
    /// New device, step 2: ask the homeserver's authorization server for a device authorization.
    RequestAuthorization(HomeserverAddress),
    /// New device, step 4: show the user code, and wait for the person's decision.
    AwaitToken,
    /// Existing device, step 5: is this device ID free?
    FindDevice(DeviceId),
    /// Existing device, step 5: show the link's host, and open it if the person agrees.
    OpenUri(VerificationLink),
    /// Existing device, secret sharing step 1: wait up to 10 s for the homeserver to show this
    /// device.
    AwaitDevice(DeviceId),
    /// Existing device, secret sharing step 2: take the secrets out of the store.
    ExportSecrets,
    /// Existing device: see on the homeserver that the new one has signed itself. The end does not
    /// depend on it.
    AwaitVerified(DeviceId),
    /// New device, secret sharing step 3: check and store them, sign, upload, connect the backup.
    ImportSecrets(Secrets),
}

/// The answers to [`Ask`], in its order.
#[derive(Debug, Clone)]
pub enum Answer {
    /// To [`Ask::RequestAuthorization`].
    Authorization(Result<Authorization, NoAuthorization>),
    /// To [`Ask::AwaitToken`].
    Token(Result<(), NoToken>),
    /// To [`Ask::FindDevice`] and [`Ask::AwaitDevice`].
    Device(Result<DeviceLookup, UserError>),
    /// To [`Ask::OpenUri`].
    Opened(Result<(), NotOpened>),
    /// To [`Ask::ExportSecrets`].
    Exported(Result<Secrets, UserError>),
    /// To [`Ask::AwaitVerified`].
    Verified(VerificationOutcome),
    /// To [`Ask::ImportSecrets`].
    Imported(Result<(), NotImported>),
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
    /// It could not be had.
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
    /// The token is not what was asked for, or cannot be had.
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

impl From<Ended> for Error {
    fn from(ended: Ended) -> Self {
        match ended {
            Ended::Expired => Self::Expired,
            Ended::Gone => Self::Gone,
            Ended::Unusable(trouble) => Self::Rendezvous(trouble),
        }
    }
}
