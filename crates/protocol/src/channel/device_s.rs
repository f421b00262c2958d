//! Device S: steps 1, 4 and 6.

use rand_core::CryptoRng;

use super::check_code::CheckCode;
use super::cipher::SentInitiate;
use super::error::ChannelError;
use super::keys::PublicKey;
use super::payload::{OK, decode, expect_greeting};
use super::secure_channel::SecureChannel;
use super::{ecies, hpke};
use crate::rendezvous::{Binding, Payload};
use crate::revision::{Dialect, Revision};

/// Device S between steps 4 and 6: it has sent LoginInitiate and waits for LoginOk.
pub struct Initiated(pub(super) SentInitiate);

impl Initiated {
    /// Steps 1 and 4, for the key Gp of a scanned code. The second item is the LoginInitiate
    /// payload to send, written against `binding`.
    ///
    /// # Errors
    /// [`ChannelError::NonContributoryKey`] when `generator` is a forged key.
    pub fn new(
        generator: &PublicKey,
        revision: impl Into<Revision>,
        dialect: Dialect,
        binding: Binding,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Payload), ChannelError> {
        let (sent, bytes) = match revision.into() {
            Revision::Msc4108 => ecies::initiate(generator, dialect, &binding, rng),
            // Here it is device G that chooses a dialect.
            Revision::Msc4388 => hpke::initiate(generator, &binding, rng),
        }?;
        Ok((Self(sent), Payload { bytes, binding }))
    }

    /// Step 6: opens LoginOk. From here on device S knows that it is connected to device G; show
    /// the code to the person.
    ///
    /// # Errors
    /// When the payload is not device G's LoginOk. There is no second attempt.
    pub fn finish(self, login_ok: &Payload) -> Result<(SecureChannel, CheckCode), ChannelError> {
        let Self(sent) = self;
        let message = decode(&login_ok.bytes)?;
        let (theirs, plaintext) = sent.awaited.finish(&message, login_ok.binding.as_bytes())?;
        expect_greeting(&plaintext, OK)?;
        let channel = SecureChannel::new(sent.ours, theirs, sent.device_id);
        Ok((channel, sent.code))
    }
}
