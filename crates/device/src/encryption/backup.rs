//! The key backup in the store: connecting to it, and the room keys that come from it.

use matrix_sdk_crypto::{olm::ExportedRoomKey, store::types::BackupDecryptionKey};
use zeroize::Zeroizing;

use super::{Encryption, error::StoreError};
use crate::{
    client_server_api::Homeserver,
    keys::{BackupProblem, KeyHolder as _, RestoreError, RoomKey, room_keys_of_backup},
};

/// What came out of the backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    /// Room keys that this device did not have, and has now.
    pub keys: usize,
    /// Room keys that this device had already.
    pub already_here: usize,
    /// Entries that could not be read.
    pub undecryptable: usize,
    /// Why this is not, or may not be, the backup that the account's devices write to now.
    pub outdated: Option<BackupProblem>,
}

impl Encryption {
    /// Fetches the whole backup that this device is connected to, and imports its room keys. At
    /// most 256 MiB, 5 minutes.
    ///
    /// # Errors
    ///
    /// See [`RestoreError`]. Entries that cannot be read are counted, and the others imported.
    pub async fn restore_keys(&self, homeserver: &Homeserver) -> Result<Restored, RestoreError> {
        let backup = self.backup_key().await?.ok_or(RestoreError::NotConnected)?;
        let mut fetched = room_keys_of_backup(homeserver, &backup).await?;
        let (store, version) = (self.machine.store(), Some(backup.backup_version.as_str()));
        let (mut keys, mut already_here, mut no_keys) = (0, 0, 0);
        while let Some(batch) = fetched.next().await {
            let readable: Vec<_> = batch.iter().filter_map(exported).collect();
            let result = store.import_room_keys(readable, version, |_, _| {}).await;
            let result = result.map_err(StoreError::new)?;
            keys += result.imported_count;
            already_here += result.total_count - result.imported_count;
            no_keys += batch.len() - result.total_count;
        }
        Ok(Restored {
            keys,
            already_here,
            undecryptable: fetched.undecryptable() + no_keys,
            outdated: fetched.outdated,
        })
    }

    pub(crate) async fn enable_backup(
        &self,
        key: BackupDecryptionKey,
        version: String,
    ) -> Result<(), StoreError> {
        let backup = self.machine.backup_machine();
        let public = key.megolm_v1_public_key();
        public.set_version(version.clone());
        let saved = backup.save_decryption_key(Some(key), Some(version)).await;
        saved.map_err(StoreError::new)?;
        backup
            .enable_backup_v1(public)
            .await
            .map_err(StoreError::new)
    }
}

/// In the form in which the store takes it; nothing if it is no key of a session.
fn exported(key: &RoomKey) -> Option<ExportedRoomKey> {
    let json = Zeroizing::new(serde_json::to_string(key).ok()?);
    serde_json::from_str(&json).ok()
}
