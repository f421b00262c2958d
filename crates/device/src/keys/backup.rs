//! The key backup on the homeserver: whether a key opens it, and what is in it.

use matrix_qr_protocol::{
    is_identifier,
    login::message::{Backup, SecretKey},
    printable,
};
use ruma::api::client::backup::get_backup_keys;
use serde::Deserialize;
use vodozemac::{Curve25519PublicKey, Curve25519SecretKey, pk_encryption::PkDecryption};

use super::{
    error::{BackupProblem, RestoreError},
    lookup::{CurrentBackup, current_backup},
    room_keys::BackedUpRoomKeys,
};
use crate::client_server_api::{Effort, Homeserver, HomeserverError};

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

/// Whether this secret opens the backup that the homeserver says is current.
pub(super) fn check_backup(
    current: Result<CurrentBackup, HomeserverError>,
    secret: Option<&Backup>,
) -> BackupState {
    let checked = || {
        let secret = secret.ok_or(BackupProblem::NoKey)?;
        if secret.algorithm != ALGORITHM {
            return Err(BackupProblem::UnknownAlgorithm);
        }
        if !is_identifier(&secret.backup_version) {
            return Err(BackupProblem::MalformedVersion);
        }
        let key = decryption_key(secret).ok_or(BackupProblem::MalformedKey)?;
        require_current(current, &key, &secret.backup_version)?;
        Ok(secret.backup_version.clone())
    };
    match checked() {
        Ok(version) => BackupState::Connected { version },
        Err(problem) => BackupState::Unused(problem),
    }
}

/// Fetches the whole backup that this secret opens: at most 256 MiB, 5 minutes. Its room keys are
/// decrypted as they are taken.
///
/// # Errors
///
/// See [`RestoreError`]. Entries that cannot be read are counted, and the others handed out.
pub async fn room_keys_of_backup(
    homeserver: &Homeserver,
    secret: &Backup,
) -> Result<BackedUpRoomKeys, RestoreError> {
    let key = decryption_key(secret).ok_or(RestoreError::NotConnected)?;
    let version = &secret.backup_version;
    let current = current_backup(homeserver).await;
    let outdated = require_current(current, &key, version).err();
    let request = get_backup_keys::v3::Request::new(version.clone());
    let answer = homeserver.answer(request, Effort::WHOLE_BACKUP).await;
    let body = match (answer, &outdated) {
        (Err(error), Some(problem)) if error.is_not_found() => {
            return Err(RestoreError::Gone(problem.clone()));
        }
        (answer, _) => answer?.into_body(),
    };
    let malformed = || HomeserverError::malformed("an answer that does not follow the API");
    let room_keys = BackedUpRoomKeys::new(body, key, outdated).await;
    Ok(room_keys.ok_or_else(malformed)?)
}

fn decryption_key(secret: &Backup) -> Option<PkDecryption> {
    let key = SecretKey::from_base64(secret.key.as_str())?;
    Some(PkDecryption::from_key(Curve25519SecretKey::from_slice(
        key.as_bytes(),
    )))
}

/// The version must be the homeserver's current one, and the private key must belong to its public
/// key. That is proof enough: whoever made the backup had this key. A signature on the backup would
/// say less, so none is asked for.
fn require_current(
    current: Result<CurrentBackup, HomeserverError>,
    key: &PkDecryption,
    version: &str,
) -> Result<(), BackupProblem> {
    let current = match current {
        Ok(current) => current,
        Err(error) if error.is_not_found() => return Err(BackupProblem::NoneOnServer),
        Err(error) => return Err(BackupProblem::Unchecked(error)),
    };
    if current.version != version {
        return Err(BackupProblem::OtherVersion {
            ours: printable(version),
            current: printable(&current.version),
        });
    }
    match current
        .algorithm
        .deserialize_as_unchecked::<BackupAlgorithm>()
    {
        Ok(backup) if backup.algorithm != ALGORITHM => Err(BackupProblem::UnknownAlgorithm),
        Ok(backup) if backup.public_key() == Some(key.public_key()) => Ok(()),
        _ => Err(BackupProblem::OtherKey),
    }
}

/// What `GET /room_keys/version` says about the key.
#[derive(Deserialize)]
struct BackupAlgorithm {
    algorithm: String,
    #[serde(default)]
    auth_data: serde_json::Value,
}

impl BackupAlgorithm {
    fn public_key(&self) -> Option<Curve25519PublicKey> {
        Curve25519PublicKey::from_base64(self.auth_data.get("public_key")?.as_str()?).ok()
    }
}
