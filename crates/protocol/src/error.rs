//! Why a sign-in ended without success: one type for both roles, written for the person who reads
//! it.
//!
//! What the peer learns is a smaller thing: a [`Reason`], or nothing.

use crate::{
    channel::ChannelError,
    login::{
        NoAuthorization,
        message::{DeviceId, Reason, Unreadable},
    },
    printable,
    revision::Role,
};

/// Whose side ended the sign-in, or could not do its part.
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
    /// The network, or the name of a server: nobody was reached.
    Network,
    /// Time ran out.
    Clock,
    /// Somebody who is neither of the two devices.
    ThirdParty,
}

/// Something that went wrong outside of the protocol, told for the person.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
#[error("{what}")]
pub struct UserError {
    /// Whose side it was on.
    pub cause: Cause,
    /// What happened: one sentence without a secret.
    pub what: String,
    /// What to do now: one sentence.
    pub advice: String,
}

impl UserError {
    /// A trouble with its two sentences.
    pub fn new(cause: Cause, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self {
            cause,
            what: what.into(),
            advice: advice.into(),
        }
    }

    /// From the text of an error that says what happened and, after a semicolon, what to do; or
    /// else `advice` does.
    pub fn split(cause: Cause, text: &str, advice: &str) -> Self {
        match text.split_once("; ") {
            Some((what, advice)) => Self::new(cause, what, sentence(advice)),
            None => Self::new(cause, text, advice),
        }
    }
}

fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters
        .next()
        .map(|first| format!("{}{}.", first.to_uppercase(), letters.as_str()))
        .unwrap_or_default()
}

/// Why a sign-in ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The QR code was shown by a device of our own role.
    #[error("both devices are {}", match .0 { Role::New => "new", Role::Existing => "signed in already" })]
    SameRole(Role),
    /// The secure channel could not be established.
    #[error("no secure connection: {0}")]
    Channel(ChannelError),
    /// A payload came that neither device wrote.
    #[error("something else than the other device wrote to the rendezvous session")]
    Tampered,
    /// The digits are not those that the other device shows.
    #[error("the two digits are not those of the other device")]
    WrongCheckCode,
    /// The person at this device gave up.
    #[error("cancelled")]
    Cancelled,
    /// The person at this device gave up after the secrets were sent, and the homeserver does not
    /// say what came of it.
    #[error(
        "the keys were sent before it was cancelled, and what became of the new device {0} is not known"
    )]
    CancelledTooLate(DeviceId),
    /// The session's time ran out.
    #[error("the time for this sign-in ran out")]
    Expired,
    /// The same, while something did not work.
    #[error("the time for this sign-in ran out; the last trouble was: {0}")]
    ExpiredInTrouble(UserError),
    /// The session does not exist any more.
    #[error("the other device cancelled, or the session's time ran out")]
    Gone,
    /// Something was written to the scanned code's session before.
    #[error("this QR code has been used already")]
    AlreadyUsed,
    /// The rendezvous server cannot be used.
    #[error("{0}")]
    Rendezvous(UserError),
    /// `m.login.failure` with a reason.
    #[error("the other device ended the sign-in: {}", explain(.0))]
    Peer(Reason),
    /// The person said no to the consent page.
    #[error("the sign-in was declined on the consent page")]
    Declined,
    /// `user_cancelled` while the person decides: some devices say it where the person said no,
    /// others only for a cancel.
    #[error("the sign-in was cancelled on the new device, or declined on the consent page")]
    CancelledOrDeclined,
    /// A message that does not belong here.
    #[error("the other device sent {0} where it does not belong")]
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
    /// The new device said that it is signed in, and the homeserver does not show it.
    #[error("the homeserver does not show the new device {0}")]
    DeviceNotFound(DeviceId),
    /// The new device was signed in, and was signed out before it was seen verified.
    #[error("the new device {0} is gone again")]
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
    #[error("the steps of the sign-in came in the wrong order")]
    OutOfOrder,
}

fn explain(reason: &Reason) -> String {
    match reason {
        Reason::AuthorizationExpired => "nobody agreed on the consent page in time".into(),
        Reason::DeviceAlreadyExists => "the account already has a device of that name".into(),
        Reason::DeviceNotFound => "the homeserver does not show the new device".into(),
        Reason::UnexpectedMessageReceived => "it received something that it did not expect".into(),
        Reason::UnsupportedProtocol => "it knows no way to sign in on this homeserver".into(),
        Reason::UserCancelled => "it was cancelled there".into(),
        Reason::UnableToOpenVerificationUri => "it could not open the link".into(),
        Reason::Other(name) => printable(name),
    }
}

impl From<NoAuthorization> for Error {
    fn from(why: NoAuthorization) -> Self {
        match why {
            NoAuthorization::Unsupported(trouble) => Self::UnsupportedProtocol(trouble),
            NoAuthorization::Failed(trouble) => Self::NotAuthorized(trouble),
        }
    }
}

impl Error {
    /// Whose side it was on.
    #[must_use]
    pub fn cause(&self) -> Cause {
        self.verdict().0
    }

    /// What to do now.
    #[must_use]
    pub fn advice(&self) -> &str {
        self.verdict().1
    }

    fn verdict(&self) -> (Cause, &str) {
        match self {
            Self::SameRole(Role::New) => (
                Cause::Person,
                "Scan the code of a device that is signed in already.",
            ),
            Self::SameRole(Role::Existing) => (
                Cause::Person,
                "Choose the sign-in by QR code on the device that is not signed in yet.",
            ),
            Self::Channel(_) | Self::Tampered => (
                Cause::ThirdParty,
                "Nothing was given away. Begin again with a new code; if it happens again, use another network.",
            ),
            Self::WrongCheckCode => (
                Cause::Person,
                "Nothing was given away. Begin again, and type the digits that the other device shows. If it shows \
                 none, somebody else scanned your code.",
            ),
            Self::Cancelled => (Cause::Person, "Begin again when you are ready."),
            Self::CancelledTooLate(_) => (
                Cause::Person,
                "Look at the account's devices, and remove that one if you do not want it.",
            ),
            Self::Declined | Self::CancelledOrDeclined => (
                Cause::Person,
                "If it was a mistake, begin again with a new code.",
            ),
            Self::LinkRefused => (
                Cause::Person,
                "Nothing was given away. Begin again if you want to sign in the other device.",
            ),
            Self::Expired | Self::AuthorizationExpired => (
                Cause::Clock,
                "Begin again with a new code; it must be done in one go.",
            ),
            Self::AlreadyUsed => (Cause::OtherDevice, "Start again with a new one."),
            Self::Gone | Self::DeviceGone(_) => (
                Cause::OtherDevice,
                "Look at the other device for the reason, then begin again with a new code.",
            ),
            Self::Peer(Reason::DeviceAlreadyExists) => (
                Cause::OtherDevice,
                "Begin again: the new device then asks for another name.",
            ),
            Self::Peer(Reason::DeviceNotFound) => (
                Cause::OtherDevice,
                "Did you agree in another account than the other device's? Begin again, and agree in that one; otherwise look at \
                 the other device for what to do.",
            ),
            Self::Peer(_) => (
                Cause::OtherDevice,
                "Look at the other device for what to do, then begin again with a new code.",
            ),
            Self::UnexpectedMessage(_) | Self::Unreadable(_) => (
                Cause::OtherDevice,
                "Update both apps, then begin again; if it stays, report it to their makers.",
            ),
            Self::DeviceAlreadyExists(_) => (
                Cause::Homeserver,
                "Begin again on the new device: it then asks for another name.",
            ),
            Self::DeviceNotFound(_) => (
                Cause::Homeserver,
                "Nothing was given away. Was the consent page signed in to another account? Begin again, and agree in this \
                 device's account; if it was that one, ask the homeserver's operator.",
            ),
            Self::OutOfOrder => (Cause::Here, "This is a defect: please report it."),
            Self::Rendezvous(trouble)
            | Self::ExpiredInTrouble(trouble)
            | Self::UnsupportedProtocol(trouble)
            | Self::NotAuthorized(trouble)
            | Self::WrongAccount(trouble)
            | Self::DeviceUnknown(trouble)
            | Self::LinkUnusable(trouble)
            | Self::NoSecrets(trouble)
            | Self::SecretsRefused(trouble)
            | Self::NotSetUp(trouble) => (trouble.cause, &trouble.advice),
        }
    }
}
