//! The new device takes the secrets, its keys are signed, and the homeserver is told once.

use std::collections::BTreeMap;

use matrix_qr_protocol::login::message::{SecretKey, Secrets};
use ruma::{
    DeviceId, OneTimeKeyAlgorithm, UInt, UserId,
    api::client::keys::{get_keys, upload_keys},
    encryption::DeviceKeys,
    serde::Raw,
};

use super::{
    backup::{BackupState, check_backup},
    device_keys::{self, is_signed_twice},
    error::{BundleRefused, ImportError},
    holder::{KeyHolder, KeyUpload, VerifiedDevice},
    identity::{HeldIdentity, PublishedIdentity, signing_key},
    lookup::{AccountLookup, CurrentBackup},
};
use crate::client_server_api::{Effort, Homeserver, HomeserverError};

/// A device that has a session, and has not published any keys.
#[derive(Debug, Clone, Copy)]
pub struct UnpublishedDevice<'a> {
    /// Whose device it is.
    pub user_id: &'a UserId,
    /// Which device it is.
    pub device_id: &'a DeviceId,
    /// The homeserver, with the device's token.
    pub homeserver: &'a Homeserver,
    /// When the token expires, in seconds since 1970, if the server said it.
    pub expires_at: Option<u64>,
}

/// What became of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The account's public master key in unpadded base64.
    pub master_key: String,
    /// Whether the key backup is connected, and if not, why.
    pub backup: BackupState,
}

/// Takes the secrets bundle and makes this device a verified one (MSC4108, "Secret sharing and
/// device verification", step 3).
///
/// The three keys must be those of the published identity. Then the keys of the device are made,
/// checked, and signed by the self-signing key, and there is exactly one `/keys/upload` with both
/// signatures: no other device ever sees this one unverified. The same request is repeated, at most
/// three times in 20 seconds, when the connection fails. At last everything goes to the holder,
/// with the key of the backup if that is the one of the homeserver's current backup.
///
/// # Errors
///
/// See [`ImportError`]. A backup that cannot be used is not an error.
pub async fn take_secrets<K: KeyHolder>(
    keys: &K,
    session: UnpublishedDevice<'_>,
    secrets: Secrets,
) -> Result<Imported, ImportError> {
    take_secrets_after(keys, session, secrets, None).await
}

/// The same, with what the homeserver published before the secrets arrived. If the secrets belong to
/// that, it is asked again while the upload is under way. With other keys then, nothing is kept, and
/// the sign-in fails. Where no answer comes, the first one counts: the device is published already,
/// and a homeserver that conceals a change could as well repeat itself.
pub(crate) async fn take_secrets_after<K: KeyHolder>(
    keys: &K,
    session: UnpublishedDevice<'_>,
    mut secrets: Secrets,
    early: Option<AccountLookup>,
) -> Result<Imported, ImportError> {
    let UnpublishedDevice {
        user_id,
        device_id,
        homeserver,
        expires_at,
    } = session;
    let PublishedDevice {
        mut published,
        identity,
        backup,
        accepted,
    } = publish(keys, session, &secrets, early).await?;
    let backup = check_backup(backup, secrets.backup.as_ref());
    if let BackupState::Unused(_) = backup {
        secrets.backup = None;
    }
    identity.narrow(&mut published);
    // As others see this device from now on.
    let devices = published.device_keys.entry(user_id.to_owned()).or_default();
    devices.insert(device_id.to_owned(), accepted.device_keys.clone());
    let device = VerifiedDevice {
        user_id: user_id.to_owned(),
        device_id: device_id.to_owned(),
        homeserver: homeserver.base().clone(),
        access_token: homeserver.token().await,
        expires_at,
        device_keys: accepted.device_keys,
        one_time_key_counts: accepted.one_time_key_counts,
        identity: identity.raw.clone(),
        published,
        secrets,
    };
    keys.keep(&device).await?;
    Ok(Imported {
        master_key: identity.fingerprint(),
        backup,
    })
}

/// A device whose keys are uploaded, and the account that the secrets belong to.
struct PublishedDevice {
    published: get_keys::v3::Response,
    identity: PublishedIdentity,
    backup: Result<CurrentBackup, HomeserverError>,
    accepted: AcceptedKeys,
}

async fn publish<K: KeyHolder>(
    keys: &K,
    session: UnpublishedDevice<'_>,
    secrets: &Secrets,
    early: Option<AccountLookup>,
) -> Result<PublishedDevice, ImportError> {
    let UnpublishedDevice {
        user_id,
        device_id,
        homeserver,
        ..
    } = session;
    let self_signing = &secrets.cross_signing.self_signing_key;
    let early = early.and_then(|early| {
        let checked = checked(early.published, user_id, secrets).ok()?;
        Some((checked, early.backup))
    });
    let Some((first, first_backup)) = early else {
        let account = AccountLookup::of(homeserver, user_id).await;
        let (published, identity) = checked(account.published, user_id, secrets)?;
        let upload = keys.device_keys(user_id, device_id).await?;
        let accepted = publish_signed(session, upload, &identity, self_signing).await?;
        return Ok(PublishedDevice {
            published,
            identity,
            backup: account.backup,
            accepted,
        });
    };
    let upload = keys.device_keys(user_id, device_id).await?;
    let again = async {
        let account = AccountLookup::of(homeserver, user_id).await;
        let published = match account.published {
            Err(error) if !error.ends_session() => None,
            published => Some(checked(published, user_id, secrets)?),
        };
        Ok((published, account.backup))
    };
    let signed = publish_signed(session, upload, &first.1, self_signing);
    let (accepted, (second, second_backup)) = tokio::try_join!(signed, again)?;
    let (published, identity) = second.unwrap_or(first);
    Ok(PublishedDevice {
        published,
        identity,
        backup: second_backup.or(first_backup),
        accepted,
    })
}

/// What the homeserver publishes, if the secrets belong to it.
fn checked(
    published: Result<get_keys::v3::Response, HomeserverError>,
    user_id: &UserId,
    secrets: &Secrets,
) -> Result<(get_keys::v3::Response, PublishedIdentity), ImportError> {
    let published = published.map_err(ImportError::Query)?;
    let identity =
        PublishedIdentity::of(&published, user_id).map_err(BundleRefused::NotPublished)?;
    compare(&identity, secrets)?;
    Ok((published, identity))
}

/// Each private key against its published public key, all three before any is used.
fn compare(identity: &PublishedIdentity, secrets: &Secrets) -> Result<(), BundleRefused> {
    if let Some(key) = identity.first_difference(&HeldIdentity::of(&secrets.cross_signing)) {
        return Err(BundleRefused::Mismatch(key));
    }
    match identity.first_unsigned() {
        Some(_) => Err(BundleRefused::InvalidIdentity),
        None => Ok(()),
    }
}

/// What the homeserver has accepted.
pub(crate) struct AcceptedKeys {
    pub(crate) device_keys: Raw<DeviceKeys>,
    pub(crate) one_time_key_counts: BTreeMap<OneTimeKeyAlgorithm, UInt>,
}

/// The only way in which a device's keys are published: with the signatures of the device and of
/// the self-signing key.
pub(crate) async fn publish_signed(
    device: UnpublishedDevice<'_>,
    upload: KeyUpload,
    identity: &PublishedIdentity,
    self_signing: &SecretKey,
) -> Result<AcceptedKeys, ImportError> {
    let UnpublishedDevice {
        user_id, device_id, ..
    } = device;
    let mut checked = device_keys::check(&upload, user_id, device_id)?;
    checked.device_keys.sign(
        user_id,
        &identity.self_signing().id,
        &signing_key(self_signing),
    );
    let device_keys = checked
        .device_keys
        .to_raw()
        .filter(|keys| is_signed_twice(keys, user_id, device_id, identity))
        .ok_or(ImportError::Unsigned)?;
    let mut request = upload_keys::v3::Request::new();
    request.device_keys = Some(device_keys.clone());
    request.one_time_keys = checked.one_time_keys;
    request.fallback_keys = checked.fallback_keys;
    let answer = device.homeserver.call(request, Effort::REPEATABLE).await;
    Ok(AcceptedKeys {
        device_keys,
        one_time_key_counts: answer.map_err(ImportError::Upload)?.one_time_key_counts,
    })
}
