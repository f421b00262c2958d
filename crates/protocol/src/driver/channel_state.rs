//! The state of the secure channel at each point of a login, and the messages in it.

use zeroize::Zeroizing;

use super::host::{Host, Progress};
use crate::{
    channel::{ChannelError, CheckCode, Refused, SecureChannel, Unconfirmed},
    login::{
        Input,
        message::{DeviceId, Message, Unreadable},
    },
    rendezvous::{Binding, Location, Payload},
};

/// The channel, and the session that says which revision's messages go over it.
pub(super) struct ChannelState<'a> {
    shape: Shape,
    device_id: DeviceId,
    location: &'a Location,
}

/// The state of the channel at this point of the login.
enum Shape {
    /// Device G before the check code: it can receive, and send one final message.
    Unconfirmed(Unconfirmed),
    /// The check code was wrong: one final message can be sent.
    Refused(Refused),
    Secure(SecureChannel),
    /// The final message was sent.
    Spent,
}

impl<'a> ChannelState<'a> {
    pub(super) fn unconfirmed(unconfirmed: Unconfirmed, location: &'a Location) -> Self {
        Self {
            device_id: unconfirmed.device_id().clone(),
            shape: Shape::Unconfirmed(unconfirmed),
            location,
        }
    }

    pub(super) fn secure(channel: SecureChannel, location: &'a Location) -> Self {
        Self {
            device_id: channel.device_id().clone(),
            shape: Shape::Secure(channel),
            location,
        }
    }

    /// The device ID that is bound to this channel.
    pub(super) fn device_id(&self) -> &DeviceId {
        &self.device_id
    }

    pub(super) fn confirm(&mut self, code: &CheckCode) -> bool {
        let (shape, right) = match std::mem::replace(&mut self.shape, Shape::Spent) {
            Shape::Unconfirmed(unconfirmed) => match unconfirmed.confirm(code) {
                Ok(channel) => (Shape::Secure(channel), true),
                Err(refused) => (Shape::Refused(refused), false),
            },
            other => (other, false),
        };
        self.shape = shape;
        right
    }

    pub(super) fn seal(
        &mut self,
        message: &Message,
        binding: Binding,
    ) -> Result<Payload, ChannelError> {
        let plaintext = message.encode(self.location);
        match &mut self.shape {
            Shape::Secure(channel) => channel.seal(&plaintext, binding),
            shape => match std::mem::replace(shape, Shape::Spent) {
                Shape::Unconfirmed(unconfirmed) => {
                    unconfirmed.refuse().last_word(&plaintext, binding)
                }
                Shape::Refused(refused) => refused.last_word(&plaintext, binding),
                Shape::Secure(_) | Shape::Spent => Err(ChannelError::Broken),
            },
        }
    }

    fn open(&mut self, payload: &Payload) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        match &mut self.shape {
            Shape::Unconfirmed(unconfirmed) => unconfirmed.open(payload),
            Shape::Secure(channel) => channel.open(payload),
            Shape::Refused(_) | Shape::Spent => Err(ChannelError::Broken),
        }
    }

    pub(super) fn hear<H: Host, A>(&mut self, host: &H, payload: &Payload) -> Input<A> {
        let Ok(json) = self.open(payload) else {
            return self.hear_past_one(host, payload);
        };
        match Message::parse(&json, self.location) {
            Ok(message) => {
                host.tell(Progress::Received(message.kind()));
                Input::Message(message)
            }
            Err(unreadable) => Input::Unreadable(unreadable),
        }
    }

    /// A last word that was written over a message that this device has not read yet, as
    /// matrix-js-sdk does. Only an end can follow what is missing.
    fn hear_past_one<H: Host, A>(&mut self, host: &H, payload: &Payload) -> Input<A> {
        let opened = match &mut self.shape {
            Shape::Unconfirmed(unconfirmed) => unconfirmed.open_past_one(payload),
            Shape::Secure(channel) => channel.open_past_one(payload),
            Shape::Refused(_) | Shape::Spent => None,
        };
        let Some(json) = opened else {
            return Input::Tampered;
        };
        match Message::parse(&json, self.location) {
            Ok(message @ (Message::Failure(_) | Message::Declined)) => {
                host.tell(Progress::Received(message.kind()));
                Input::Message(message)
            }
            _ => Input::Unreadable(Unreadable::Overwritten),
        }
    }
}
