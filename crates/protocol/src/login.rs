//! "Login via OAuth 2.0" and "Secret sharing", steps 1 to 5 and 1 to 3: what each device says, and
//! when.
//!
//! [`Login`] is a function: an [`Input`] goes in, [`Output`]s come out. It knows no time, HTTP,
//! revision or cipher, so that a test can try every sequence of inputs. The two roles hold the
//! happy path only, each with questions and answers of its own; whatever can go wrong for both
//! (failure, refusal, cancel, surprise, the end of the session) is handled once, here.
//!
//! A question that nobody answers does not compile:
//!
//! ```compile_fail,E0004
//! use matrix_qr_protocol::login::{NewDeviceAnswer, NewDeviceAsk};
//!
//! fn answer(ask: NewDeviceAsk) -> NewDeviceAnswer {
//!     match ask {
//!         NewDeviceAsk::AwaitToken => NewDeviceAnswer::AwaitToken(Ok(())),
//!         NewDeviceAsk::ImportSecrets(_) => NewDeviceAnswer::ImportSecrets(Ok(())),
//!     }
//! }
//! ```
//!
//! Nor does an answer of the other role:
//!
//! ```compile_fail,E0308
//! use matrix_qr_protocol::login::{ExistingDeviceAnswer, Input, NewDeviceLogin};
//!
//! let (mut login, _) = NewDeviceLogin::shown();
//! login.handle(Input::Answer(ExistingDeviceAnswer::OpenUri(Ok(()))));
//! ```

pub mod message;

mod events;
mod existing_device;
mod new_device;
mod role_state;
mod secrets;
#[cfg(test)]
mod tests;
mod wire;

pub use self::events::{
    DeviceLookup, Ended, ExistingDeviceAnswer, ExistingDeviceAsk, Input, Leave, NewDeviceAnswer,
    NewDeviceAsk, NoAuthorization, NoToken, NotImported, NotLookedUp, NotOpened, Outcome, Output,
    VerificationOutcome,
};
pub(crate) use self::{
    existing_device::ExistingDeviceState, new_device::NewDeviceState, role_state::RoleState,
};
use self::{
    message::{Message, Reason},
    role_state::LoginStep,
};
use crate::{error::Error, homeserver::HomeserverAddress};

/// The login of a device that is being signed in.
pub type NewDeviceLogin = Login<NewDeviceState>;
/// The login of a device that is already signed in.
pub type ExistingDeviceLogin = Login<ExistingDeviceState>;

/// One device's side of a sign-in, from the moment when the channel is established.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Login<S>(LoginStage<S>);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum LoginStage<S> {
    /// Device G's step 7. matrix-js-sdk speaks before the digits are typed: one message waits here.
    CheckCode {
        early: Option<EarlyMessage>,
    },
    Running(S),
    Over,
}

/// A message that came before the check code. Only the two that can be first: none of them is
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum EarlyMessage {
    Protocols(message::Protocols),
    Protocol(message::Protocol),
}

impl<S: RoleState> Login<S> {
    /// The device that shows the code, just after LoginOk.
    #[must_use]
    pub fn shown() -> (Self, Vec<Output<S::Ask>>) {
        let login = Self(LoginStage::CheckCode { early: None });
        (login, vec![Output::AskCheckCode])
    }

    /// The device that scanned the code, just after LoginOk. It speaks next, and knows the
    /// homeserver: a new device has it from the code, an existing device announces its own.
    #[must_use]
    pub fn scanned(homeserver: HomeserverAddress) -> (Self, Vec<Output<S::Ask>>) {
        let (state, outputs) = S::scanned(homeserver);
        (Self(LoginStage::Running(state)), outputs)
    }

    /// Takes what happened, says what to do. After [`Output::End`] it says nothing more.
    pub fn handle(&mut self, input: Input<S::Answer>) -> Vec<Output<S::Ask>> {
        match (input, std::mem::replace(&mut self.0, LoginStage::Over)) {
            (_, LoginStage::Over) => Vec::new(),
            (Input::Ended(_), LoginStage::Running(state)) if state.needs_no_session() => {
                self.stay(LoginStage::Running(state))
            }
            (Input::Tampered, LoginStage::Running(state)) if state.needs_no_session() => {
                self.stay(LoginStage::Running(state.written_over()))
            }
            (Input::Unsent(ended), LoginStage::Running(state)) => match state.unsent(ended) {
                Ok(state) => self.stay(LoginStage::Running(state)),
                Err(ended) => self.without_session(ended),
            },
            (Input::Ended(ended) | Input::Unsent(ended), _) => self.without_session(ended),
            (Input::Message(Message::Failure(reason)), LoginStage::Running(state)) => {
                self.end(Err(state.peer_failed(reason)), Leave::Delete)
            }
            (Input::Message(Message::Failure(reason)), LoginStage::CheckCode { .. }) => {
                self.end(Err(Error::Peer(reason)), Leave::Delete)
            }
            (Input::Cancel, LoginStage::Running(state)) => self.take(state.cancelled()),
            (Input::Cancel, _) => self.take(LoginStep::cancel(Error::Cancelled)),
            (Input::Tampered, LoginStage::Running(state)) => self.take(surprise(state.tampered())),
            (Input::Tampered, _) => self.take(surprise(Error::Tampered)),
            (Input::Unreadable(what), _) => self.take(surprise(Error::Unreadable(what))),
            (Input::CheckCode(right), LoginStage::CheckCode { early }) => {
                self.check_code(right, early)
            }
            (Input::Message(Message::Protocols(offer)), LoginStage::CheckCode { early: None }) => {
                let early = Some(EarlyMessage::Protocols(offer));
                self.stay(LoginStage::CheckCode { early })
            }
            (Input::Message(Message::Protocol(wanted)), LoginStage::CheckCode { early: None }) => {
                let early = Some(EarlyMessage::Protocol(wanted));
                self.stay(LoginStage::CheckCode { early })
            }
            (Input::Message(message), LoginStage::Running(state)) => self.hear(state, message),
            (Input::Message(message), LoginStage::CheckCode { .. }) => {
                self.take(surprise(Error::UnexpectedMessage(message.kind())))
            }
            (Input::Answer(answer), LoginStage::Running(state)) => {
                let step = state.answer(answer);
                self.take(step.unwrap_or_else(out_of_order))
            }
            (Input::Answer(_) | Input::CheckCode(_), _) => self.take(out_of_order()),
        }
    }

    /// Step 7 of the channel: one attempt.
    fn check_code(&mut self, right: bool, early: Option<EarlyMessage>) -> Vec<Output<S::Ask>> {
        match (right, early) {
            (true, Some(early)) => self.hear(S::SHOWN, early.into()),
            (true, None) => self.stay(LoginStage::Running(S::SHOWN)),
            (false, _) => self.take(LoginStep::cancel(Error::WrongCheckCode)),
        }
    }

    fn hear(&mut self, state: S, message: Message) -> Vec<Output<S::Ask>> {
        let kind = message.kind();
        let step = state.message(message);
        self.take(step.unwrap_or_else(|| surprise(Error::UnexpectedMessage(kind))))
    }

    fn take(&mut self, step: LoginStep<S>) -> Vec<Output<S::Ask>> {
        match step {
            LoginStep::Next(state, outputs) => {
                self.0 = LoginStage::Running(state);
                outputs
            }
            LoginStep::Done(result, session) => self.end(result, session),
            // The other device reads the reason from the session.
            LoginStep::Fail(message, error) => {
                let mut outputs = vec![Output::Send(message)];
                outputs.extend(self.end(Err(error), Leave::DeleteOnceRead));
                outputs
            }
        }
    }

    fn stay(&mut self, stage: LoginStage<S>) -> Vec<Output<S::Ask>> {
        self.0 = stage;
        Vec::new()
    }

    fn without_session(&mut self, ended: Ended) -> Vec<Output<S::Ask>> {
        let session = ended.leave();
        self.end(Err(ended.into()), session)
    }

    fn end(&mut self, result: Result<(), Error>, session: Leave) -> Vec<Output<S::Ask>> {
        self.0 = LoginStage::Over;
        vec![Output::End(Outcome { result, session })]
    }
}

/// The other device is told that its message was unexpected.
fn surprise<S: RoleState>(error: Error) -> LoginStep<S> {
    LoginStep::fail(Reason::UnexpectedMessageReceived, error)
}

/// An answer that was not asked for: a defect of the program that drives this login. Dropping it
/// would leave both devices waiting.
fn out_of_order<S: RoleState>() -> LoginStep<S> {
    LoginStep::cancel(Error::OutOfOrder)
}

impl From<EarlyMessage> for Message {
    fn from(early: EarlyMessage) -> Self {
        match early {
            EarlyMessage::Protocols(offer) => Self::Protocols(offer),
            EarlyMessage::Protocol(wanted) => Self::Protocol(wanted),
        }
    }
}
