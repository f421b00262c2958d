//! MSC4108, section "Secure channel": two devices that met over a QR code, and nobody else, can read what follows.
//!
//! Device G generates the QR code, device S scans it; either can be the new or the existing one, and this module
//! does not know which. The types follow the numbered steps of "Establishment":
//!
//! ```text
//! device G   Generator (1)   --accept (5)-->  Unconfirmed  --confirm (7)-->  SecureChannel | Refused
//! device S   Initiated (1, 4)  ------------------------finish (6)------->  SecureChannel + CheckCode
//! ```
//!
//! Every step consumes the one before it, so a key pair serves one exchange and a check code is tried once:
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
//! Before the check code there is no way to send, and after a refusal there is one message and no more:
//!
//! ```compile_fail,E0599
//! # use matrix_qr_protocol::channel::Unconfirmed;
//! fn speak_too_early(mut unconfirmed: Unconfirmed) {
//!     let _ = unconfirmed.seal(b"m.login.secrets");
//! }
//! ```
//!
//! ```compile_fail,E0382
//! # use matrix_qr_protocol::channel::Refused;
//! fn two_last_words(refused: Refused) {
//!     let _ = refused.last_word(b"one");
//!     let _ = refused.last_word(b"two");
//! }
//! ```

mod check_code;
mod ecies;
mod keys;

use std::fmt;

use rand_core::CryptoRng;
use thiserror::Error;
use zeroize::Zeroizing;

pub use self::check_code::{CheckCode, CheckCodeError};
use self::ecies::{Agreement, Half};
use self::keys::KeyPair;
pub use self::keys::PublicKey;
use crate::{base64, rendezvous::MAX_PAYLOAD_BYTES, revision::Dialect};

/// Step 4: what device S encrypts to show that it knows the keys.
const INITIATE: &[u8] = b"MATRIX_QR_CODE_LOGIN_INITIATE";
/// Step 5: what device G answers.
const OK: &[u8] = b"MATRIX_QR_CODE_LOGIN_OK";

/// Why the channel could not be established, or cannot go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ChannelError {
    /// The payload has not the form that this step asks for.
    #[error("the payload at the rendezvous is not one of this sign-in: {what}")]
    Malformed {
        /// Which part of it.
        what: &'static str,
    },
    /// The other device's public key is one with which every shared secret is zero.
    #[error("the other device's public key is a forged one")]
    NonContributoryKey,
    /// The payload was not written by the other device, or was changed, replayed or reordered on the way.
    #[error("the payload does not come from the other device: someone may be interfering")]
    NotAuthentic,
    /// The first message says something else than MSC4108 lays down for it.
    #[error("the other device opened the channel with an unexpected message: it may speak another version")]
    UnexpectedGreeting,
    /// An earlier payload did not open: nothing that comes after it can be trusted.
    #[error("the channel was ended by an earlier payload that did not open")]
    Broken,
    /// The sealed message would exceed what a rendezvous session carries.
    #[error(
        "the message would need a payload of {size} bytes, and a rendezvous session carries {MAX_PAYLOAD_BYTES}"
    )]
    TooLarge {
        /// The size of the payload that it would make, in bytes.
        size: usize,
    },
    /// The message counter is used up; no sign-in comes near it.
    #[error("the channel has carried all messages that it can")]
    Exhausted,
    /// The key derivation or the cipher refused its input; it cannot with the sizes that are used here.
    #[error("the cipher refused to work: this is a defect of this program")]
    Cipher,
}

/// Device G before anyone has scanned its code: steps 1 and 5.
pub struct Generator(KeyPair);

impl Generator {
    /// Step 1: an ephemeral key pair. Give it the operating system's generator.
    #[must_use]
    pub fn new(rng: &mut impl CryptoRng) -> Self {
        Self(KeyPair::new(rng))
    }

    /// Gp, for the QR code.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.0.public
    }

    /// Step 5: opens LoginInitiate in whichever dialect it was made. The second item is the LoginOk payload to send.
    ///
    /// # Errors
    /// When the payload is no LoginInitiate for this key. The key pair is gone then: anyone can write to a rendezvous
    /// session, and a second candidate would be a second guess for an attacker.
    pub fn accept(self, payload: &[u8]) -> Result<(Unconfirmed, Vec<u8>), ChannelError> {
        let initiate = ecies::Initiate::parse(payload)?;
        let gp = self.0.public;
        let agreement = Agreement::new(self.0, &initiate.key, &gp, &initiate.key)?;
        // The text says SHA256, deployed clients use SHA512; only one of them can authenticate.
        let (mut unconfirmed, plaintext) =
            match open_initiate(&agreement, Dialect::AsDeployed, &initiate.ciphertext) {
                Err(ChannelError::NotAuthentic) => {
                    open_initiate(&agreement, Dialect::AsWritten, &initiate.ciphertext)
                }
                opened => opened,
            }?;
        expect_greeting(&plaintext, INITIATE)?;
        let login_ok = unconfirmed.channel.seal(OK)?;
        Ok((unconfirmed, login_ok))
    }
}

type Opened = (Unconfirmed, Zeroizing<Vec<u8>>);

fn open_initiate(agreement: &Agreement, dialect: Dialect, ciphertext: &[u8]) -> Result<Opened, ChannelError> {
    let keys = agreement.derive(dialect)?;
    let mut theirs = Half::new(&keys.from_s);
    let plaintext = theirs.open(ciphertext)?;
    let channel = SecureChannel { ours: Half::new(&keys.from_g), theirs: Some(theirs) };
    Ok((Unconfirmed { channel, code: keys.check_code }, plaintext))
}

fn expect_greeting(plaintext: &[u8], expected: &[u8]) -> Result<(), ChannelError> {
    if plaintext == expected { Ok(()) } else { Err(ChannelError::UnexpectedGreeting) }
}

/// Device G between steps 5 and 7: somebody knows the keys, and only the check code can say who.
///
/// It can read what that somebody says, and says nothing itself.
pub struct Unconfirmed {
    channel: SecureChannel,
    code: CheckCode,
}

impl Unconfirmed {
    /// Opens a payload that came before the check code was typed. It proves nothing about who sent it.
    ///
    /// # Errors
    /// As [`SecureChannel::open`].
    pub fn open(&mut self, payload: &[u8]) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        self.channel.open(payload)
    }

    /// Step 7: the one attempt at the code that the other device shows. It takes the same time for every wrong code.
    ///
    /// # Errors
    /// [`Refused`] when the codes differ: end the sign-in on both sides.
    pub fn confirm(self, code: &CheckCode) -> Result<SecureChannel, Refused> {
        if self.code == *code { Ok(self.channel) } else { Err(Refused(self.channel)) }
    }

    /// Ends it without an attempt, because the person cancelled or the other device broke the rules.
    #[must_use]
    pub fn refuse(self) -> Refused {
        Refused(self.channel)
    }
}

/// A channel that was never confirmed. What is left of it is one farewell.
pub struct Refused(SecureChannel);

impl Refused {
    /// Seals the one message that tells the other end, whoever it is, that this is over. It must hold no secret.
    ///
    /// # Errors
    /// As [`SecureChannel::seal`].
    pub fn last_word(mut self, plaintext: &[u8]) -> Result<Vec<u8>, ChannelError> {
        self.0.seal(plaintext)
    }
}

/// Device S between steps 4 and 6: it has spoken and waits for LoginOk.
pub struct Initiated {
    channel: SecureChannel,
    code: CheckCode,
}

impl Initiated {
    /// Steps 1 and 4, for the key Gp of a scanned code. The second item is the LoginInitiate payload to send.
    ///
    /// # Errors
    /// [`ChannelError::NonContributoryKey`] when `generator` is a forged key.
    pub fn new(
        generator: &PublicKey,
        dialect: Dialect,
        rng: &mut impl CryptoRng,
    ) -> Result<(Self, Vec<u8>), ChannelError> {
        let pair = KeyPair::new(rng);
        let sp = pair.public;
        let keys = Agreement::new(pair, generator, generator, &sp)?.derive(dialect)?;
        let mut ours = Half::new(&keys.from_s);
        let payload = ecies::Initiate { ciphertext: ours.seal(INITIATE)?, key: sp }.encode();
        let channel = SecureChannel { ours, theirs: Some(Half::new(&keys.from_g)) };
        Ok((Self { channel, code: keys.check_code }, payload))
    }

    /// Step 6: opens LoginOk. From here on device S knows that it speaks to device G; show the code to the person.
    ///
    /// # Errors
    /// When the payload is not device G's LoginOk. There is no second attempt.
    pub fn finish(mut self, payload: &[u8]) -> Result<(SecureChannel, CheckCode), ChannelError> {
        let plaintext = self.channel.open(payload)?;
        expect_greeting(&plaintext, OK)?;
        Ok((self.channel, self.code))
    }
}

/// An established channel: section "Secure operations".
pub struct SecureChannel {
    ours: Half,
    /// Gone after a payload that did not open.
    theirs: Option<Half>,
}

impl SecureChannel {
    /// Makes the payload that carries `plaintext`; each can be opened once, and in this order.
    ///
    /// # Errors
    /// [`ChannelError::TooLarge`] above 4096 bytes of payload (3056 of plaintext); the channel can still be used then.
    pub fn seal(&mut self, plaintext: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let size = ecies::payload_len(plaintext.len());
        if size > MAX_PAYLOAD_BYTES {
            return Err(ChannelError::TooLarge { size });
        }
        Ok(base64::encode(&self.ours.seal(plaintext)?).into_bytes())
    }

    /// Opens the other device's next payload.
    ///
    /// # Errors
    /// When it is not exactly that. Every error is final: later payloads are not opened ([`ChannelError::Broken`]).
    /// A farewell can still be sealed.
    pub fn open(&mut self, payload: &[u8]) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        // Taken out and put back only after success, so that no path can leave a failed channel open.
        let mut theirs = self.theirs.take().ok_or(ChannelError::Broken)?;
        let plaintext = theirs.open(&ecies::decode(payload)?)?;
        self.theirs = Some(theirs);
        Ok(plaintext)
    }
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
