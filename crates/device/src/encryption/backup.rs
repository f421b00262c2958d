//! The key backup on the homeserver: whether this device's key opens it, connecting to it, reading
//! it.

use matrix_qr_protocol::{
    login::message::{Backup, SecretText},
    printable,
};
use matrix_sdk_crypto::{
    olm::ExportedRoomKey, store::types::BackupDecryptionKey, types::RoomKeyBackupInfo,
};
use ruma::{
    OwnedRoomId,
    api::client::backup::{RoomKeyBackup, get_backup_keys, get_latest_backup_info},
};

use super::{
    Encryption,
    error::{BackupProblem, RestoreError, StoreError},
};
use crate::homeserver::{Effort, Homeserver};

/// The only algorithm that a key backup has.
pub(crate) const ALGORITHM: &str = "m.megolm_backup.v1.curve25519-aes-sha2";

/// Whether the new device uses the key backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BackupState {
    /// Room keys are backed up there, and can be restored from it.
    Connected {
        /// The backup's version.
        version: String,
    },
    /// The sign-in went on without it.
    Unused(BackupProblem),
}

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
        let (key, version) = self.backup_key().await?.ok_or(RestoreError::NotConnected)?;
        let outdated = require_current(homeserver, &key, &version).await.err();
        let request = get_backup_keys::v3::Request::new(version.clone());
        let answer = homeserver.call(request, Effort::WHOLE_BACKUP).await;
        let rooms = match (answer, &outdated) {
            (Err(error), Some(problem)) if error.is_not_found() => {
                return Err(RestoreError::Gone(problem.clone()));
            }
            (answer, _) => answer?.rooms,
        };
        let total: usize = rooms.values().map(|room| room.sessions.len()).sum();
        let readable = rooms
            .into_iter()
            .flat_map(|(id, room)| room_keys(&key, id, room))
            .collect();
        let store = self.machine.store();
        let result = store
            .import_room_keys(readable, Some(&version), |_, _| {})
            .await;
        let result = result.map_err(StoreError::new)?;
        Ok(Restored {
            keys: result.imported_count,
            already_here: result.total_count - result.imported_count,
            undecryptable: total - result.total_count,
            outdated,
        })
    }

    /// The backup's secret for the bundle, if its key is here and opens what the homeserver has
    /// now.
    pub(super) async fn shareable_backup(
        &self,
        homeserver: &Homeserver,
    ) -> Result<Backup, BackupProblem> {
        let known = self.backup_key().await.ok().flatten();
        let (key, version) = known.ok_or(BackupProblem::NoKey)?;
        require_current(homeserver, &key, &version).await?;
        Ok(Backup {
            algorithm: ALGORITHM.to_owned(),
            key: SecretText::new(key.to_base64()),
            backup_version: version,
        })
    }

    /// Connects this device to the backup of the bundle, after checking that it is the one that the
    /// homeserver has.
    pub(super) async fn connect_backup(
        &self,
        homeserver: &Homeserver,
        secret: Option<&Backup>,
    ) -> Result<BackupState, StoreError> {
        match usable(homeserver, secret).await {
            Ok((key, version)) => self.enable_backup(key, version).await,
            Err(problem) => Ok(BackupState::Unused(problem)),
        }
    }

    pub(crate) async fn enable_backup(
        &self,
        key: BackupDecryptionKey,
        version: String,
    ) -> Result<BackupState, StoreError> {
        let backup = self.machine.backup_machine();
        let public = key.megolm_v1_public_key();
        public.set_version(version.clone());
        let saved = backup
            .save_decryption_key(Some(key), Some(version.clone()))
            .await;
        saved.map_err(StoreError::new)?;
        backup
            .enable_backup_v1(public)
            .await
            .map_err(StoreError::new)?;
        Ok(BackupState::Connected { version })
    }

    async fn backup_key(&self) -> Result<Option<(BackupDecryptionKey, String)>, StoreError> {
        let backup = self.machine.backup_machine();
        let keys = backup.get_backup_keys().await.map_err(StoreError::new)?;
        Ok(keys.decryption_key.zip(keys.backup_version))
    }
}

async fn usable(
    homeserver: &Homeserver,
    secret: Option<&Backup>,
) -> Result<(BackupDecryptionKey, String), BackupProblem> {
    let secret = secret.ok_or(BackupProblem::NoKey)?;
    if secret.algorithm != ALGORITHM {
        return Err(BackupProblem::UnknownAlgorithm);
    }
    let key = BackupDecryptionKey::from_base64(secret.key.as_str().trim_end_matches('='))
        .map_err(|_| BackupProblem::MalformedKey)?;
    require_current(homeserver, &key, &secret.backup_version).await?;
    Ok((key, secret.backup_version.clone()))
}

/// The version must be the homeserver's current one, and the private key must belong to its public
/// key. That is proof enough: whoever made the backup had this key. A signature on the backup would
/// say less, so none is asked for.
async fn require_current(
    homeserver: &Homeserver,
    key: &BackupDecryptionKey,
    version: &str,
) -> Result<(), BackupProblem> {
    let request = get_latest_backup_info::v3::Request::new();
    let current = match homeserver.call(request, Effort::REPEATABLE).await {
        Ok(current) => current,
        Err(error) if error.is_not_found() => return Err(BackupProblem::NoneOnServer),
        Err(error) => return Err(BackupProblem::Unchecked(error)),
    };
    if current.version != version {
        return Err(BackupProblem::OtherVersion {
            ours: version.to_owned(),
            current: printable(&current.version),
        });
    }
    match current.algorithm.deserialize_as_unchecked() {
        Ok(RoomKeyBackupInfo::Other { .. }) => Err(BackupProblem::UnknownAlgorithm),
        Ok(info) if key.backup_key_matches(&info) => Ok(()),
        _ => Err(BackupProblem::OtherKey),
    }
}

fn room_keys(
    key: &BackupDecryptionKey,
    room_id: OwnedRoomId,
    backup: RoomKeyBackup,
) -> impl Iterator<Item = ExportedRoomKey> {
    backup.sessions.into_iter().filter_map(move |(id, data)| {
        let data = data.deserialize().ok()?.session_data;
        let room_key = key.decrypt_session_data(data).ok()?;
        Some(ExportedRoomKey::from_backed_up_room_key(
            room_id.clone(),
            id,
            room_key,
        ))
    })
}
