//! Section "Secure operations": the established channel.

use zeroize::Zeroizing;

use super::cipher::{Open, Seal};
use super::error::ChannelError;
use super::payload::{decode, payload, payload_len};
use crate::device_id::DeviceId;
use crate::rendezvous::{Binding, MAX_PAYLOAD_BYTES, Payload};

/// An established channel: section "Secure operations".
pub struct SecureChannel {
    pub(super) ours: Box<dyn Seal>,
    /// Gone after a payload that did not open.
    theirs: Option<Box<dyn Open>>,
    /// What is left then, for [`Self::open_past_one`].
    past_one: Option<Box<dyn Open>>,
    device_id: DeviceId,
}

impl SecureChannel {
    pub(super) fn new(ours: Box<dyn Seal>, theirs: Box<dyn Open>, device_id: DeviceId) -> Self {
        Self {
            ours,
            theirs: Some(theirs),
            past_one: None,
            device_id,
        }
    }

    /// The device ID that a new device takes, so that the existing device knows it to be that of
    /// its peer: 20 characters of `A-Z2-7`, derived from the channel's keys. It is no secret, and
    /// tells nothing of them. Neither proposal has it.
    #[must_use]
    pub fn device_id(&self) -> &DeviceId {
        &self.device_id
    }

    /// Makes the payload that carries `plaintext`; each can be opened once, in this order, and
    /// where it was written.
    ///
    /// # Errors
    /// [`ChannelError::TooLarge`] above 4096 bytes of payload (3056 of plaintext); the channel can
    /// still be used then.
    pub fn seal(&mut self, plaintext: &[u8], binding: Binding) -> Result<Payload, ChannelError> {
        let size = payload_len(plaintext.len());
        if size > MAX_PAYLOAD_BYTES {
            return Err(ChannelError::TooLarge { size });
        }
        let message = self.ours.seal(plaintext, binding.as_bytes())?;
        Ok(payload(&message, binding))
    }

    /// Opens the other device's next payload.
    ///
    /// # Errors
    /// When it is not exactly that. Every error is final: later payloads are not opened
    /// ([`ChannelError::Broken`]). A farewell can still be sealed.
    pub fn open(&mut self, payload: &Payload) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        // Taken out and put back only after success, so that no path can leave a failed channel
        // open.
        let mut theirs = self.theirs.take().ok_or(ChannelError::Broken)?;
        let opened = theirs.open(&decode(&payload.bytes)?, payload.binding.as_bytes());
        match opened {
            Ok(_) => self.theirs = Some(theirs),
            Err(_) => self.past_one = Some(theirs),
        }
        opened
    }

    /// Opens a payload that has just failed to [`Self::open`], if it is the other device's next but
    /// one: it has written twice in a row, and the first was overwritten before it was read.
    /// Nothing can be opened after it. Only where the messages are counted outside of the cipher,
    /// which is in MSC4108.
    pub fn open_past_one(&mut self, payload: &Payload) -> Option<Zeroizing<Vec<u8>>> {
        self.past_one
            .take()?
            .open_past_one(&decode(&payload.bytes).ok()?, payload.binding.as_bytes())
    }
}
