//! Whoever holds the device's keys.

use std::{collections::BTreeMap, future::Future};

use matrix_qr_protocol::login::message::{Backup, Secrets};
use ruma::{
    DeviceId, OneTimeKeyAlgorithm, OwnedDeviceId, OwnedOneTimeKeyId, OwnedUserId, UInt, UserId,
    api::client::keys::get_keys,
    encryption::{DeviceKeys, OneTimeKey},
    serde::Raw,
};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    error::{CrossSigningError, KeyHolderError},
    identity::Identity,
};
use crate::secret::Secret;

/// Whoever holds the keys of a device: an encryption library and its store.
///
/// A holder is not trusted to get a sign-in right: what it hands over is checked. A call may be
/// slow; a holder that may hang must limit the time itself. Its errors are for the person.
///
/// If a sign-in is given up during a call of the new device, that call has 15 seconds to end. Then
/// it is dropped. No other call follows, and none goes on when the sign-in has returned.
pub trait KeyHolder: Send + Sync + 'static {
    /// New device: makes the keys of this device. `device_keys` is signed by the device itself, and
    /// by nobody else. Called once.
    fn device_keys(
        &self,
        user_id: &UserId,
        device_id: &DeviceId,
    ) -> impl Future<Output = Result<KeyUpload, KeyHolderError>> + Send;

    /// New device: stores what it will need. The homeserver has accepted the keys, and the device
    /// is verified. After an error the sign-in fails, and the device is signed out again.
    fn keep(
        &self,
        device: &VerifiedDevice,
    ) -> impl Future<Output = Result<(), KeyHolderError>> + Send;

    /// Existing device: the account's private keys, and the backup's if there is one. Called
    /// twice at a sign-in: for the check at its beginning, and when the secrets are sent.
    ///
    /// # Errors
    ///
    /// [`CrossSigningError::Missing`] or [`CrossSigningError::KeyHolder`].
    fn secrets(&self) -> impl Future<Output = Result<Secrets, CrossSigningError>> + Send;

    /// The key of the backup, if there is one: for old messages. Nothing else is needed for them.
    fn backup_key(&self) -> impl Future<Output = Result<Option<Backup>, KeyHolderError>> + Send;
}

/// The body of `POST /keys/upload`, as a library would send it for a new device.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyUpload {
    /// The identity keys of the device, signed by itself.
    pub device_keys: Raw<DeviceKeys>,
    /// One-time keys, by their ID.
    #[serde(default)]
    pub one_time_keys: BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>,
    /// Fallback keys, by their ID.
    #[serde(default)]
    pub fallback_keys: BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>,
}

/// A device whose signed keys the homeserver has accepted, and everything that is to be stored.
#[derive(Debug, Clone)]
pub struct VerifiedDevice {
    /// Whose device it is.
    pub user_id: OwnedUserId,
    /// Which device it is.
    pub device_id: OwnedDeviceId,
    /// The homeserver's base URL.
    pub homeserver: Url,
    /// The access token of the device.
    pub access_token: Secret,
    /// When that expires, in seconds since 1970, if the server said it.
    pub expires_at: Option<u64>,
    /// The uploaded keys, with the signatures of the device and of the self-signing key.
    pub device_keys: Raw<DeviceKeys>,
    /// The homeserver's answer to the upload: how many one-time keys it has.
    pub one_time_key_counts: BTreeMap<OneTimeKeyAlgorithm, UInt>,
    /// The account's public cross-signing keys, as the homeserver publishes them.
    pub identity: Identity,
    /// What `/keys/query` says about the account, with this device in it.
    pub published: get_keys::v3::Response,
    /// The account's private keys, which belong to the published ones. The key of the backup is
    /// among them only if it opens the backup that the homeserver has.
    pub secrets: Secrets,
}
