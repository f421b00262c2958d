//! MSC4108's primitives of the channel: X25519, HKDF and ChaCha20-Poly1305, put together as
//! "Establishment" describes.

use chacha20poly1305::aead::{Aead, Payload as Sealed};
use chacha20poly1305::{ChaCha20Poly1305, Key, KeyInit, Nonce};
use hkdf::Hkdf;
use rand_core::CryptoRng;
use sha2::{Sha256, Sha512};
use x25519_dalek::SharedSecret;
use zeroize::Zeroizing;

use super::check_code::CheckCode;
use super::cipher::{AcceptedInitiate, AwaitOk, Open, Opened, Seal, SentInitiate};
use super::error::ChannelError;
use super::keys::{KeyPair, PublicKey};
use super::payload::{INITIATE, decode};
use crate::rendezvous::{Binding, Payload};
use crate::{base64, device_id::DeviceId, revision::Dialect};

/// Step 4, the keys' labels; `|Gp|Sp` follows.
const LABEL_ENCKEY_S: &str = "MATRIX_QR_CODE_LOGIN_ENCKEY_S";
const LABEL_ENCKEY_G: &str = "MATRIX_QR_CODE_LOGIN_ENCKEY_G";
/// Step 6, the check code's.
const LABEL_CHECK_CODE: &str = "MATRIX_QR_CODE_LOGIN_CHECKCODE";
/// Ours: the device ID's (docs/design.md, "Bound device IDs").
const LABEL_DEVICE_ID: &str = "MATRIX_QR_CODE_LOGIN_DEVICE_ID";

/// Steps 1 and 4: `LoginInitiateMessage := UnpaddedBase64(TaggedCiphertext) || "|" ||
/// UnpaddedBase64(Sp)`.
pub(super) fn initiate(
    generator: &PublicKey,
    dialect: Dialect,
    binding: &Binding,
    rng: &mut impl CryptoRng,
) -> Result<(SentInitiate, Vec<u8>), ChannelError> {
    let pair = KeyPair::new(rng);
    let sp = pair.public;
    let keys = Agreement::new(pair, generator, generator, &sp)?.derive(dialect)?;
    let mut ours = Half::new(&keys.from_s);
    let ciphertext = ours.seal(INITIATE, binding.as_bytes())?;
    let sent = SentInitiate {
        ours: Box::new(ours),
        awaited: Box::new(Half::new(&keys.from_g)),
        code: keys.check_code,
        device_id: keys.device_id,
    };
    let message = format!("{}|{}", base64::encode(&ciphertext), sp.to_base64());
    Ok((sent, message.into_bytes()))
}

/// Step 5, in whichever dialect LoginInitiate was made.
pub(super) fn accept(pair: KeyPair, payload: &Payload) -> Result<AcceptedInitiate, ChannelError> {
    let (ciphertext, sp) = parse_initiate(&payload.bytes)?;
    let gp = pair.public;
    let agreement = Agreement::new(pair, &sp, &gp, &sp)?;
    let open = |dialect| {
        let keys = agreement.derive(dialect)?;
        let mut theirs = Half::new(&keys.from_s);
        let greeting = theirs.open(&ciphertext, payload.binding.as_bytes())?;
        Ok(AcceptedInitiate {
            ours: Box::new(Half::new(&keys.from_g)),
            theirs: Box::new(theirs),
            code: keys.check_code,
            device_id: keys.device_id,
            greeting,
            preface: Vec::new(),
        })
    };
    // The text says SHA256, deployed clients use SHA512; only one of them can authenticate.
    match open(Dialect::AsDeployed) {
        Err(ChannelError::NotAuthentic) => open(Dialect::AsWritten),
        opened => opened,
    }
}

/// LoginInitiate's ciphertext, and Sp.
fn parse_initiate(payload: &[u8]) -> Result<(Vec<u8>, PublicKey), ChannelError> {
    let malformed = ChannelError::Malformed {
        what: "the first message is not a ciphertext and a key",
    };
    let text = std::str::from_utf8(payload).map_err(|_| malformed)?;
    let (ciphertext, key) = text.split_once('|').ok_or(malformed)?;
    Ok((decode(ciphertext.as_bytes())?, PublicKey::from_base64(key)?))
}

/// The shared secret SH, with what the derivation binds it to.
pub(super) struct Agreement {
    shared: SharedSecret,
    /// `|Gp|Sp`.
    keys: String,
}

/// What both devices derive from it.
pub(super) struct Keys {
    pub(super) from_s: Zeroizing<[u8; 32]>,
    pub(super) from_g: Zeroizing<[u8; 32]>,
    pub(super) check_code: CheckCode,
    pub(super) device_id: DeviceId,
}

impl Agreement {
    /// Steps 4 and 5: `SH := ECDH(ours, theirs)`; our secret is discarded.
    pub(super) fn new(
        ours: KeyPair,
        theirs: &PublicKey,
        gp: &PublicKey,
        sp: &PublicKey,
    ) -> Result<Self, ChannelError> {
        let shared = ours.secret.diffie_hellman(&(*theirs.as_bytes()).into());
        // RFC 7748, section 6.1: such a key would make the secret, and so all that follows, known
        // to anyone.
        if !shared.was_contributory() {
            return Err(ChannelError::NonContributoryKey);
        }
        Ok(Self {
            shared,
            keys: format!("|{}|{}", gp.to_base64(), sp.to_base64()),
        })
    }

    pub(super) fn derive(&self, dialect: Dialect) -> Result<Keys, ChannelError> {
        Ok(Keys {
            from_s: self.expand(dialect, LABEL_ENCKEY_S)?,
            from_g: self.expand(dialect, LABEL_ENCKEY_G)?,
            check_code: CheckCode::from_check_bytes(*self.expand(dialect, LABEL_CHECK_CODE)?),
            device_id: DeviceId::from_bytes(&*self.expand(dialect, LABEL_DEVICE_ID)?),
        })
    }

    /// An absent salt is "an all-zero salt" of the hash's length (RFC 5869, section 2.2).
    fn expand<const N: usize>(
        &self,
        dialect: Dialect,
        label: &str,
    ) -> Result<Zeroizing<[u8; N]>, ChannelError> {
        let info = [label.as_bytes(), self.keys.as_bytes()];
        let mut out = Zeroizing::new([0; N]);
        match dialect {
            Dialect::AsDeployed => Hkdf::<Sha512>::new(None, self.shared.as_bytes())
                .expand_multi_info(&info, out.as_mut_slice()),
            Dialect::AsWritten => Hkdf::<Sha256>::new(None, self.shared.as_bytes())
                .expand_multi_info(&info, out.as_mut_slice()),
        }
        .map_err(|_| ChannelError::Cipher)?;
        Ok(out)
    }
}

/// One direction of the channel: a key, and the number of messages that it has carried. The key
/// wipes itself.
pub(super) struct Half {
    cipher: ChaCha20Poly1305,
    counter: u64,
}

impl Half {
    /// Both counters start at 0: LoginInitiate is device S's message 0 and LoginOk is device G's.
    pub(super) fn new(key: &[u8; 32]) -> Self {
        Self {
            cipher: ChaCha20Poly1305::new(<&Key>::from(key)),
            counter: 0,
        }
    }

    /// `ToLowEndianBytes(Nonce)[..12]`. It stops long before 12 bytes could wrap: a nonce used
    /// twice gives both messages away.
    fn next_nonce(&mut self) -> Result<Nonce, ChannelError> {
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().zip(self.counter.to_le_bytes()) {
            *to = from;
        }
        self.counter = self.counter.checked_add(1).ok_or(ChannelError::Exhausted)?;
        Ok(nonce.into())
    }
}

impl Seal for Half {
    fn seal(&mut self, msg: &[u8], aad: &[u8]) -> Result<Vec<u8>, ChannelError> {
        let nonce = self.next_nonce()?;
        self.cipher
            .encrypt(&nonce, Sealed { msg, aad })
            .map_err(|_| ChannelError::Cipher)
    }
}

impl Open for Half {
    fn open(&mut self, msg: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, ChannelError> {
        let nonce = self.next_nonce()?;
        let opened = self.cipher.decrypt(&nonce, Sealed { msg, aad });
        opened
            .map(Zeroizing::new)
            .map_err(|_| ChannelError::NotAuthentic)
    }

    /// The failed attempt has moved the counter to the next message.
    fn open_past_one(&mut self, msg: &[u8], aad: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        self.open(msg, aad).ok()
    }
}

impl AwaitOk for Half {
    fn finish(mut self: Box<Self>, login_ok: &[u8], aad: &[u8]) -> Result<Opened, ChannelError> {
        let plaintext = self.open(login_ok, aad)?;
        Ok((self, plaintext))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::Value;

    use super::*;
    use crate::channel::payload::payload_len;

    #[test]
    fn the_counter_is_the_nonce_in_low_endian() {
        let mut half = Half {
            counter: 0x0102_0304,
            ..Half::new(&[7; 32])
        };
        assert_eq!(
            half.next_nonce().unwrap().as_slice(),
            [4, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]
        );
        assert_eq!(
            half.next_nonce().unwrap().as_slice(),
            [5, 3, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn the_counter_does_not_wrap() {
        let mut half = Half {
            counter: u64::MAX - 1,
            ..Half::new(&[7; 32])
        };
        assert!(half.seal(b"the last one", b"").is_ok());
        for _ in 0..2 {
            assert_eq!(
                half.seal(b"one too many", b""),
                Err(ChannelError::Exhausted)
            );
            assert_eq!(
                half.open(b"one too many", b""),
                Err(ChannelError::Exhausted)
            );
        }
    }

    #[test]
    fn payload_len_foresees_what_encode_makes() {
        for n in 0..100 {
            let sealed = Half::new(&[7; 32]).seal(&vec![0; n], b"").unwrap();
            assert_eq!(base64::encode(&sealed).len(), payload_len(n));
        }
        assert_eq!(payload_len(usize::MAX), usize::MAX.div_ceil(3));
    }

    #[test]
    fn the_published_vectors_hold_on_the_way() {
        let cases: Value =
            serde_json::from_str(include_str!("../../../../vectors/msc4108-channel.json")).unwrap();
        for case in cases.as_array().unwrap() {
            let text = |name: &str| case.get(name).and_then(Value::as_str).unwrap();
            let key = |name: &str| PublicKey::from_base64(text(name)).unwrap();
            let dialect = if text("dialect") == "AsWritten" {
                Dialect::AsWritten
            } else {
                Dialect::AsDeployed
            };
            let shared = x25519_dalek::x25519(bytes(text("secret_s")), *key("public_g").as_bytes());
            assert_eq!(shared, bytes(text("shared_secret")));
            let (gp, sp) = (key("public_g"), key("public_s"));
            let pair = KeyPair::new(&mut crate::channel::tests::FixedRng(bytes(text(
                "secret_s",
            ))));
            let keys = Agreement::new(pair, &gp, &gp, &sp)
                .unwrap()
                .derive(dialect)
                .unwrap();
            assert_eq!(*keys.from_s, bytes(text("enckey_s")));
            assert_eq!(*keys.from_g, bytes(text("enckey_g")));
            assert_eq!(keys.check_code.to_string(), text("check_code"));
            assert_eq!(keys.device_id.as_str(), text("device_id"));
        }
    }

    fn bytes(hex: &str) -> [u8; 32] {
        let pairs = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap());
        pairs
            .map(|pair| u8::from_str_radix(pair, 16).unwrap())
            .collect::<Vec<_>>()
            .try_into()
            .unwrap()
    }
}
