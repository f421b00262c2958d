//! matrix-sdk-crypto and its store as the holder of a device's keys.

use std::path::PathBuf;

use matrix_qr_protocol::login::message::{Backup, CrossSigning, SecretKey, SecretText, Secrets};
use matrix_sdk_crypto::store::types::{BackupDecryptionKey, CrossSigningKeyExport};
use ruma::{DeviceId, TransactionId, UserId, api::client::keys::upload_keys};
use tokio::sync::OnceCell;

use super::{Encryption, Passphrase, error::StoreError};
use crate::keys::{
    ALGORITHM, CrossSigningError, CrossSigningKey, KeyHolder, KeyHolderError, KeyUpload,
    VerifiedDevice,
};

/// The keys of a device that is not signed in yet: matrix-sdk-crypto, with its SQLite store in a
/// directory. The store is made when the account and the device are known.
#[derive(Debug)]
pub struct StoreKeys {
    directory: PathBuf,
    passphrase: Option<Passphrase>,
    encryption: OnceCell<Encryption>,
}

impl StoreKeys {
    /// Names the directory: that of the session. With a passphrase the store will be encrypted, and
    /// every later use of the keys needs it. Nothing is touched yet.
    pub fn new(directory: impl Into<PathBuf>, passphrase: Option<Passphrase>) -> Self {
        Self {
            directory: directory.into(),
            passphrase,
            encryption: OnceCell::new(),
        }
    }

    fn opened(&self) -> Result<&Encryption, StoreError> {
        let unopened = || StoreError::new("there are no keys yet");
        self.encryption.get().ok_or_else(unopened)
    }
}

impl KeyHolder for StoreKeys {
    async fn device_keys(
        &self,
        user_id: &UserId,
        device_id: &DeviceId,
    ) -> Result<KeyUpload, KeyHolderError> {
        let passphrase = self.passphrase.as_ref();
        let open = || Encryption::open(&self.directory, user_id, device_id, passphrase);
        let encryption = self.encryption.get_or_try_init(open).await?;
        encryption.device_keys(user_id, device_id).await
    }

    async fn keep(&self, device: &VerifiedDevice) -> Result<(), KeyHolderError> {
        self.opened()?.keep(device).await
    }

    async fn secrets(&self) -> Result<Secrets, CrossSigningError> {
        self.opened()?.secrets().await
    }

    async fn backup_key(&self) -> Result<Option<Backup>, KeyHolderError> {
        self.opened()?.backup_key().await
    }
}

impl KeyHolder for Encryption {
    /// For the device that the store was opened for, which has not published its keys.
    async fn device_keys(
        &self,
        user_id: &UserId,
        device_id: &DeviceId,
    ) -> Result<KeyUpload, KeyHolderError> {
        if (self.user_id(), self.device_id()) != (user_id, device_id) {
            return Err(StoreError::new("it holds the keys of another device").into());
        }
        let upload = self.machine.upload_device_keys().await;
        let upload = upload.map_err(StoreError::new)?.map(|(_, request)| request);
        let published = || StoreError::new("its keys were published before");
        let upload = upload.ok_or_else(published)?;
        Ok(KeyUpload {
            device_keys: upload.device_keys.ok_or_else(published)?,
            one_time_keys: upload.one_time_keys,
            fallback_keys: upload.fallback_keys,
        })
    }

    /// Puts this device into its own store as others see it from now on. matrix-sdk 0.19.1 relies
    /// on that store: without this, a bot that opens it considers itself unverified until its first
    /// `/keys/query`.
    async fn keep(&self, device: &VerifiedDevice) -> Result<(), KeyHolderError> {
        let answer = upload_keys::v3::Response::new(device.one_time_key_counts.clone());
        self.sent(&TransactionId::new(), &answer).await?;
        self.learn(&device.published).await?;
        self.take_private_keys(&device.secrets.cross_signing)
            .await?;
        if let Some(backup) = &device.secrets.backup {
            let key = BackupDecryptionKey::from_base64(backup.key.as_str().trim_end_matches('='));
            let key = key.map_err(StoreError::new)?;
            self.enable_backup(key, backup.backup_version.clone())
                .await?;
        }
        Ok(())
    }

    async fn secrets(&self) -> Result<Secrets, CrossSigningError> {
        let cross_signing = self.private_keys().await?;
        Ok(Secrets {
            cross_signing,
            backup: self.backup_key().await?,
        })
    }

    /// What this device knows of a backup. Whether that is current is not known here.
    async fn backup_key(&self) -> Result<Option<Backup>, KeyHolderError> {
        let backup = self.machine.backup_machine();
        let keys = backup.get_backup_keys().await.map_err(StoreError::new)?;
        let known = keys.decryption_key.zip(keys.backup_version);
        Ok(known.map(|(key, backup_version)| Backup {
            algorithm: ALGORITHM.to_owned(),
            key: SecretText::new(key.to_base64()),
            backup_version,
        }))
    }
}

impl Encryption {
    async fn private_keys(&self) -> Result<CrossSigning, CrossSigningError> {
        let export = self.machine.export_cross_signing_keys().await;
        let export = export.map_err(StoreError::new)?.unwrap_or_default();
        let keys = [
            &export.master_key,
            &export.self_signing_key,
            &export.user_signing_key,
        ]
        .map(|text| text.as_deref().and_then(SecretKey::from_base64));
        if let [
            Some(master_key),
            Some(self_signing_key),
            Some(user_signing_key),
        ] = keys
        {
            return Ok(CrossSigning {
                master_key,
                self_signing_key,
                user_signing_key,
            });
        }
        let held = keys.iter().zip(CrossSigningKey::ALL);
        let missing = held.filter_map(|(key, which)| key.is_none().then_some(which));
        Err(CrossSigningError::Missing(missing.collect()))
    }

    async fn take_private_keys(&self, keys: &CrossSigning) -> Result<(), StoreError> {
        let export = |key: &SecretKey| Some(String::clone(&key.to_base64()));
        let keys = CrossSigningKeyExport {
            master_key: export(&keys.master_key),
            self_signing_key: export(&keys.self_signing_key),
            user_signing_key: export(&keys.user_signing_key),
        };
        let status = self.machine.import_cross_signing_keys(keys).await;
        // Without a valid identity in the store the import does nothing, and does not call that an
        // error.
        match status.map_err(StoreError::new)?.is_complete() {
            true => Ok(()),
            false => Err(StoreError::new("it did not take the cross-signing keys")),
        }
    }
}
