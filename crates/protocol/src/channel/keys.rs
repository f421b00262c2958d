//! Step 1: ephemeral Curve25519 keys.

use std::fmt;

use rand_core::CryptoRng;
use x25519_dalek::EphemeralSecret;

use super::error::ChannelError;
use super::payload::decode;
use crate::base64;

/// A public key of 32 bytes: Gp or Sp.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// Takes any 32 bytes; see [`PublicKey::is_low_order`].
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes, as the QR code carries them.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Reads base64, with or without padding.
    ///
    /// # Errors
    /// [`ChannelError::Malformed`] when it is not base64 of 32 bytes.
    pub fn from_base64(text: &str) -> Result<Self, ChannelError> {
        let bytes = decode(text.as_bytes())?;
        let bytes = bytes.try_into().map_err(|_| ChannelError::Malformed {
            what: "a public key is 32 bytes",
        })?;
        Ok(Self(bytes))
    }

    /// Unpadded base64, as the messages and the key derivation use it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        base64::encode(&self.0)
    }

    /// Whether it is one of the few keys with which every shared secret is zero (RFC 7748, section
    /// 6.1).
    #[must_use]
    pub fn is_low_order(&self) -> bool {
        // X25519 multiplies by the cofactor, so any scalar shows it.
        x25519_dalek::x25519([0; 32], self.0) == [0; 32]
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.to_base64())
    }
}

/// A key pair for one exchange; the secret wipes itself.
pub(super) struct KeyPair {
    pub(super) secret: EphemeralSecret,
    pub(super) public: PublicKey,
}

impl KeyPair {
    pub(super) fn new(rng: &mut impl CryptoRng) -> Self {
        let secret = EphemeralSecret::random_from_rng(rng);
        let public = PublicKey(x25519_dalek::PublicKey::from(&secret).to_bytes());
        Self { secret, public }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_public_key_is_shown() {
        let shown = format!("{:?}", PublicKey::from_bytes([0; 32]));
        assert_eq!(shown, format!("PublicKey({})", "A".repeat(43)));
    }
}
