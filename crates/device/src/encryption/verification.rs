//! The verification state of devices, as the homeserver publishes it to everyone.

use std::time::Duration;

use matrix_sdk_crypto::types::DeviceKeys;
use ruma::{DeviceId, UserId, api::client::keys::get_keys};
use tokio::time::{sleep, timeout};

use super::{
    Encryption, error::CrossSigningError, import::is_signed_twice, public_keys::PublicKeys,
};
use crate::homeserver::{Homeserver, HomeserverError};

/// How often [`Encryption::await_verified`] looks.
const PAUSE: Duration = Duration::from_millis(200);

/// How the account's other devices see this one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verification {
    /// The published device keys carry valid signatures of the device and of the account's
    /// self-signing key, and the account's identity is the one whose private keys are held here.
    pub verified: bool,
    /// The key IDs of the account's signatures on the published device keys (`ed25519:..`).
    pub signatures: Vec<String>,
    /// The account's public master key in unpadded base64: what a person compares.
    pub master_key: String,
}

impl Encryption {
    /// Asks the homeserver what it publishes about this device.
    ///
    /// # Errors
    ///
    /// See [`CrossSigningError`]: the published identity is not ours, or could not be asked for.
    pub async fn verification(
        &self,
        homeserver: &Homeserver,
    ) -> Result<Verification, CrossSigningError> {
        let (answer, published) = self.agreed_keys(homeserver).await?;
        let keys = device_keys(&answer, self.user_id(), self.device_id());
        let is_signed = |keys: &DeviceKeys| is_signed_twice(keys, &published.self_signing);
        Ok(Verification {
            verified: keys
                .as_ref()
                .is_some_and(|keys| self.is_own(keys) && is_signed(keys)),
            signatures: keys
                .map(|keys| signatures(&keys, self.user_id()))
                .unwrap_or_default(),
            master_key: published.fingerprint(),
        })
    }

    /// Waits until a device of the account is published with a valid signature of the self-signing
    /// key: whether that happened within the given time. Asks five times a second; an answer that
    /// cannot be had is asked for again, unless this device's own session has ended.
    pub async fn await_verified(
        &self,
        homeserver: &Homeserver,
        device: &DeviceId,
        within: Duration,
    ) -> bool {
        let verified = async {
            loop {
                match self.is_published_verified(homeserver, device).await {
                    Ok(true) => return true,
                    Err(CrossSigningError::Homeserver(HomeserverError::Expired)) => return false,
                    _ => sleep(PAUSE).await,
                }
            }
        };
        timeout(within, verified).await.unwrap_or(false)
    }

    async fn is_published_verified(
        &self,
        homeserver: &Homeserver,
        device: &DeviceId,
    ) -> Result<bool, CrossSigningError> {
        let (answer, PublicKeys { self_signing, .. }) = self.agreed_keys(homeserver).await?;
        let keys = device_keys(&answer, self.user_id(), device);
        Ok(keys.is_some_and(|keys| is_signed_twice(&keys, &self_signing)))
    }

    /// Published under our name, and with our keys.
    fn is_own(&self, keys: &DeviceKeys) -> bool {
        keys.ed25519_key() == Some(self.machine.identity_keys().ed25519)
            && keys.curve25519_key() == Some(self.machine.identity_keys().curve25519)
    }
}

fn device_keys(
    answer: &get_keys::v3::Response,
    user: &UserId,
    device: &DeviceId,
) -> Option<DeviceKeys> {
    let keys = answer.device_keys.get(user)?.get(device)?;
    let keys: DeviceKeys = keys.deserialize_as().ok()?;
    (keys.user_id == user && keys.device_id == device).then_some(keys)
}

fn signatures(keys: &DeviceKeys, user: &UserId) -> Vec<String> {
    let signatures = keys.signatures.get(user).into_iter().flatten();
    signatures.map(|(id, _)| id.to_string()).collect()
}
