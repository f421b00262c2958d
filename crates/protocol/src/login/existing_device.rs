//! The device that is signed in already, and what it checks before it gives anything away.

use super::{
    Answer, Ask, DeviceLookup, Ended, Leave, NotOpened, Outcome, Output, Step, VerificationOutcome,
    message::{Authorization, DeviceId, Message, Protocol, Protocols, Reason},
};
use crate::{
    error::{Cause, Error, UserError},
    homeserver::HomeserverAddress,
    printable,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(
    clippy::enum_variant_names,
    reason = "a state is named after what it expects"
)]
pub(super) enum State {
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
    /// The secrets are out. What the new device makes of them can still be heard. With how the
    /// session ended, if it did before it was known that they stood in it.
    ExpectVerified { id: DeviceId, unsure: Option<Ended> },
}

/// The existing device scanned: it speaks next, and says where the account lives.
pub(super) fn start(homeserver: HomeserverAddress) -> (super::State, Vec<Output>) {
    let offer = Protocols {
        device_authorization_grant: true,
        homeserver,
    };
    (
        super::State::Existing(State::ExpectProtocol),
        vec![Output::Send(Message::Protocols(offer))],
    )
}

fn next(state: State, outputs: Vec<Output>) -> Step {
    Step::Next(super::State::Existing(state), outputs)
}

fn fail(reason: Reason, error: Error) -> Step {
    Step::Fail(Message::Failure(reason), error)
}

impl State {
    pub(super) fn message(self, message: Message) -> Step {
        match (self, message) {
            (
                Self::ExpectProtocol,
                Message::Protocol(Protocol::DeviceAuthorizationGrant(wanted)),
            ) => {
                let ask = Ask::FindDevice(wanted.device_id.clone());
                next(Self::ExpectAbsent(wanted), vec![Output::Ask(ask)])
            }
            (Self::ExpectProtocol, Message::Protocol(Protocol::Other(name))) => unsupported(&name),
            (Self::ExpectSuccess(id), Message::Success) => next(
                Self::ExpectPresent(id.clone()),
                vec![Output::Ask(Ask::AwaitDevice(id))],
            ),
            (Self::ExpectSuccess(_), Message::Declined) => Step::Done(
                Vec::new(),
                Outcome {
                    result: Err(Error::Declined),
                    session: Leave::Delete,
                },
            ),
            _ => Step::Surprise,
        }
    }

    pub(super) fn answer(self, answer: Answer) -> Step {
        match (self, answer) {
            (Self::ExpectAbsent(wanted), Answer::Device(found)) => absent(wanted, found),
            (Self::ExpectOpened(id), Answer::Opened(Ok(()))) => next(
                Self::ExpectSuccess(id),
                vec![Output::Send(Message::ProtocolAccepted)],
            ),
            (Self::ExpectOpened(_), Answer::Opened(Err(why))) => not_opened(why),
            (Self::ExpectPresent(id), Answer::Device(found)) => present(id, found),
            (Self::ExpectSecrets(id), Answer::Exported(Ok(secrets))) => next(
                Self::ExpectVerified {
                    id: id.clone(),
                    unsure: None,
                },
                vec![
                    Output::Send(Message::Secrets(secrets)),
                    Output::Ask(Ask::AwaitVerified(id)),
                ],
            ),
            (Self::ExpectSecrets(_), Answer::Exported(Err(trouble))) => {
                fail(Reason::UserCancelled, Error::NoSecrets(trouble))
            }
            (Self::ExpectVerified { id, unsure }, Answer::Verified(outcome)) => {
                verified(id, (outcome, unsure))
            }
            _ => Step::Surprise,
        }
    }
}

fn unsupported(name: &str) -> Step {
    let what = format!(
        "the new device wants to sign in by {}, which this one does not know",
        printable(name)
    );
    let trouble = UserError::new(
        Cause::OtherDevice,
        what,
        "Update this app, then begin again.",
    );
    fail(
        Reason::UnsupportedProtocol,
        Error::UnsupportedProtocol(trouble),
    )
}

/// Only a clear "no such device" lets the sign-in go on.
fn absent(wanted: Authorization, found: Result<DeviceLookup, UserError>) -> Step {
    match found {
        Ok(DeviceLookup::Absent) => next(
            State::ExpectOpened(wanted.device_id),
            vec![Output::Ask(Ask::OpenUri(wanted.link))],
        ),
        Ok(DeviceLookup::Present) => fail(
            Reason::DeviceAlreadyExists,
            Error::DeviceAlreadyExists(wanted.device_id),
        ),
        Err(trouble) => fail(Reason::UserCancelled, Error::DeviceUnknown(trouble)),
    }
}

fn not_opened(why: NotOpened) -> Step {
    match why {
        NotOpened::Refused => fail(Reason::UserCancelled, Error::LinkRefused),
        NotOpened::Unusable(trouble) => fail(
            Reason::UnableToOpenVerificationUri,
            Error::LinkUnusable(trouble),
        ),
    }
}

/// Only a clear "it is there" lets the secrets out of the store.
fn present(id: DeviceId, found: Result<DeviceLookup, UserError>) -> Step {
    match found {
        Ok(DeviceLookup::Present) => next(
            State::ExpectSecrets(id),
            vec![Output::Ask(Ask::ExportSecrets)],
        ),
        Ok(DeviceLookup::Absent) => fail(Reason::DeviceNotFound, Error::DeviceNotFound(id)),
        Err(trouble) => fail(Reason::DeviceNotFound, Error::DeviceUnknown(trouble)),
    }
}

/// The new device has yet to read the secrets, or has deleted the session: it is not ours, unless
/// there is no new device.
fn verified(id: DeviceId, (outcome, unsure): (VerificationOutcome, Option<Ended>)) -> Step {
    let (result, session) = match (outcome, unsure) {
        (VerificationOutcome::Gone | VerificationOutcome::Unseen, Some(ended)) => {
            (Err(ended.into()), Leave::Alone)
        }
        (VerificationOutcome::Gone, None) => (Err(Error::DeviceGone(id)), Leave::Delete),
        (VerificationOutcome::Verified, _) | (VerificationOutcome::Unseen, None) => {
            (Ok(()), Leave::Alone)
        }
    };
    Step::Done(Vec::new(), Outcome { result, session })
}
