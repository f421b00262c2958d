//! The verification state of this device, as the homeserver publishes it to everyone.

use matrix_sdk_crypto::types::DeviceKeys;
use ruma::UserId;

use super::Encryption;
use crate::{
    client_server_api::Homeserver,
    keys::{CrossSigningError, HeldIdentity, KeyHolder as _, agreed_identity, is_signed_twice},
};

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
        let (user_id, device_id) = (self.user_id(), self.device_id());
        let held = HeldIdentity::of(&self.secrets().await?.cross_signing);
        let (answer, identity) = agreed_identity(homeserver, user_id, &held).await?;
        let raw = answer
            .device_keys
            .get(user_id)
            .and_then(|devices| devices.get(device_id));
        let keys = raw.and_then(|keys| keys.deserialize_as::<DeviceKeys>().ok());
        Ok(Verification {
            verified: keys.as_ref().is_some_and(|keys| self.is_own(keys))
                && raw.is_some_and(|keys| is_signed_twice(keys, user_id, device_id, &identity)),
            signatures: keys
                .filter(|keys| (&*keys.user_id, &*keys.device_id) == (user_id, device_id))
                .map(|keys| signatures(&keys, user_id))
                .unwrap_or_default(),
            master_key: identity.fingerprint(),
        })
    }

    /// Published under our name, and with our keys.
    fn is_own(&self, keys: &DeviceKeys) -> bool {
        let own = self.machine.identity_keys();
        (keys.ed25519_key(), keys.curve25519_key()) == (Some(own.ed25519), Some(own.curve25519))
    }
}

fn signatures(keys: &DeviceKeys, user: &UserId) -> Vec<String> {
    let signatures = keys.signatures.get(user).into_iter().flatten();
    signatures.map(|(id, _)| id.to_string()).collect()
}
