//! What an account's first device does: it creates the identity, the key backup and messages that
//! can be restored. For the demonstration, the sandbox and tests; a sign-in by QR code needs an
//! account where this has happened.

use std::collections::BTreeMap;

use matrix_sdk_crypto::{
    store::types::BackupDecryptionKey, types::requests::UploadSigningKeysRequest,
};
use ruma::{
    DeviceKeyAlgorithm, DeviceKeyId, TransactionId, UserId,
    api::client::{
        backup::{add_backup_keys, create_backup_version},
        keys::{
            upload_keys,
            upload_signatures::{self, v3::SignedKeys},
            upload_signing_keys,
        },
    },
    serde::Raw,
};

use crate::{
    client_server_api::{Effort, Homeserver, HomeserverError},
    encryption::{Encryption, StoreError},
    keys::{
        HeldIdentity, KeyHolder as _, UnpublishedDevice, agreed_identity, publish_signed,
        published_keys,
    },
};

mod error;
mod messages;

pub use error::FirstDeviceError;
pub use messages::{latest_messages, send_messages};

/// Makes the account's cross-signing identity, publishes this device signed by it, and creates a
/// key backup; returns the backup's version.
///
/// The identity is published before the device's keys, so that not even the first device is ever
/// seen unverified.
///
/// # Errors
///
/// See [`FirstDeviceError`]; nothing is changed when the account has an identity already.
pub async fn set_up(
    homeserver: &Homeserver,
    encryption: &Encryption,
) -> Result<String, FirstDeviceError> {
    if has_identity(homeserver, encryption.user_id()).await? {
        return Err(FirstDeviceError::NotFirst);
    }
    let identity = encryption.bootstrap().await?;
    publish_identity(homeserver, encryption, identity).await?;
    create_backup(homeserver, encryption).await
}

/// Whether the homeserver publishes any part of an identity for this account.
async fn has_identity(homeserver: &Homeserver, user_id: &UserId) -> Result<bool, HomeserverError> {
    let answer = published_keys(homeserver, user_id).await?;
    Ok(answer.master_keys.contains_key(user_id)
        || answer.self_signing_keys.contains_key(user_id)
        || answer.user_signing_keys.contains_key(user_id))
}

/// Nothing is published before the key that signed it: the identity, then this device, then this
/// device's signature on the master key.
async fn publish_identity(
    homeserver: &Homeserver,
    encryption: &Encryption,
    identity: UploadSigningKeysRequest,
) -> Result<(), FirstDeviceError> {
    let signed_master = signed_master(&identity, encryption);
    let request = signing_keys(identity);
    homeserver.call(request, Effort::REPEATABLE).await?;
    upload_device_keys(homeserver, encryption).await?;
    let signatures = BTreeMap::from([(encryption.user_id().to_owned(), signed_master)]);
    let request = upload_signatures::v3::Request::new(signatures);
    let answer = homeserver.call(request, Effort::REPEATABLE).await?;
    if answer.failures.is_empty() {
        Ok(())
    } else {
        Err(HomeserverError::malformed("it refused a signature that is valid").into())
    }
}

async fn upload_device_keys(
    homeserver: &Homeserver,
    encryption: &Encryption,
) -> Result<(), FirstDeviceError> {
    let (user_id, device_id) = (encryption.user_id(), encryption.device_id());
    let secrets = encryption.secrets().await?.cross_signing;
    let held = HeldIdentity::of(&secrets);
    let (published, identity) = agreed_identity(homeserver, user_id, &held).await?;
    encryption.learn(&published).await?;
    let upload = encryption.device_keys(user_id, device_id).await?;
    let self_signing = &secrets.self_signing_key;
    let device = UnpublishedDevice {
        homeserver,
        user_id,
        device_id,
        expires_at: None,
    };
    let accepted = publish_signed(device, upload, &identity, self_signing).await?;
    let answer = upload_keys::v3::Response::new(accepted.one_time_key_counts);
    Ok(encryption.sent(&TransactionId::new(), &answer).await?)
}

fn signing_keys(mut identity: UploadSigningKeysRequest) -> upload_signing_keys::v3::Request {
    let mut request = upload_signing_keys::v3::Request::new();
    if let Some(master) = &mut identity.master_key {
        master.signatures.clear();
    }
    request.master_key = identity.master_key.map(|key| key.to_raw());
    request.self_signing_key = identity.self_signing_key.map(|key| key.to_raw());
    request.user_signing_key = identity.user_signing_key.map(|key| key.to_raw());
    request
}

/// The master key with this device's signature and no other: Synapse (1.163) refuses it with its
/// own.
fn signed_master(identity: &UploadSigningKeysRequest, encryption: &Encryption) -> SignedKeys {
    let mut signed = SignedKeys::new();
    let Some(mut master) = identity.master_key.clone() else {
        return signed;
    };
    let (user, device) = (encryption.user_id().to_owned(), encryption.device_id());
    let device = DeviceKeyId::from_parts(DeviceKeyAlgorithm::Ed25519, device);
    let signature = master.signatures.get_signature(&user, &device);
    master.signatures.clear();
    if let (Some(signature), Some((_, id))) = (signature, master.get_first_key_and_id()) {
        let id = id.to_base64().into_boxed_str();
        master.signatures.add_signature(user, device, signature);
        signed.add_cross_signing_keys(id, master.to_raw());
    }
    signed
}

async fn create_backup(
    homeserver: &Homeserver,
    encryption: &Encryption,
) -> Result<String, FirstDeviceError> {
    let key = BackupDecryptionKey::new();
    let mut info = key.to_backup_info();
    let backup = encryption.machine().backup_machine();
    backup
        .sign_backup(&mut info)
        .await
        .map_err(StoreError::new)?;
    let algorithm = Raw::new(&info).map_err(StoreError::new)?.cast();
    let request = create_backup_version::v3::Request::new(algorithm);
    let version = homeserver.call(request, Effort::ONCE).await?.version;
    encryption.enable_backup(key, version.clone()).await?;
    Ok(version)
}

/// Uploads the room keys that are not in the backup yet; returns how many there were.
///
/// # Errors
///
/// See [`FirstDeviceError`].
pub async fn back_up(
    homeserver: &Homeserver,
    encryption: &Encryption,
) -> Result<usize, FirstDeviceError> {
    let backup = encryption.machine().backup_machine();
    let mut uploaded = 0;
    while let Some((id, request)) = backup.backup().await.map_err(StoreError::new)? {
        uploaded += request
            .rooms
            .values()
            .map(|room| room.sessions.len())
            .sum::<usize>();
        let upload = add_backup_keys::v3::Request::new(request.version, request.rooms);
        let answer = homeserver.call(upload, Effort::REPEATABLE).await?;
        encryption.sent(&id, &answer).await?;
    }
    Ok(uploaded)
}
