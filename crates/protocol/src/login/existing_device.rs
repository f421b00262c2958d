//! The device that is already signed in, and what it checks before it sends any secret.

use super::{
    events::{
        DeviceLookup, Ended, ExistingDeviceAnswer, ExistingDeviceAsk, Leave, NotLookedUp,
        NotOpened, Output, VerificationOutcome,
    },
    message::{Authorization, DeviceId, Message, Protocol, Protocols, Reason},
    role_state::{LoginStep, RoleState},
};
use crate::{
    error::{Error, UserError},
    homeserver::HomeserverAddress,
    printable,
};

/// Where the login of an existing device is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(
    clippy::enum_variant_names,
    reason = "a state is named after what it expects"
)]
pub enum ExistingDeviceState {
    /// Step 3: the new device says how it wants to sign in.
    ExpectProtocol,
    /// Step 5: its device ID must be free.
    ExpectAbsent(Authorization),
    /// Step 5: the person looks at the link.
    ExpectOpened(DeviceId),
    /// Secret sharing, step 1: the new device says that it has a token.
    ExpectSuccess(DeviceId),
    /// Secret sharing, step 1: the homeserver must say so too.
    ExpectPresent(DeviceId),
    /// Secret sharing, step 2: the store gives the secrets.
    ExpectSecrets(DeviceId),
    /// The secrets were sent. The new device can still report a failure.
    ExpectVerified { id: DeviceId, unsure: Option<Doubt> },
}

/// Why it is not known whether the new device can read the secrets.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// The session ended like this before they were known to be stored in it.
    Unstored(Ended),
    /// A payload came that the new device did not write like this.
    WrittenOver,
}

impl RoleState for ExistingDeviceState {
    type Ask = ExistingDeviceAsk;
    type Answer = ExistingDeviceAnswer;
    const SHOWN: Self = Self::ExpectProtocol;

    /// This device speaks next, and says which homeserver the account is on.
    fn scanned(homeserver: HomeserverAddress) -> (Self, Vec<Output<ExistingDeviceAsk>>) {
        let offer = Protocols {
            device_authorization_grant: true,
            homeserver,
        };
        let offer = Output::Send(Message::Protocols(offer));
        (Self::ExpectProtocol, vec![offer])
    }

    fn message(self, message: Message) -> Option<LoginStep<Self>> {
        Some(match (self, message) {
            (
                Self::ExpectProtocol,
                Message::Protocol(Protocol::DeviceAuthorizationGrant(wanted)),
            ) => {
                let ask = ExistingDeviceAsk::FindDevice(wanted.device_id.clone());
                LoginStep::next(Self::ExpectAbsent(wanted), Output::Ask(ask))
            }
            (Self::ExpectProtocol, Message::Protocol(Protocol::Other(name))) => unsupported(&name),
            (Self::ExpectSuccess(id), Message::Success) => {
                let ask = ExistingDeviceAsk::AwaitDevice(id.clone());
                LoginStep::next(Self::ExpectPresent(id), Output::Ask(ask))
            }
            (Self::ExpectSuccess(_), Message::Declined) => {
                LoginStep::Done(Err(Error::Declined), Leave::Delete)
            }
            _ => return None,
        })
    }

    fn answer(self, answer: ExistingDeviceAnswer) -> Option<LoginStep<Self>> {
        use ExistingDeviceAnswer::{
            AwaitDevice, AwaitVerified, ExportSecrets, FindDevice, OpenUri,
        };
        Some(match (self, answer) {
            (Self::ExpectAbsent(wanted), FindDevice(found)) => absent(wanted, found),
            (Self::ExpectOpened(id), OpenUri(Ok(()))) => LoginStep::next(
                Self::ExpectSuccess(id),
                Output::Send(Message::ProtocolAccepted),
            ),
            (Self::ExpectOpened(_), OpenUri(Err(why))) => not_opened(why),
            (Self::ExpectPresent(id), AwaitDevice(found)) => present(id, found),
            (Self::ExpectSecrets(id), ExportSecrets(Ok(secrets))) => {
                let share = Output::Send(Message::Secrets(secrets));
                let look = Output::Ask(ExistingDeviceAsk::AwaitVerified(id.clone()));
                LoginStep::Next(Self::ExpectVerified { id, unsure: None }, vec![share, look])
            }
            (Self::ExpectSecrets(_), ExportSecrets(Err(user_error))) => {
                LoginStep::cancel(Error::NoSecrets(user_error))
            }
            (Self::ExpectVerified { id, unsure }, AwaitVerified(outcome)) => {
                verified(id, unsure, outcome)
            }
            _ => return None,
        })
    }

    fn needs_no_session(&self) -> bool {
        matches!(self, Self::ExpectVerified { .. })
    }

    fn cancelled(self) -> LoginStep<Self> {
        match self {
            // Secrets that were not read yet cannot be read any more. Those that were cannot be
            // called back.
            Self::ExpectVerified { id, .. } => {
                LoginStep::Done(Err(Error::CancelledTooLate(id)), Leave::Delete)
            }
            _ => LoginStep::cancel(Error::Cancelled),
        }
    }

    fn unsent(self, ended: Ended) -> Result<Self, Ended> {
        match self {
            // Deleted after the secrets were read, or before: whether the new device signs itself
            // will tell.
            Self::ExpectVerified { id, .. } => Ok(Self::ExpectVerified {
                id,
                unsure: Some(Doubt::Unstored(ended)),
            }),
            _ => Err(ended),
        }
    }

    /// Over the secrets, or in place of them, or when the new device had read them: whether it signs
    /// itself will tell.
    fn written_over(self) -> Self {
        match self {
            Self::ExpectVerified { id, unsure } => Self::ExpectVerified {
                id,
                unsure: unsure.or(Some(Doubt::WrittenOver)),
            },
            state => state,
        }
    }

    /// matrix-js-sdk says `user_cancelled` where the text has `m.login.declined`; others mean a
    /// cancel.
    fn peer_failed(&self, reason: Reason) -> Error {
        match (self, reason) {
            (Self::ExpectSuccess(_), Reason::UserCancelled) => Error::CancelledOrDeclined,
            (_, reason) => Error::Peer(reason),
        }
    }
}

impl Doubt {
    fn leave(&self) -> Leave {
        match self {
            Self::Unstored(ended) => ended.leave(),
            Self::WrittenOver => Leave::Delete,
        }
    }
}

impl From<Doubt> for Error {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::Unstored(ended) => ended.into(),
            Doubt::WrittenOver => Self::TamperedAfterSecrets,
        }
    }
}

fn unsupported(name: &str) -> LoginStep<ExistingDeviceState> {
    let what = format!(
        "the new device wants to sign in by {}, which this device does not support",
        printable(name)
    );
    LoginStep::unsupported(what, "Update this app, then start again.")
}

/// Only a clear "no such device" lets the sign-in go on.
fn absent(
    wanted: Authorization,
    found: Result<DeviceLookup, NotLookedUp>,
) -> LoginStep<ExistingDeviceState> {
    match found {
        Ok(DeviceLookup::Absent) => LoginStep::next(
            ExistingDeviceState::ExpectOpened(wanted.device_id),
            Output::Ask(ExistingDeviceAsk::OpenUri(wanted.link)),
        ),
        Ok(DeviceLookup::Present) => LoginStep::fail(
            Reason::DeviceAlreadyExists,
            Error::DeviceAlreadyExists(wanted.device_id),
        ),
        // The text has no reason for it. The other device has done nothing that the text forbids,
        // and another ID would not help: it is this device's person who wants it so.
        Err(NotLookedUp::Unbound) => LoginStep::cancel(Error::DeviceUnbound(wanted.device_id)),
        Err(NotLookedUp::Failed(user_error)) => LoginStep::cancel(Error::DeviceUnknown(user_error)),
    }
}

fn not_opened(why: NotOpened) -> LoginStep<ExistingDeviceState> {
    match why {
        NotOpened::Refused => LoginStep::cancel(Error::LinkRefused),
        NotOpened::Unusable(user_error) => LoginStep::fail(
            Reason::UnableToOpenVerificationUri,
            Error::LinkUnusable(user_error),
        ),
    }
}

/// Only a clear "it is there" lets the secrets out of the store.
fn present(id: DeviceId, found: Result<DeviceLookup, UserError>) -> LoginStep<ExistingDeviceState> {
    match found {
        Ok(DeviceLookup::Present) => LoginStep::next(
            ExistingDeviceState::ExpectSecrets(id),
            Output::Ask(ExistingDeviceAsk::ExportSecrets),
        ),
        Ok(DeviceLookup::Absent) => {
            LoginStep::fail(Reason::DeviceNotFound, Error::DeviceNotFound(id))
        }
        Err(user_error) => {
            LoginStep::fail(Reason::DeviceNotFound, Error::DeviceUnknown(user_error))
        }
    }
}

/// The new device has yet to read the secrets, or has deleted the session: this device leaves it
/// alone, unless the new device is gone.
fn verified(
    id: DeviceId,
    unsure: Option<Doubt>,
    outcome: VerificationOutcome,
) -> LoginStep<ExistingDeviceState> {
    let (result, session) = match (outcome, unsure) {
        (VerificationOutcome::Gone | VerificationOutcome::Unseen, Some(doubt)) => {
            let session = doubt.leave();
            (Err(doubt.into()), session)
        }
        (VerificationOutcome::Gone, None) => (Err(Error::DeviceGone(id)), Leave::Delete),
        (VerificationOutcome::Verified, _) | (VerificationOutcome::Unseen, None) => {
            (Ok(()), Leave::Alone)
        }
    };
    LoginStep::Done(result, session)
}
