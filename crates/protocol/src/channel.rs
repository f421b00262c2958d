//! Section "Secure channel" of MSC4108 and of MSC4388: two devices that met over a QR code, and
//! nobody else, can read what follows.
//!
//! Device G generates the QR code, device S scans it; either can be the new or the existing one,
//! and this module does not know which. The types follow the numbered steps of "Establishment":
//!
//! ```text
//! device G   Generator (1)   --accept (5)-->  Unconfirmed  --confirm (7)-->  SecureChannel | Refused
//! device S   Initiated (1, 4)  ------------------------finish (6)------->  SecureChannel + CheckCode
//! ```
//!
//! Every step consumes the one before it, so a key pair serves one exchange and a check code is
//! tried once:
//!
//! ```
//! # use matrix_qr_protocol::channel::{CheckCode, SecureChannel, Unconfirmed};
//! fn try_once(unconfirmed: Unconfirmed, code: &CheckCode) -> Option<SecureChannel> {
//!     unconfirmed.confirm(code).ok()
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use matrix_qr_protocol::channel::{CheckCode, SecureChannel, Unconfirmed};
//! fn try_twice(unconfirmed: Unconfirmed, first: &CheckCode, second: &CheckCode) -> Option<SecureChannel> {
//!     unconfirmed.confirm(first).or_else(|_| unconfirmed.confirm(second)).ok()
//! }
//! ```
//!
//! Before the check code there is no way to send, and after a refusal there is one message and no
//! more:
//!
//! ```compile_fail,E0599
//! # use matrix_qr_protocol::channel::Unconfirmed;
//! fn speak_too_early(mut unconfirmed: Unconfirmed) {
//!     let _ = unconfirmed.seal(b"m.login.secrets", Default::default());
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use matrix_qr_protocol::channel::Refused;
//! fn two_last_words(refused: Refused) {
//!     let _ = refused.last_word(b"one", Default::default());
//!     let _ = refused.last_word(b"two", Default::default());
//! }
//! ```

mod check_code;
mod cipher;
mod ecies;
mod error;
mod hpke;
mod keys;

use std::fmt;

use rand_core::CryptoRng;
use zeroize::Zeroizing;

pub use self::check_code::{CheckCode, CheckCodeError};
use self::cipher::{Awaited, Opener, Sealer};
pub use self::error::ChannelError;
use self::keys::KeyPair;
pub use self::keys::PublicKey;
use crate::base64;
use crate::rendezvous::{Binding, MAX_PAYLOAD_BYTES, Payload};
use crate::revision::{Dialect, Revision};

/// Step 4: what device S encrypts to show that it knows the keys.
const INITIATE: &[u8] = b"MATRIX_QR_CODE_LOGIN_INITIATE";
/// Step 5: what device G answers.
const OK: &[u8] = b"MATRIX_QR_CODE_LOGIN_OK";
/// What Poly1305 adds to a message.
const TAG_BYTES: usize = 16;

/// Device G before anyone has scanned its code: steps 1 and 5.
pub struct Generator(Key);

enum Key {
    Ecies(KeyPair),
    Hpke(hpke::Waiting),
}

/// Device G in step 5, once LoginInitiate has opened.
struct AcceptedInitiate {
    ours: Sealer,
    theirs: Opener,
    code: CheckCode,
    greeting: Zeroizing<Vec<u8>>,
    /// What LoginOk begins with, before the ciphertext.
    preface: Vec<u8>,
}

impl Generator {
    /// Step 1: an ephemeral key pair. Give it the operating system's generator.
    #[must_use]
    pub fn new(
        (revision, dialect): (impl Into<Revision>, Dialect),
        rng: &mut impl CryptoRng,
    ) -> Self {
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
            Key::Hpke(waiting) => waiting.public(),
        }
    }

    /// Step 5: opens LoginInitiate. The second item is the LoginOk payload to send, written against
    /// `binding`.
    ///
    /// # Errors
    /// When the payload is no LoginInitiate for this key. The key pair is gone then: anyone can
    /// write to a rendezvous session, and a second candidate would be a second guess for an
    /// attacker.
    pub fn accept(
        self,
        initiate: &Payload,
        binding: Binding,
    ) -> Result<(Unconfirmed, Payload), ChannelError> {
        let mut met = match self.0 {
            Key::Ecies(pair) => ecies::accept(pair, initiate),
            Key::Hpke(waiting) => waiting.accept(initiate),
        }?;
        expect_greeting(&met.greeting, INITIATE)?;
        let login_ok = [met.preface, met.ours.seal(OK, &binding)?].concat();
        let channel = SecureChannel {
            ours: met.ours,
            theirs: Some(met.theirs),
            past_one: None,
        };
        Ok((
            Unconfirmed {
                channel,
                code: met.code,
            },
            payload(&login_ok, binding),
        ))
    }
}

fn expect_greeting(plaintext: &[u8], expected: &[u8]) -> Result<(), ChannelError> {
    if plaintext == expected {
        Ok(())
    } else {
        Err(ChannelError::UnexpectedGreeting)
    }
}

/// Device G between steps 5 and 7: somebody knows the keys, and only the check code can say who.
///
/// It can read what that somebody says, and says nothing itself.
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

/// A channel that was never confirmed. What is left of it is one farewell.
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

/// Device S between steps 4 and 6: it has spoken and waits for LoginOk.
pub struct Initiated {
    ours: Sealer,
    awaited: Awaited,
    code: CheckCode,
}

impl Initiated {
    /// Steps 1 and 4, for the key Gp of a scanned code. The second item is the LoginInitiate
    /// payload to send, written against `binding`.
    ///
    /// # Errors
    /// [`ChannelError::NonContributoryKey`] when `generator` is a forged key.
    pub fn new(
        generator: &PublicKey,
        (revision, dialect): (impl Into<Revision>, Dialect),
        binding: Binding,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Payload), ChannelError> {
        let (initiated, bytes) = match revision.into() {
            Revision::Msc4108 => ecies::initiate(generator, (dialect, &binding), rng),
            // Here it is device G that chooses a dialect.
            Revision::Msc4388 => hpke::initiate(generator, &binding, rng),
        }?;
        Ok((initiated, Payload { bytes, binding }))
    }

    /// Step 6: opens LoginOk. From here on device S knows that it speaks to device G; show the code
    /// to the person.
    ///
    /// # Errors
    /// When the payload is not device G's LoginOk. There is no second attempt.
    pub fn finish(self, login_ok: &Payload) -> Result<(SecureChannel, CheckCode), ChannelError> {
        let (theirs, plaintext) = self
            .awaited
            .open(&decode(&login_ok.bytes)?, &login_ok.binding)?;
        expect_greeting(&plaintext, OK)?;
        Ok((
            SecureChannel {
                ours: self.ours,
                theirs: Some(theirs),
                past_one: None,
            },
            self.code,
        ))
    }
}

/// An established channel: section "Secure operations".
pub struct SecureChannel {
    ours: Sealer,
    /// Gone after a payload that did not open.
    theirs: Option<Opener>,
    /// What is left then, for [`Self::open_past_one`].
    past_one: Option<Box<Opener>>,
}

impl SecureChannel {
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
        Ok(payload(&self.ours.seal(plaintext, &binding)?, binding))
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
        let opened = theirs.open(&decode(&payload.bytes)?, &payload.binding);
        match opened {
            Ok(_) => self.theirs = Some(theirs),
            Err(_) => self.past_one = Some(Box::new(theirs)),
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
            .open_past_one(&decode(&payload.bytes).ok()?, &payload.binding)
    }
}

fn payload(message: &[u8], binding: Binding) -> Payload {
    Payload {
        bytes: base64::encode(message).into_bytes(),
        binding,
    }
}

fn decode(text: &[u8]) -> Result<Vec<u8>, ChannelError> {
    if text.len() > MAX_PAYLOAD_BYTES {
        return Err(ChannelError::Malformed {
            what: "it is larger than a rendezvous session carries",
        });
    }
    base64::decode(text).ok_or(ChannelError::Malformed {
        what: "it is not base64",
    })
}

/// The length of the payload that carries so many bytes of plaintext: four characters for three
/// bytes, rounded up.
fn payload_len(plaintext_len: usize) -> usize {
    plaintext_len
        .saturating_add(TAG_BYTES)
        .saturating_mul(4)
        .div_ceil(3)
}

macro_rules! redacted {
    ($($name:ident),*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(concat!(stringify!($name), "([redacted])"))
            }
        }
    )*};
}

redacted!(Generator, Unconfirmed, Refused, Initiated, SecureChannel);

#[cfg(test)]
mod tests;
