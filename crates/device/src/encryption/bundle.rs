//! The secrets bundle: what the existing device gives to the new one (`m.login.secrets`).

use std::fmt;

use matrix_sdk_crypto::vodozemac::{
    Ed25519PublicKey, Ed25519SecretKey, base64_decode, base64_encode,
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::{
    BackupTrouble, CrossSigningError, CrossSigningKey, Encryption, StoreError,
    public_keys::PublicKeys,
};
use crate::{homeserver::Homeserver, secret::Secret};

/// A private key of 32 bytes, wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Key {
    /// Boxed, so that moving a key leaves no copy behind.
    bytes: Box<[u8; 32]>,
}

impl Key {
    /// Reads 32 bytes of base64, padded or not. `None` for anything else.
    pub fn from_base64(text: &str) -> Option<Self> {
        let decoded = Zeroizing::new(base64_decode(text.trim_end_matches('=')).ok()?);
        let mut bytes = Box::new([0; 32]);
        (decoded.len() == bytes.len()).then(|| bytes.copy_from_slice(&decoded))?;
        Some(Self { bytes })
    }

    /// The key in unpadded base64, as `m.login.secrets` has it.
    pub fn to_base64(&self) -> Zeroizing<String> {
        Zeroizing::new(base64_encode(self.bytes.as_slice()))
    }

    pub(super) fn public(&self) -> Ed25519PublicKey {
        Ed25519SecretKey::from_slice(&self.bytes).public_key()
    }
}

/// The secrets of `m.login.secrets`: the private cross-signing keys, and the key backup's where
/// there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bundle {
    /// The private master signing key.
    pub master_key: Key,
    /// The private self-signing key.
    pub self_signing_key: Key,
    /// The private user-signing key.
    pub user_signing_key: Key,
    /// The key backup.
    pub backup: Option<BackupSecret>,
}

/// The key backup's secret as it is in `m.login.secrets`: checked when it is used, since a bad one
/// is reported and does not end the sign-in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSecret {
    /// The backup's algorithm; `m.megolm_backup.v1.curve25519-aes-sha2` is the one that there is.
    pub algorithm: String,
    /// The private key in base64.
    pub key: Secret,
    /// The backup's version on the homeserver.
    pub backup_version: String,
}

/// What [`Encryption::export_bundle`] hands out.
#[derive(Debug)]
pub struct Exported {
    /// The secrets.
    pub bundle: Bundle,
    /// Why the bundle has no backup, if it has none.
    pub without_backup: Option<BackupTrouble>,
}

impl Encryption {
    /// Takes the secrets out of the store, for the new device (MSC4108, "Secret sharing and device
    /// verification", step 2).
    ///
    /// The match with the published identity is checked again, on a fresh `/keys/query` and on the
    /// very keys that will leave. The backup is added when its key is here and belongs to the
    /// version that is current on the homeserver.
    ///
    /// # Errors
    ///
    /// See [`CrossSigningError`]. A backup that cannot be shared is not an error.
    pub async fn export_bundle(
        &self,
        homeserver: &Homeserver,
    ) -> Result<Exported, CrossSigningError> {
        let (_, published) = self.agreed_keys(homeserver).await?;
        let mut bundle = self.private_keys().await?;
        bundle.require_match(&published)?;
        let (backup, without_backup) = match self.shareable_backup(homeserver).await {
            Ok(backup) => (Some(backup), None),
            Err(trouble) => (None, Some(trouble)),
        };
        bundle.backup = backup;
        Ok(Exported {
            bundle,
            without_backup,
        })
    }

    pub(super) async fn private_keys(&self) -> Result<Bundle, CrossSigningError> {
        let export = self
            .machine
            .export_cross_signing_keys()
            .await
            .map_err(StoreError::new)?
            .unwrap_or_default();
        let key = |text: &Option<String>, which| {
            text.as_deref()
                .and_then(Key::from_base64)
                .ok_or(CrossSigningError::Missing(vec![which]))
        };
        Ok(Bundle {
            master_key: key(&export.master_key, CrossSigningKey::Master)?,
            self_signing_key: key(&export.self_signing_key, CrossSigningKey::SelfSigning)?,
            user_signing_key: key(&export.user_signing_key, CrossSigningKey::UserSigning)?,
            backup: None,
        })
    }
}

impl Bundle {
    /// Whether each private key belongs to its published public key.
    fn require_match(&self, published: &PublicKeys) -> Result<(), CrossSigningError> {
        let pairs = [
            (
                &self.master_key,
                published.master.get_first_key(),
                CrossSigningKey::Master,
            ),
            (
                &self.self_signing_key,
                published.self_signing.get_first_key(),
                CrossSigningKey::SelfSigning,
            ),
            (
                &self.user_signing_key,
                published.user_signing.get_first_key(),
                CrossSigningKey::UserSigning,
            ),
        ];
        match pairs
            .into_iter()
            .find(|(private, public, _)| Some(private.public()) != *public)
        {
            Some((.., which)) => Err(CrossSigningError::Mismatch(which)),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use matrix_sdk_crypto::OlmMachine;
    use ruma::{device_id, user_id};

    use super::*;

    #[test]
    fn a_key_is_32_bytes_of_base64() {
        let key = Key::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
        assert_eq!(
            *key.bytes,
            std::array::from_fn(|i| u8::try_from(i).unwrap())
        );
        assert_eq!(
            Key::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=").unwrap(),
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
            assert_eq!(Key::from_base64(bad), None, "{bad}");
        }
    }

    /// A device with an identity of its own: its private keys, and their public halves.
    async fn identity() -> (Bundle, PublicKeys) {
        let machine = OlmMachine::new(user_id!("@alice:example.org"), device_id!("DEVICE")).await;
        let public = machine
            .bootstrap_cross_signing(false)
            .await
            .unwrap()
            .upload_signing_keys_req;
        let public = PublicKeys {
            master: public.master_key.unwrap().try_into().unwrap(),
            self_signing: public.self_signing_key.unwrap().try_into().unwrap(),
            user_signing: public.user_signing_key.unwrap().try_into().unwrap(),
        };
        (Encryption { machine }.private_keys().await.unwrap(), public)
    }

    #[tokio::test]
    async fn what_leaves_must_match_key_by_key() {
        let (bundle, published) = identity().await;
        bundle.require_match(&published).unwrap();
        let other = Key::from_base64(&"A".repeat(43)).unwrap();
        let wrong = [
            (
                Bundle {
                    master_key: other.clone(),
                    ..bundle.clone()
                },
                CrossSigningKey::Master,
            ),
            (
                Bundle {
                    self_signing_key: other.clone(),
                    ..bundle.clone()
                },
                CrossSigningKey::SelfSigning,
            ),
            (
                Bundle {
                    user_signing_key: other,
                    ..bundle
                },
                CrossSigningKey::UserSigning,
            ),
        ];
        for (bundle, which) in wrong {
            assert_eq!(
                bundle.require_match(&published),
                Err(CrossSigningError::Mismatch(which))
            );
        }
    }

    #[test]
    fn a_key_does_not_print() {
        let key = Key::from_base64(&"A".repeat(43)).unwrap();
        assert_eq!(format!("{key:?} {key:#?}"), "[redacted] [redacted]");
    }
}
