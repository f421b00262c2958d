//! The device that is being signed in.

use super::{
    events::{Leave, NewDeviceAnswer, NewDeviceAsk, NoAuthorization, NoToken, NotImported, Output},
    message::{Message, Protocol, Protocols, Reason},
    role_state::{LoginStep, RoleState},
};
use crate::{error::Error, homeserver::HomeserverAddress};

/// Where the login of a new device is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(
    clippy::enum_variant_names,
    reason = "a state is named after what it expects"
)]
pub enum NewDeviceState {
    /// Step 1, when the existing device scanned: it says which homeserver the account is on.
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

impl RoleState for NewDeviceState {
    type Ask = NewDeviceAsk;
    type Answer = NewDeviceAnswer;
    const SHOWN: Self = Self::ExpectProtocols;

    /// The homeserver was in the code, and this device speaks next.
    fn scanned(homeserver: HomeserverAddress) -> (Self, Vec<Output<NewDeviceAsk>>) {
        let ask = NewDeviceAsk::RequestAuthorization(homeserver);
        (Self::ExpectAuthorization, vec![Output::Ask(ask)])
    }

    fn message(self, message: Message) -> Option<LoginStep<Self>> {
        Some(match (self, message) {
            (Self::ExpectProtocols, Message::Protocols(offer)) => choose(offer),
            (Self::ExpectProtocolAccepted, Message::ProtocolAccepted) => {
                LoginStep::next(Self::ExpectToken, Output::Ask(NewDeviceAsk::AwaitToken))
            }
            (Self::ExpectSecrets, Message::Secrets(secrets)) => {
                let ask = NewDeviceAsk::ImportSecrets(secrets);
                LoginStep::next(Self::ExpectImported, Output::Ask(ask))
            }
            _ => return None,
        })
    }

    fn answer(self, answer: NewDeviceAnswer) -> Option<LoginStep<Self>> {
        use NewDeviceAnswer::{AwaitToken, ImportSecrets, RequestAuthorization};
        Some(match (self, answer) {
            (Self::ExpectAuthorization, RequestAuthorization(Ok(wanted))) => {
                let wanted = Message::Protocol(Protocol::DeviceAuthorizationGrant(wanted));
                LoginStep::next(Self::ExpectProtocolAccepted, Output::Send(wanted))
            }
            (Self::ExpectAuthorization, RequestAuthorization(Err(why))) => no_authorization(why),
            (Self::ExpectToken, AwaitToken(Ok(()))) => {
                LoginStep::next(Self::ExpectSecrets, Output::Send(Message::Success))
            }
            (Self::ExpectToken, AwaitToken(Err(why))) => no_token(why),
            // The last to read: this device deletes the session.
            (Self::ExpectImported, ImportSecrets(Ok(()))) => LoginStep::Done(Ok(()), Leave::Delete),
            (Self::ExpectImported, ImportSecrets(Err(why))) => not_imported(why),
            _ => return None,
        })
    }

    fn needs_no_session(&self) -> bool {
        *self == Self::ExpectImported
    }

    /// Nobody can say here that no secrets were sent.
    fn tampered(&self) -> Error {
        match self {
            Self::ExpectSecrets => Error::TamperedWithSecrets,
            _ => Error::Tampered,
        }
    }
}

fn choose(offer: Protocols) -> LoginStep<NewDeviceState> {
    if offer.device_authorization_grant {
        let (state, outputs) = NewDeviceState::scanned(offer.homeserver);
        return LoginStep::Next(state, outputs);
    }
    LoginStep::unsupported(
        "the other device offers no way to sign in that this device supports",
        "Update both apps; if the problem persists, the homeserver does not offer the device \
         authorization grant.",
    )
}

fn no_authorization(why: NoAuthorization) -> LoginStep<NewDeviceState> {
    let reason = match why {
        NoAuthorization::Unsupported(_) => Reason::UnsupportedProtocol,
        NoAuthorization::Failed(_) => Reason::UserCancelled,
    };
    LoginStep::fail(reason, why.into())
}

fn no_token(why: NoToken) -> LoginStep<NewDeviceState> {
    match why {
        NoToken::Denied => LoginStep::Fail(Message::Declined, Error::Declined),
        NoToken::Expired => {
            LoginStep::fail(Reason::AuthorizationExpired, Error::AuthorizationExpired)
        }
        NoToken::WrongAccount(user_error) => LoginStep::cancel(Error::WrongAccount(user_error)),
        NoToken::Failed(user_error) => LoginStep::cancel(Error::NotAuthorized(user_error)),
    }
}

fn not_imported(why: NotImported) -> LoginStep<NewDeviceState> {
    match why {
        NotImported::Refused(user_error) => LoginStep::fail(
            Reason::UnexpectedMessageReceived,
            Error::SecretsRefused(user_error),
        ),
        NotImported::Failed(user_error) => LoginStep::cancel(Error::NotSetUp(user_error)),
    }
}
