//! The new device takes the secrets, signs itself, and tells the homeserver once.

use matrix_qr_protocol::login::message::{CrossSigning, SecretKey, Secrets};
use matrix_sdk_crypto::{
    DeviceData, SecretImportError,
    store::types::CrossSigningKeyExport,
    types::{DeviceKeys, SelfSigningPubkey},
};
use ruma::{
    OwnedTransactionId, api::client::keys::upload_keys, events::secret::request::SecretName,
};

use super::{
    BackupState, Encryption,
    error::{BundleRefused, ImportError, StoreError},
    public_keys::{CrossSigningKey, PublicKeys},
};
use crate::homeserver::{Effort, Homeserver};

/// What became of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The account's public master key in unpadded base64.
    pub master_key: String,
    /// Whether the key backup is connected, and if not, why.
    pub backup: BackupState,
}

impl Encryption {
    /// Takes the secrets bundle and makes this device a verified one (MSC4108, "Secret sharing and
    /// device verification", step 3).
    ///
    /// The three keys must be those of the published identity. Then the device signs itself and
    /// makes exactly one `/keys/upload`, with its own signature and the self-signing key's: no
    /// other device ever sees it unverified. The same request is repeated, at most three times in
    /// 20 seconds, when the connection fails. At last the key backup is connected, or it is said
    /// why not.
    ///
    /// # Errors
    ///
    /// See [`ImportError`]. A backup that cannot be used is not an error.
    pub async fn import_bundle(
        &self,
        homeserver: &Homeserver,
        bundle: &Secrets,
    ) -> Result<Imported, ImportError> {
        let published = self.learn_identity(homeserver).await?;
        self.take_private_keys(&bundle.cross_signing).await?;
        self.upload_signed_keys(homeserver, &published.self_signing)
            .await?;
        self.see_itself(homeserver).await;
        let backup = self
            .connect_backup(homeserver, bundle.backup.as_ref())
            .await?;
        Ok(Imported {
            master_key: published.fingerprint(),
            backup,
        })
    }

    async fn learn_identity(&self, homeserver: &Homeserver) -> Result<PublicKeys, ImportError> {
        let answer = self.query(homeserver).await.map_err(ImportError::Query)?;
        let published =
            PublicKeys::published(&answer, self.user_id()).map_err(BundleRefused::NotPublished)?;
        self.learn(&answer).await?;
        Ok(published)
    }

    /// The checked import: each private key against its published public key, all three before any
    /// is kept.
    async fn take_private_keys(&self, keys: &CrossSigning) -> Result<(), ImportError> {
        let export = |key: &SecretKey| Some(String::clone(&key.to_base64()));
        let keys = CrossSigningKeyExport {
            master_key: export(&keys.master_key),
            self_signing_key: export(&keys.self_signing_key),
            user_signing_key: export(&keys.user_signing_key),
        };
        let status = self
            .machine
            .import_cross_signing_keys(keys)
            .await
            .map_err(import_error)?;
        // Without a valid identity in the store the import does nothing, and does not call that an
        // error.
        if status.is_complete() {
            Ok(())
        } else {
            Err(BundleRefused::InvalidIdentity.into())
        }
    }

    /// The only way in which this device's keys are published. Keys without the self-signing
    /// signature are not.
    pub(crate) async fn upload_signed_keys(
        &self,
        homeserver: &Homeserver,
        self_signing: &SelfSigningPubkey,
    ) -> Result<(), ImportError> {
        let upload = self.signed_upload(self_signing).await?;
        let (id, request) = upload.ok_or(ImportError::Unsigned)?;
        let answer = homeserver.call(request, Effort::REPEATABLE).await;
        let answer = answer.map_err(ImportError::Upload)?;
        Ok(self.sent(&id, &answer).await?)
    }

    /// Puts this device into its own store as others see it from now on. matrix-sdk 0.19.1 relies
    /// on that store: without this, a bot that opens it considers itself unverified until its first
    /// `/keys/query`. The sign-in does not depend on it.
    async fn see_itself(&self, homeserver: &Homeserver) {
        let _ = self.learn_own_identity(homeserver).await;
    }

    async fn signed_upload(
        &self,
        self_signing: &SelfSigningPubkey,
    ) -> Result<Option<(OwnedTransactionId, upload_keys::v3::Request)>, StoreError> {
        let upload = self
            .machine
            .upload_device_keys()
            .await
            .map_err(StoreError::new)?;
        Ok(upload.filter(|(_, request)| {
            let keys = request.device_keys.as_ref();
            let keys = keys.and_then(|keys| keys.deserialize_as::<DeviceKeys>().ok());
            keys.is_some_and(|keys| is_signed_twice(&keys, self_signing))
        }))
    }
}

/// Signed by the device itself and by the self-signing key, both signatures verified.
pub(super) fn is_signed_twice(keys: &DeviceKeys, self_signing: &SelfSigningPubkey) -> bool {
    DeviceData::try_from(keys).is_ok() && self_signing.verify_device_keys(keys).is_ok()
}

fn import_error(error: SecretImportError) -> ImportError {
    match error {
        SecretImportError::MismatchedPublicKeys { name } | SecretImportError::Key { name, .. } => {
            BundleRefused::Mismatch(which(&name)).into()
        }
        other => StoreError::new(other).into(),
    }
}

fn which(name: &SecretName) -> CrossSigningKey {
    match name {
        SecretName::CrossSigningSelfSigningKey => CrossSigningKey::SelfSigning,
        SecretName::CrossSigningUserSigningKey => CrossSigningKey::UserSigning,
        _ => CrossSigningKey::Master,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use matrix_sdk_crypto::OlmMachine;
    use ruma::{device_id, user_id};

    use super::*;

    async fn device() -> Encryption {
        let machine = OlmMachine::new(user_id!("@alice:example.org"), device_id!("DEVICE")).await;
        Encryption { machine }
    }

    /// A device that made its own identity, and the identity's self-signing key.
    async fn signed_device() -> (Encryption, SelfSigningPubkey) {
        let device = device().await;
        let identity = device.machine.bootstrap_cross_signing(false).await.unwrap();
        let self_signing = identity.upload_signing_keys_req.self_signing_key.unwrap();
        (device, self_signing.try_into().unwrap())
    }

    #[tokio::test]
    async fn keys_are_not_taken_without_an_identity_to_compare_them_with() {
        let (giver, _) = signed_device().await;
        let keys = giver.private_keys().await.unwrap();
        let refused = device().await.take_private_keys(&keys).await;
        assert_eq!(refused, Err(BundleRefused::InvalidIdentity.into()));
    }

    #[tokio::test]
    async fn an_upload_needs_both_signatures() {
        let (signed, self_signing) = signed_device().await;
        assert!(signed.signed_upload(&self_signing).await.unwrap().is_some());

        let unsigned = device().await;
        assert!(
            unsigned
                .machine
                .upload_device_keys()
                .await
                .unwrap()
                .is_some(),
            "there would be one"
        );
        assert!(
            unsigned
                .signed_upload(&self_signing)
                .await
                .unwrap()
                .is_none()
        );

        let (_, another) = signed_device().await;
        assert!(
            signed.signed_upload(&another).await.unwrap().is_none(),
            "signed by another identity"
        );
    }

    #[tokio::test]
    async fn both_signatures_are_verified() {
        let (device, self_signing) = signed_device().await;
        let (_, request) = device.machine.upload_device_keys().await.unwrap().unwrap();
        let keys: DeviceKeys = request.device_keys.unwrap().deserialize_as().unwrap();
        assert!(is_signed_twice(&keys, &self_signing));

        let mut changed = keys.clone();
        changed.algorithms.pop();
        assert!(!is_signed_twice(&changed, &self_signing));

        let mut json = serde_json::to_value(&keys).unwrap();
        let signatures = json.pointer_mut("/signatures/@alice:example.org").unwrap();
        signatures
            .as_object_mut()
            .unwrap()
            .remove("ed25519:DEVICE")
            .unwrap();
        let by_identity_only: DeviceKeys = serde_json::from_value(json).unwrap();
        assert!(self_signing.verify_device_keys(&by_identity_only).is_ok());
        assert!(!is_signed_twice(&by_identity_only, &self_signing));
    }
}
