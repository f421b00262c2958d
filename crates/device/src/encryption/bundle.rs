//! The secrets bundle: what the existing device gives to the new one (`m.login.secrets`).

use matrix_qr_protocol::login::message::{CrossSigning, SecretKey, Secrets};
use matrix_sdk_crypto::vodozemac::{Ed25519PublicKey, Ed25519SecretKey};

use super::{
    Encryption,
    error::{BackupProblem, CrossSigningError, StoreError},
    public_keys::{CrossSigningKey, PublicKeys},
};
use crate::homeserver::Homeserver;

/// What [`Encryption::export_bundle`] hands out.
#[derive(Debug)]
pub struct Exported {
    /// The secrets.
    pub bundle: Secrets,
    /// Why the bundle has no backup, if it has none.
    pub without_backup: Option<BackupProblem>,
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
        let cross_signing = self.private_keys().await?;
        require_match(&cross_signing, &published)?;
        let (backup, without_backup) = match self.shareable_backup(homeserver).await {
            Ok(backup) => (Some(backup), None),
            Err(problem) => (None, Some(problem)),
        };
        Ok(Exported {
            bundle: Secrets {
                cross_signing,
                backup,
            },
            without_backup,
        })
    }

    pub(super) async fn private_keys(&self) -> Result<CrossSigning, CrossSigningError> {
        let export = self.machine.export_cross_signing_keys().await;
        let export = export.map_err(StoreError::new)?.unwrap_or_default();
        let key = |text: &Option<String>, which| {
            text.as_deref()
                .and_then(SecretKey::from_base64)
                .ok_or(CrossSigningError::Missing(vec![which]))
        };
        Ok(CrossSigning {
            master_key: key(&export.master_key, CrossSigningKey::Master)?,
            self_signing_key: key(&export.self_signing_key, CrossSigningKey::SelfSigning)?,
            user_signing_key: key(&export.user_signing_key, CrossSigningKey::UserSigning)?,
        })
    }
}

/// Whether each private key belongs to its published public key.
fn require_match(keys: &CrossSigning, published: &PublicKeys) -> Result<(), CrossSigningError> {
    let differs = |private: &SecretKey, public| Some(public_half(private)) != public;
    let which = if differs(&keys.master_key, published.master.get_first_key()) {
        CrossSigningKey::Master
    } else if differs(
        &keys.self_signing_key,
        published.self_signing.get_first_key(),
    ) {
        CrossSigningKey::SelfSigning
    } else if differs(
        &keys.user_signing_key,
        published.user_signing.get_first_key(),
    ) {
        CrossSigningKey::UserSigning
    } else {
        return Ok(());
    };
    Err(CrossSigningError::Mismatch(which))
}

fn public_half(key: &SecretKey) -> Ed25519PublicKey {
    Ed25519SecretKey::from_slice(key.as_bytes()).public_key()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use matrix_sdk_crypto::OlmMachine;
    use ruma::{device_id, user_id};

    use super::*;

    /// A device with an identity of its own: its private keys, and their public halves.
    async fn identity() -> (CrossSigning, PublicKeys) {
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
        let (keys, published) = identity().await;
        require_match(&keys, &published).unwrap();
        let other = SecretKey::new(&[0; 32]);
        let wrong = [
            (
                CrossSigning {
                    master_key: other.clone(),
                    ..keys.clone()
                },
                CrossSigningKey::Master,
            ),
            (
                CrossSigning {
                    self_signing_key: other.clone(),
                    ..keys.clone()
                },
                CrossSigningKey::SelfSigning,
            ),
            (
                CrossSigning {
                    user_signing_key: other,
                    ..keys
                },
                CrossSigningKey::UserSigning,
            ),
        ];
        for (keys, which) in wrong {
            assert_eq!(
                require_match(&keys, &published),
                Err(CrossSigningError::Mismatch(which))
            );
        }
    }
}
