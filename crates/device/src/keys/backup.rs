//! The key backup on the homeserver: whether a key opens it, and the room keys in it.

use std::collections::BTreeMap;

use matrix_qr_protocol::{
    login::message::{Backup, SecretKey},
    printable,
};
use ruma::{
    OwnedRoomId,
    api::client::backup::{
        EncryptedSessionData, KeyBackupData, RoomKeyBackup, get_backup_keys, get_latest_backup_info,
    },
    serde::Raw,
};
use serde::{Deserialize, Serialize};
use vodozemac::{
    Curve25519PublicKey, Curve25519SecretKey,
    pk_encryption::{Message, PkDecryption},
};
use zeroize::Zeroizing;

use super::error::{BackupProblem, RestoreError};
use crate::{
    client_server_api::{Effort, Homeserver},
    secret::Secret,
};

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

/// What is in a backup.
#[derive(Debug)]
pub struct BackedUpRoomKeys {
    /// The room keys.
    pub room_keys: Vec<RoomKey>,
    /// Entries that could not be read.
    pub undecryptable: usize,
    /// Why this is not, or may not be, the backup that the account's devices write to now.
    pub outdated: Option<BackupProblem>,
}

/// The key of a Megolm session, in the form of a key export (Client-Server API, "Key export
/// format").
#[derive(Debug, Serialize)]
pub struct RoomKey {
    room_id: OwnedRoomId,
    session_id: String,
    #[serde(flatten)]
    key: BackedUpKey,
}

/// The decrypted `session_data` of a backup ("Backup algorithm:
/// `m.megolm_backup.v1.curve25519-aes-sha2`").
#[derive(Debug, Serialize, Deserialize)]
struct BackedUpKey {
    algorithm: String,
    sender_key: String,
    session_key: Secret,
    #[serde(default)]
    sender_claimed_keys: BTreeMap<String, String>,
    #[serde(default)]
    forwarding_curve25519_key_chain: Vec<String>,
    /// MSC3061.
    #[serde(
        default,
        rename = "m.shared_history",
        alias = "org.matrix.msc3061.shared_history"
    )]
    shared_history: bool,
}

/// Whether this secret opens the homeserver's current backup.
pub(super) async fn check_backup(homeserver: &Homeserver, secret: Option<&Backup>) -> BackupState {
    let checked = async {
        let secret = secret.ok_or(BackupProblem::NoKey)?;
        if secret.algorithm != ALGORITHM {
            return Err(BackupProblem::UnknownAlgorithm);
        }
        let key = decryption_key(secret).ok_or(BackupProblem::MalformedKey)?;
        require_current(homeserver, &key, &secret.backup_version).await?;
        Ok(secret.backup_version.clone())
    };
    match checked.await {
        Ok(version) => BackupState::Connected { version },
        Err(problem) => BackupState::Unused(problem),
    }
}

/// Fetches the whole backup that this secret opens, and decrypts its room keys. At most 256 MiB,
/// 5 minutes.
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
    let outdated = require_current(homeserver, &key, version).await.err();
    let request = get_backup_keys::v3::Request::new(version.clone());
    let answer = homeserver.call(request, Effort::WHOLE_BACKUP).await;
    let rooms = match (answer, &outdated) {
        (Err(error), Some(problem)) if error.is_not_found() => {
            return Err(RestoreError::Gone(problem.clone()));
        }
        (answer, _) => answer?.rooms,
    };
    let total: usize = rooms.values().map(|room| room.sessions.len()).sum();
    let room_keys: Vec<_> = rooms
        .into_iter()
        .flat_map(|(id, room)| decrypted(&key, id, room))
        .collect();
    Ok(BackedUpRoomKeys {
        undecryptable: total - room_keys.len(),
        room_keys,
        outdated,
    })
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
async fn require_current(
    homeserver: &Homeserver,
    key: &PkDecryption,
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
            ours: printable(version),
            current: printable(&current.version),
        });
    }
    match current
        .algorithm
        .deserialize_as_unchecked::<CurrentBackup>()
    {
        Ok(backup) if backup.algorithm != ALGORITHM => Err(BackupProblem::UnknownAlgorithm),
        Ok(backup) if backup.public_key() == Some(key.public_key()) => Ok(()),
        _ => Err(BackupProblem::OtherKey),
    }
}

/// What `GET /room_keys/version` says about the key.
#[derive(Deserialize)]
struct CurrentBackup {
    algorithm: String,
    #[serde(default)]
    auth_data: serde_json::Value,
}

impl CurrentBackup {
    fn public_key(&self) -> Option<Curve25519PublicKey> {
        Curve25519PublicKey::from_base64(self.auth_data.get("public_key")?.as_str()?).ok()
    }
}

fn decrypted(
    key: &PkDecryption,
    room_id: OwnedRoomId,
    backup: RoomKeyBackup,
) -> impl Iterator<Item = RoomKey> {
    backup
        .sessions
        .into_iter()
        .filter_map(move |(session_id, data)| {
            let room_id = room_id.clone();
            let key = decrypt(key, &data)?;
            Some(RoomKey {
                room_id,
                session_id,
                key,
            })
        })
}

fn decrypt(key: &PkDecryption, data: &Raw<KeyBackupData>) -> Option<BackedUpKey> {
    let EncryptedSessionData {
        ephemeral,
        ciphertext,
        mac,
        ..
    } = data.deserialize().ok()?.session_data;
    let message = Message {
        ciphertext: ciphertext.into_inner(),
        mac: mac.into_inner(),
        ephemeral_key: Curve25519PublicKey::from_slice(ephemeral.as_bytes()).ok()?,
    };
    let decrypted = Zeroizing::new(key.decrypt(&message).ok()?);
    serde_json::from_slice(&decrypted).ok()
}
