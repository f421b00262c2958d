//! Device G: steps 1, 5 and 7.

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::check_code::CheckCode;
use super::error::ChannelError;
use super::keys::{KeyPair, PublicKey};
use super::payload::{INITIATE, OK, expect_greeting, payload};
use super::secure_channel::SecureChannel;
use super::{ecies, hpke};
use crate::device_id::DeviceId;
use crate::rendezvous::{Binding, Payload};
use crate::revision::{Dialect, Revision};

/// Device G before anyone has scanned its code: steps 1 and 5.
pub struct Generator(Key);

enum Key {
    Ecies(KeyPair),
    Hpke(hpke::Waiting),
}

impl Generator {
    /// Step 1: an ephemeral key pair. Give it the operating system's generator.
    #[must_use]
    pub fn new(revision: impl Into<Revision>, dialect: Dialect, rng: &mut impl CryptoRng) -> Self {
        Self(match revision.into() {
            // Here it is device S that chooses a dialect.
            Revision::Msc4108 => Key::Ecies(KeyPair::new(rng)),
            Revision::Msc4388 => Key::Hpke(hpke::Waiting::new(dialect, rng)),
        })
    }

    /// Gp, for the QR code.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        match &self.0 {
            Key::Ecies(pair) => pair.public,
            Key::Hpke(waiting) => waiting.public,
        }
    }

    /// Step 5: opens LoginInitiate. The second item is the LoginOk payload to send, written against
    /// `binding`.
    ///
    /// # Errors
    /// When the payload is no LoginInitiate for this key. The key pair is used up then: anyone can
    /// write to a rendezvous session, and a second candidate would be a second guess for an
    /// attacker.
    pub fn accept(
        self,
        initiate: &Payload,
        binding: Binding,
    ) -> Result<(Unconfirmed, Payload), ChannelError> {
        let mut accepted = match self.0 {
            Key::Ecies(pair) => ecies::accept(pair, initiate),
            Key::Hpke(waiting) => waiting.accept(initiate),
        }?;
        expect_greeting(&accepted.greeting, INITIATE)?;
        let mut login_ok = accepted.preface;
        login_ok.extend(accepted.ours.seal(OK, binding.as_bytes())?);
        let unconfirmed = Unconfirmed {
            channel: SecureChannel::new(accepted.ours, accepted.theirs, accepted.device_id),
            code: accepted.code,
        };
        Ok((unconfirmed, payload(&login_ok, binding)))
    }
}

/// Device G between steps 5 and 7: another device knows the keys, and only the check code shows
/// which.
///
/// It can read what that device sends, and sends nothing itself.
pub struct Unconfirmed {
    channel: SecureChannel,
    code: CheckCode,
}

impl Unconfirmed {
    /// Opens a payload that came before the check code was typed. It proves nothing about who sent
    /// it.
    ///
    /// # Errors
    /// As [`SecureChannel::open`].
    pub fn open(&mut self, payload: &Payload) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        self.channel.open(payload)
    }

    /// As [`SecureChannel::device_id`]. Before the check code it is that of whoever scanned the code.
    #[must_use]
    pub fn device_id(&self) -> &DeviceId {
        self.channel.device_id()
    }

    /// As [`SecureChannel::open_past_one`].
    pub fn open_past_one(&mut self, payload: &Payload) -> Option<Zeroizing<Vec<u8>>> {
        self.channel.open_past_one(payload)
    }

    /// Step 7: the one attempt at the code that the other device shows. It takes the same time for
    /// every wrong code.
    ///
    /// # Errors
    /// [`Refused`] when the codes differ: end the sign-in on both sides.
    pub fn confirm(self, code: &CheckCode) -> Result<SecureChannel, Refused> {
        if self.code == *code {
            Ok(self.channel)
        } else {
            Err(Refused(self.channel))
        }
    }

    /// Ends it without an attempt, because the person cancelled or the other device broke the
    /// rules.
    #[must_use]
    pub fn refuse(self) -> Refused {
        Refused(self.channel)
    }
}

/// A channel that was never confirmed. One farewell can still be sent over it.
pub struct Refused(SecureChannel);

impl Refused {
    /// Seals the one message that tells the other end, whoever it is, that this is over. It must
    /// hold no secret.
    ///
    /// # Errors
    /// As [`SecureChannel::seal`].
    pub fn last_word(
        mut self,
        plaintext: &[u8],
        binding: Binding,
    ) -> Result<Payload, ChannelError> {
        self.0.seal(plaintext, binding)
    }
}
