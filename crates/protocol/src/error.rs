//! Why a sign-in ended without success: one type for both roles, written for the person who reads
//! it.
//!
//! The peer learns less: a [`Reason`], or nothing.

pub use crate::user_error::{Cause, ToUserError, UserError, advice_on_refusal};
use crate::{
    channel::ChannelError, device_id::DeviceId, printable, reason::Reason, revision::Role,
};

/// Why a sign-in ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The QR code was shown by a device of our own role.
    #[error("both devices are {}", same_role(*.0).0)]
    SameRole(Role),
    /// The person at the existing device did not say that the new device is theirs.
    #[error("you did not confirm that the new device is yours")]
    NotOwnDevice,
    /// The secure channel could not be established.
    #[error("no secure connection: {0}")]
    Channel(ChannelError),
    /// A payload came that the other device did not write like this: a proxy that changes what it
    /// is written against looks the same as somebody who writes.
    #[error("a proxy or a third party changed what is in the rendezvous session")]
    Tampered,
    /// The same, where the secrets were expected.
    #[error("a proxy or a third party changed what is in the rendezvous session at the last step")]
    TamperedWithSecrets,
    /// The same, after the secrets were sent, and nothing else shows what came of them.
    #[error(
        "a proxy or a third party changed what is in the rendezvous session after the secrets were \
         sent"
    )]
    TamperedAfterSecrets,
    /// The digits are not those that the other device shows.
    #[error("the two digits do not match those on the other device")]
    WrongCheckCode,
    /// The person at this device gave up.
    #[error("cancelled")]
    Cancelled,
    /// The person at this device gave up after the secrets were sent, and the homeserver does not
    /// say what came of it.
    #[error(
        "the keys were sent before you cancelled, and the state of the new device {0} is \
         unknown"
    )]
    CancelledTooLate(DeviceId),
    /// The session's time ran out.
    #[error("this sign-in timed out")]
    Expired,
    /// The same, while something did not work: the last problem.
    #[error("this sign-in timed out; the last problem was: {0}")]
    ExpiredWithProblem(UserError),
    /// The session does not exist any more.
    #[error("the other device cancelled, or the session expired")]
    Gone,
    /// Something was written to the scanned code's session before.
    #[error("this QR code has been used already")]
    AlreadyUsed,
    /// The rendezvous server cannot be used.
    #[error("{0}")]
    Rendezvous(UserError),
    /// `m.login.failure` with a reason.
    #[error("the other device ended the sign-in: {}", .0.what())]
    Peer(Reason),
    /// The person said no to the consent page.
    #[error("the sign-in was declined on the consent page")]
    Declined,
    /// `user_cancelled` while the person decides: some devices say it where the person said no,
    /// others only for a cancel.
    #[error("the sign-in was cancelled on the new device, or declined on the consent page")]
    CancelledOrDeclined,
    /// A message that does not belong here.
    #[error("the other device sent {0} at the wrong step")]
    UnexpectedMessage(&'static str),
    /// A message that cannot be read.
    #[error("the other device sent {0}")]
    Unreadable(Unreadable),
    /// There is no protocol that both devices and the homeserver know.
    #[error("{0}")]
    UnsupportedProtocol(UserError),
    /// The new device could not ask for its authorization.
    #[error("{0}")]
    NotAuthorized(UserError),
    /// The new device was signed in to another account than its person wants.
    #[error("{0}")]
    WrongAccount(UserError),
    /// The authorization's time ran out.
    #[error("nobody agreed on the consent page in time")]
    AuthorizationExpired,
    /// The new device wants a device ID that the account already has.
    #[error("the account already has a device {0}")]
    DeviceAlreadyExists(DeviceId),
    /// The new device's ID could be that of any device, and this device insists on one that could
    /// not.
    #[error("the new device's ID {0} is not bound to this connection")]
    DeviceUnbound(DeviceId),
    /// The new device said that it is signed in, and the homeserver does not show it.
    #[error("the homeserver did not list the new device {0} in time")]
    DeviceNotFound(DeviceId),
    /// The new device was signed in, and was signed out before it was seen verified.
    #[error("the new device {0} is no longer in the account")]
    DeviceGone(DeviceId),
    /// The homeserver did not say whether the device is there.
    #[error("{0}")]
    DeviceUnknown(UserError),
    /// The person does not want to open the link.
    #[error("the link was not opened")]
    LinkRefused,
    /// The link cannot be opened.
    #[error("{0}")]
    LinkUnusable(UserError),
    /// The existing device's secrets cannot be given.
    #[error("{0}")]
    NoSecrets(UserError),
    /// The new device refuses the secrets that it got.
    #[error("{0}")]
    SecretsRefused(UserError),
    /// The new device could not be set up after the secrets came.
    #[error("{0}")]
    NotSetUp(UserError),
    /// The program that drives the sign-in gave an answer that was not asked for.
    #[error("the steps of the sign-in ran in the wrong order")]
    OutOfOrder,
}

impl Error {
    /// Who or what it is due to.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.verdict().0
    }

    /// Whether all that is known is that a payload does not authenticate. Where this device has
    /// missed an answer of the rendezvous server, that can be the reason as well.
    #[must_use]
    pub fn is_of_a_foreign_payload(&self) -> bool {
        matches!(
            self,
            Self::Tampered
                | Self::TamperedWithSecrets
                | Self::TamperedAfterSecrets
                | Self::Channel(ChannelError::NotAuthentic)
        )
    }

    /// What to do now.
    #[must_use]
    pub fn advice(&self) -> &str {
        self.verdict().1
    }

    fn verdict(&self) -> (Cause, &str) {
        match self {
            Self::SameRole(role) => (Cause::Person, same_role(*role).1),
            Self::NotOwnDevice => (Cause::Person, NOT_OWN_DEVICE),
            Self::Channel(_) | Self::Tampered => (Cause::ThirdParty, INTERFERENCE),
            Self::TamperedWithSecrets => (Cause::ThirdParty, SECRETS_MAY_BE_SENT),
            Self::TamperedAfterSecrets => (Cause::ThirdParty, SECRETS_ARE_SENT),
            Self::WrongCheckCode => (Cause::Person, WRONG_DIGITS),
            Self::Cancelled => (Cause::Person, "Start again when you are ready."),
            Self::CancelledTooLate(_) => (
                Cause::Person,
                "Check the account's list of devices, and remove that one if you do not want it.",
            ),
            Self::Declined | Self::CancelledOrDeclined => (
                Cause::Person,
                "If this was a mistake, start again with a new code.",
            ),
            Self::LinkRefused => (
                Cause::Person,
                "No secrets were sent. Start again if you want to sign in the other device.",
            ),
            Self::Expired | Self::AuthorizationExpired => (
                Cause::Clock,
                "Start again with a new code, and complete the sign-in without a pause.",
            ),
            Self::AlreadyUsed => (Cause::OtherDevice, "Start again with a new one."),
            Self::Gone | Self::DeviceGone(_) => (
                Cause::OtherDevice,
                "Check the other device for the reason, then start again with a new code.",
            ),
            Self::Peer(reason) => (Cause::OtherDevice, reason.advice()),
            Self::UnexpectedMessage(_) | Self::Unreadable(_) => (Cause::OtherDevice, UPDATE),
            Self::DeviceAlreadyExists(_) => (
                Cause::Homeserver,
                "Start again on the new device: it then requests another device ID.",
            ),
            Self::DeviceUnbound(_) => (
                Cause::OtherDevice,
                "No secrets were sent. The other device's app may not know bound device IDs: start \
                 again without requiring one if you trust that device.",
            ),
            // A delay looks the same as a device of another account, or one that was signed out.
            Self::DeviceNotFound(_) => (Cause::Clock, ANOTHER_ACCOUNT),
            Self::OutOfOrder => (Cause::Here, "This is a bug: please report it."),
            Self::Rendezvous(error)
            | Self::ExpiredWithProblem(error)
            | Self::UnsupportedProtocol(error)
            | Self::NotAuthorized(error)
            | Self::WrongAccount(error)
            | Self::DeviceUnknown(error)
            | Self::LinkUnusable(error)
            | Self::NoSecrets(error)
            | Self::SecretsRefused(error)
            | Self::NotSetUp(error) => (error.cause, &error.advice),
        }
    }
}

const SECRETS_MAY_BE_SENT: &str = "The other device may have sent the secrets; nobody else can read \
    them. Start again with a new code; if it happens again, use another network.";

const SECRETS_ARE_SENT: &str = "Only the new device can read the secrets. If it is not signed in, \
    start again with a new code; if it happens again, use another network.";

/// What both devices are, and what to do about it.
fn same_role(role: Role) -> (&'static str, &'static str) {
    match role {
        Role::New => (
            "new",
            "Scan the code of a device that is already signed in.",
        ),
        Role::Existing => ("already signed in", CHOOSE_NEW),
    }
}

const NOT_OWN_DEVICE: &str = "Nothing was read, shown or sent. If somebody asks you to do this, do \
    not: it would sign in their device to your account.";
const CHOOSE_NEW: &str = "Choose sign-in by QR code on the device that is not signed in yet.";
const INTERFERENCE: &str = "No secrets were sent. Start again with a new code; \
    if it happens again, use another network.";
const WRONG_DIGITS: &str = "No secrets were sent. Start again, and type the digits that the \
    other device shows. If it shows none, somebody else scanned your code.";
const UPDATE: &str = "Update both apps, then start again; \
    if the problem persists, report it to their developers.";
const ANOTHER_ACCOUNT: &str = "No secrets were sent. Start again with a new code. If it happens \
    again, the consent page may be signed in to a different account than this device; if it is \
    not, ask the homeserver's administrator.";

/// Why bytes that did authenticate are still not a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not an object with a `type`.
    #[error("something that is not a message")]
    NotAMessage,
    /// A `type` that we do not know.
    #[error("a message of the unknown type {}", printable(.0))]
    UnknownType(String),
    /// A known `type` whose fields are wrong. The fields themselves are not repeated: they may be
    /// secret.
    #[error("a malformed {0}")]
    Malformed(&'static str),
    /// Another one was written over it before it was read, and that one is not the other device's
    /// last word.
    #[error("a message and overwrote it before it could be read")]
    Overwritten,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_says_what_happened_and_what_to_do() {
        let server = UserError::new(Cause::Homeserver, "it is closed", "Come back tomorrow.");
        for (error, what, advice) in [
            (
                Error::SameRole(Role::New),
                "both devices are new",
                "Scan the code of a device that is already signed in.",
            ),
            (
                Error::SameRole(Role::Existing),
                "both devices are already signed in",
                CHOOSE_NEW,
            ),
            (
                Error::Peer(Reason::DeviceAlreadyExists),
                "the account already has a device with that ID",
                "Start again: the new device then requests another device ID.",
            ),
            (
                Error::Peer(Reason::Other("moon_\nphase".to_owned())),
                "moon_\u{fffd}phase",
                "Follow the advice on the other device, then start again with a new code.",
            ),
            (
                Error::NotAuthorized(server),
                "it is closed",
                "Come back tomorrow.",
            ),
        ] {
            assert!(error.to_string().contains(what), "{error}");
            assert_eq!(error.advice(), advice, "{error}");
        }
    }
}
