//! The secrets bundle of `m.login.secrets`.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer, de};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// The secrets bundle: what makes the new device a verified one. Wiped on drop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub struct Secrets {
    /// The private cross-signing keys. They are not optional.
    pub cross_signing: CrossSigning,
    /// The key of the key backup, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<Backup>,
}

/// The three private cross-signing keys.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub struct CrossSigning {
    /// The private master key.
    pub master_key: SecretKey,
    /// The private self-signing key.
    pub self_signing_key: SecretKey,
    /// The private user-signing key.
    pub user_signing_key: SecretKey,
}

/// The key backup and the key to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(Hash))]
pub struct Backup {
    /// The backup's algorithm, as the homeserver names it.
    pub algorithm: String,
    /// The private key, in the form that the algorithm gives it.
    pub key: SecretText,
    /// The backup's version.
    pub backup_version: String,
}

/// A private key of 32 bytes. Wiped on drop, `[redacted]` in `Debug`, unpadded base64 in JSON.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
#[cfg_attr(test, derive(Hash))]
pub struct SecretKey(Box<[u8; 32]>);

impl SecretKey {
    /// From the key's bytes.
    pub fn new(bytes: &[u8; 32]) -> Self {
        Self(Box::new(*bytes))
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// From base64, with or without padding; nothing if that is not 32 bytes.
    pub fn from_base64(text: &str) -> Option<Self> {
        let mut key = Self(Box::new([0; 32]));
        let decoded = Zeroizing::new(crate::base64::decode(text)?);
        key.0
            .copy_from_slice(<&[u8; 32]>::try_from(decoded.as_slice()).ok()?);
        Some(key)
    }

    /// Unpadded base64.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(crate::base64::encode(self.0.as_slice()))
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl Serialize for SecretKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_base64())
    }
}

impl<'de> Deserialize<'de> for SecretKey {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = SecretText::deserialize(deserializer)?;
        Self::from_base64(text.as_str())
            .ok_or_else(|| de::Error::custom("a key is not 32 bytes of base64"))
    }
}

/// A secret whose format this crate does not know. Wiped on drop, `[redacted]` in `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
#[serde(transparent)]
#[cfg_attr(test, derive(Hash))]
pub struct SecretText(String);

impl SecretText {
    /// From the secret's text.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The secret's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_key_is_32_bytes_of_base64() {
        let key = SecretKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
        assert_eq!(
            *key.as_bytes(),
            std::array::from_fn(|i| u8::try_from(i).unwrap())
        );
        assert_eq!(
            SecretKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap(),
            key
        );
        assert_eq!(
            key.to_base64().as_str(),
            "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
        );
        for bad in [
            "",
            "AAAA",
            "not base64!",
            &"A".repeat(42),
            &"A".repeat(44),
            &"A".repeat(86),
        ] {
            assert_eq!(SecretKey::from_base64(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_key_does_not_print() {
        let key = SecretKey::new(&[0; 32]);
        assert_eq!(format!("{key:?} {key:#?}"), "[redacted] [redacted]");
    }
}
