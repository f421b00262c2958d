//! "Login via OAuth 2.0" and "Secret sharing", steps 1 to 5 and 1 to 3: what each device says, and
//! when.
//!
//! [`Login`] is a function: an [`Input`] goes in, [`Output`]s come out. It knows no time, HTTP,
//! revision or cipher, so that a test can try every sequence of inputs. The two roles hold the
//! happy path only; whatever can go wrong for both (failure, refusal, cancel, surprise, the end of
//! the session) is handled once, here.

pub mod message;

mod events;
mod existing_device;
mod new_device;
mod secrets;
#[cfg(test)]
mod tests;
mod wire;

pub use self::events::{
    Answer, Ask, DeviceLookup, Ended, Input, Leave, NoAuthorization, NoToken, NotImported,
    NotOpened, Outcome, Output, VerificationOutcome,
};
use self::message::{Message, Reason};
use crate::{error::Error, homeserver::HomeserverAddress, revision::Role};

/// One device's side of a sign-in, from the end of the channel's establishment on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Login(Stage);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Stage {
    /// Device G's step 7. matrix-js-sdk speaks before the digits are typed: one message waits here.
    CheckCode {
        first: State,
        early: Option<Early>,
    },
    Running(State),
    Over,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum State {
    New(new_device::State),
    Existing(existing_device::State),
}

/// A message that came before the check code. Only the two that can be first: none of them is
/// secret.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Early {
    Protocols(message::Protocols),
    Protocol(message::Protocol),
}

/// What an expected input leads to.
enum Step {
    /// On to the next state.
    Next(State, Vec<Output>),
    /// The end, as it should be.
    Done(Vec<Output>, Outcome),
    /// The end, and the peer is told why.
    Fail(Message, Error),
    /// This was not expected here.
    Surprise,
}

impl Login {
    /// A login just after LoginOk. `scanned` is the homeserver of the one who scanned the code,
    /// which is also the one who speaks next: as the new device the homeserver in the code, as the
    /// existing device the one to announce.
    #[must_use]
    pub fn start(role: Role, scanned: Option<HomeserverAddress>) -> (Self, Vec<Output>) {
        match (role, scanned) {
            (Role::New, Some(homeserver)) => Self::running(new_device::start(homeserver)),
            (Role::Existing, Some(homeserver)) => Self::running(existing_device::start(homeserver)),
            (Role::New, None) => Self::guarded(State::New(new_device::State::ExpectProtocols)),
            (Role::Existing, None) => {
                Self::guarded(State::Existing(existing_device::State::ExpectProtocol))
            }
        }
    }

    fn running((state, outputs): (State, Vec<Output>)) -> (Self, Vec<Output>) {
        (Self(Stage::Running(state)), outputs)
    }

    fn guarded(first: State) -> (Self, Vec<Output>) {
        (
            Self(Stage::CheckCode { first, early: None }),
            vec![Output::Ask(Ask::CheckCode)],
        )
    }

    /// Takes what happened, says what to do. After [`Output::End`] it says nothing more.
    pub fn handle(&mut self, input: Input) -> Vec<Output> {
        match (input, &self.0) {
            (_, Stage::Over) => Vec::new(),
            (Input::Ended(_) | Input::Tampered, stage) if stage.needs_no_session() => Vec::new(),
            (
                Input::Unsent(ended),
                Stage::Running(State::Existing(existing_device::State::ExpectVerified {
                    id, ..
                })),
            ) => {
                // Deleted after the secrets were read, or before: whether the new device signs
                // itself will tell.
                let state = existing_device::State::ExpectVerified {
                    id: id.clone(),
                    unsure: Some(ended),
                };
                self.0 = Stage::Running(State::Existing(state));
                Vec::new()
            }
            (Input::Ended(ended) | Input::Unsent(ended), _) => {
                let session = if matches!(ended, Ended::Unusable(_)) {
                    Leave::Delete
                } else {
                    Leave::Alone
                };
                self.end(Vec::new(), failed(ended.into(), session))
            }
            (Input::Message(Message::Failure(reason)), stage) => {
                let error = stage.peer_failed(reason);
                self.end(Vec::new(), failed(error, Leave::Delete))
            }
            (
                Input::Cancel,
                Stage::Running(State::Existing(existing_device::State::ExpectVerified {
                    id, ..
                })),
            ) => {
                // Secrets that were not read yet cannot be read any more. Those that were cannot be
                // called back.
                let error = Error::CancelledTooLate(id.clone());
                self.end(Vec::new(), failed(error, Leave::Delete))
            }
            (Input::Cancel, _) => {
                self.say_why(Message::Failure(Reason::UserCancelled), Error::Cancelled)
            }
            (Input::Tampered, _) => self.surprised(Error::Tampered),
            (Input::Unreadable(what), _) => self.surprised(Error::Unreadable(what)),
            (Input::CheckCode(right), Stage::CheckCode { .. }) => self.check_code(right),
            (Input::Message(message), Stage::CheckCode { .. }) => self.hear_early(message),
            (Input::Message(message), Stage::Running(_)) => self.hear(message),
            (Input::Answer(answer), Stage::Running(state)) => match state.clone().answer(answer) {
                // Not what was asked: a question that a later one made pointless.
                Step::Surprise => Vec::new(),
                step => self.take(step, ""),
            },
            (Input::CheckCode(_) | Input::Answer(_), _) => Vec::new(),
        }
    }

    /// Step 7 of the channel: one attempt.
    fn check_code(&mut self, right: bool) -> Vec<Output> {
        if !right {
            return self.say_why(
                Message::Failure(Reason::UserCancelled),
                Error::WrongCheckCode,
            );
        }
        let Stage::CheckCode { first, early } = std::mem::replace(&mut self.0, Stage::Over) else {
            return Vec::new();
        };
        self.0 = Stage::Running(first);
        early
            .map(|early| self.hear(early.into()))
            .unwrap_or_default()
    }

    fn hear_early(&mut self, message: Message) -> Vec<Output> {
        let kind = message.kind();
        let Stage::CheckCode {
            early: early @ None,
            ..
        } = &mut self.0
        else {
            return self.surprised(Error::UnexpectedMessage(kind));
        };
        match message {
            Message::Protocols(protocols) => *early = Some(Early::Protocols(protocols)),
            Message::Protocol(protocol) => *early = Some(Early::Protocol(protocol)),
            _ => return self.surprised(Error::UnexpectedMessage(kind)),
        }
        Vec::new()
    }

    fn hear(&mut self, message: Message) -> Vec<Output> {
        let Stage::Running(state) = &self.0 else {
            return Vec::new();
        };
        let kind = message.kind();
        let step = state.clone().message(message);
        self.take(step, kind)
    }

    fn take(&mut self, step: Step, kind: &'static str) -> Vec<Output> {
        match step {
            Step::Next(state, outputs) => {
                self.0 = Stage::Running(state);
                outputs
            }
            Step::Done(outputs, over) => self.end(outputs, over),
            Step::Fail(message, error) => self.say_why(message, error),
            Step::Surprise => self.surprised(Error::UnexpectedMessage(kind)),
        }
    }

    fn surprised(&mut self, error: Error) -> Vec<Output> {
        self.say_why(Message::Failure(Reason::UnexpectedMessageReceived), error)
    }

    /// The other device reads the reason from the session.
    fn say_why(&mut self, message: Message, error: Error) -> Vec<Output> {
        self.end(
            vec![Output::Send(message)],
            failed(error, Leave::DeleteOnceRead),
        )
    }

    fn end(&mut self, mut outputs: Vec<Output>, over: Outcome) -> Vec<Output> {
        self.0 = Stage::Over;
        outputs.push(Output::End(over));
        outputs
    }
}

impl Stage {
    /// Once the secrets are on their way, nothing that the session could bring is needed.
    fn needs_no_session(&self) -> bool {
        matches!(
            self,
            Self::Running(
                State::New(new_device::State::ExpectImported)
                    | State::Existing(existing_device::State::ExpectVerified { .. })
            )
        )
    }

    /// matrix-js-sdk says `user_cancelled` where the text has `m.login.declined`; others mean a
    /// cancel.
    fn peer_failed(&self, reason: Reason) -> Error {
        match (self, &reason) {
            (
                Self::Running(State::Existing(existing_device::State::ExpectSuccess(_))),
                Reason::UserCancelled,
            ) => Error::CancelledOrDeclined,
            _ => Error::Peer(reason),
        }
    }
}

impl State {
    fn message(self, message: Message) -> Step {
        match self {
            Self::New(state) => state.message(message),
            Self::Existing(state) => state.message(message),
        }
    }

    fn answer(self, answer: Answer) -> Step {
        match self {
            Self::New(state) => state.answer(answer),
            Self::Existing(state) => state.answer(answer),
        }
    }
}

impl From<Early> for Message {
    fn from(early: Early) -> Self {
        match early {
            Early::Protocols(protocols) => Self::Protocols(protocols),
            Early::Protocol(protocol) => Self::Protocol(protocol),
        }
    }
}

fn failed(error: Error, session: Leave) -> Outcome {
    Outcome {
        result: Err(error),
        session,
    }
}
