//! The device that is being signed in.

use super::{
    Answer, Ask, Leave, NoAuthorization, NoToken, NotImported, Outcome, Output, Step,
    message::{Message, Protocol, Protocols, Reason},
};
use crate::{
    error::{Cause, Error, UserError},
    homeserver::HomeserverAddress,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(
    clippy::enum_variant_names,
    reason = "a state is named after what it expects"
)]
pub(super) enum State {
    /// Step 1, when the existing device scanned: it says where the account lives.
    ExpectProtocols,
    /// Step 2: the authorization server was asked.
    ExpectAuthorization,
    /// Step 3: the existing device was told.
    ExpectProtocolAccepted,
    /// Step 4: the person decides.
    ExpectToken,
    /// Secret sharing, steps 1 and 2: the existing device looks for us.
    ExpectSecrets,
    /// Secret sharing, step 3: sign, upload.
    ExpectImported,
}

/// The new device scanned: the homeserver was in the code, and it speaks next.
pub(super) fn start(homeserver: HomeserverAddress) -> (super::State, Vec<Output>) {
    (
        super::State::New(State::ExpectAuthorization),
        vec![Output::Ask(Ask::RequestAuthorization(homeserver))],
    )
}

fn next(state: State, outputs: Vec<Output>) -> Step {
    Step::Next(super::State::New(state), outputs)
}

impl State {
    pub(super) fn message(self, message: Message) -> Step {
        match (self, message) {
            (Self::ExpectProtocols, Message::Protocols(offer)) => choose(offer),
            (Self::ExpectProtocolAccepted, Message::ProtocolAccepted) => {
                next(Self::ExpectToken, vec![Output::Ask(Ask::AwaitToken)])
            }
            (Self::ExpectSecrets, Message::Secrets(secrets)) => next(
                Self::ExpectImported,
                vec![Output::Ask(Ask::ImportSecrets(secrets))],
            ),
            _ => Step::Surprise,
        }
    }

    pub(super) fn answer(self, answer: Answer) -> Step {
        match (self, answer) {
            (Self::ExpectAuthorization, Answer::Authorization(Ok(wanted))) => {
                let wanted = Message::Protocol(Protocol::DeviceAuthorizationGrant(wanted));
                next(Self::ExpectProtocolAccepted, vec![Output::Send(wanted)])
            }
            (Self::ExpectAuthorization, Answer::Authorization(Err(why))) => no_authorization(why),
            (Self::ExpectToken, Answer::Token(Ok(()))) => {
                next(Self::ExpectSecrets, vec![Output::Send(Message::Success)])
            }
            (Self::ExpectToken, Answer::Token(Err(why))) => no_token(why),
            // The last to read: the session is ours to delete.
            (Self::ExpectImported, Answer::Imported(Ok(()))) => Step::Done(
                Vec::new(),
                Outcome {
                    result: Ok(()),
                    session: Leave::Delete,
                },
            ),
            (Self::ExpectImported, Answer::Imported(Err(why))) => not_imported(why),
            _ => Step::Surprise,
        }
    }
}

fn choose(offer: Protocols) -> Step {
    if offer.device_authorization_grant {
        return next(
            State::ExpectAuthorization,
            vec![Output::Ask(Ask::RequestAuthorization(offer.homeserver))],
        );
    }
    let trouble = UserError::new(
        Cause::OtherDevice,
        "the other device offers no way to sign in that this one knows",
        "Update both apps; if it stays, the homeserver does not offer the device authorization grant.",
    );
    Step::Fail(
        Message::Failure(Reason::UnsupportedProtocol),
        Error::UnsupportedProtocol(trouble),
    )
}

fn no_authorization(why: NoAuthorization) -> Step {
    match why {
        NoAuthorization::Unsupported(trouble) => Step::Fail(
            Message::Failure(Reason::UnsupportedProtocol),
            Error::UnsupportedProtocol(trouble),
        ),
        NoAuthorization::Failed(trouble) => Step::Fail(
            Message::Failure(Reason::UserCancelled),
            Error::NotAuthorized(trouble),
        ),
    }
}

fn no_token(why: NoToken) -> Step {
    match why {
        NoToken::Denied => Step::Fail(Message::Declined, Error::Declined),
        NoToken::Expired => Step::Fail(
            Message::Failure(Reason::AuthorizationExpired),
            Error::AuthorizationExpired,
        ),
        NoToken::WrongAccount(trouble) => Step::Fail(
            Message::Failure(Reason::UserCancelled),
            Error::WrongAccount(trouble),
        ),
        NoToken::Failed(trouble) => Step::Fail(
            Message::Failure(Reason::UserCancelled),
            Error::NotAuthorized(trouble),
        ),
    }
}

fn not_imported(why: NotImported) -> Step {
    match why {
        NotImported::Refused(trouble) => Step::Fail(
            Message::Failure(Reason::UnexpectedMessageReceived),
            Error::SecretsRefused(trouble),
        ),
        NotImported::Failed(trouble) => Step::Fail(
            Message::Failure(Reason::UserCancelled),
            Error::NotSetUp(trouble),
        ),
    }
}
