//! The secure channel, in the shape that it has at each point of a login.

use zeroize::Zeroizing;

use super::{Host, Progress};
use crate::{
    channel::{ChannelError, CheckCode, Refused, SecureChannel, Unconfirmed},
    login::{Input, message::Message},
};

/// The channel in the shape that it has at this point of the login.
pub(super) enum Line {
    /// Device G before the check code: it can listen, and say one last word.
    Unconfirmed(Unconfirmed),
    /// The check code was wrong: one last word is left.
    Refused(Refused),
    Secure(SecureChannel),
    /// The last word is said.
    Spent,
}

impl Line {
    pub(super) fn confirm(&mut self, code: &CheckCode) -> bool {
        let (line, right) = match std::mem::replace(self, Self::Spent) {
            Self::Unconfirmed(unconfirmed) => match unconfirmed.confirm(code) {
                Ok(channel) => (Self::Secure(channel), true),
                Err(refused) => (Self::Refused(refused), false),
            },
            other => (other, false),
        };
        *self = line;
        right
    }

    pub(super) fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, ChannelError> {
        match self {
            Self::Secure(channel) => channel.seal(plaintext),
            _ => match std::mem::replace(self, Self::Spent) {
                Self::Unconfirmed(unconfirmed) => unconfirmed.refuse().last_word(plaintext),
                Self::Refused(refused) => refused.last_word(plaintext),
                Self::Secure(_) | Self::Spent => Err(ChannelError::Broken),
            },
        }
    }

    fn open(&mut self, payload: &[u8]) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        match self {
            Self::Unconfirmed(unconfirmed) => unconfirmed.open(payload),
            Self::Secure(channel) => channel.open(payload),
            Self::Refused(_) | Self::Spent => Err(ChannelError::Broken),
        }
    }

    pub(super) fn hear<H: Host>(&mut self, host: &H, payload: &[u8]) -> Input {
        let Ok(json) = self.open(payload) else { return Input::Tampered };
        match Message::parse(&json) {
            Ok(message) => {
                host.tell(Progress::Received(message.kind()));
                Input::Message(message)
            }
            Err(unreadable) => Input::Unreadable(unreadable),
        }
    }
}
