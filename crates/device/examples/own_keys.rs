//! A holder of a device's keys that is not matrix-sdk-crypto: vodozemac, in memory. A real one keeps
//! what it is given on disk. The sign-in around it is the one of `sign_in.rs`, with
//! `Arc::new(MyKeys::default())` in place of `StoreKeys`.
//!
//! `cargo run -p matrix-qr-device --no-default-features --example own_keys` prints what would be
//! uploaded. It is built without matrix-sdk-crypto.

use std::sync::{Mutex, MutexGuard, PoisonError};

use matrix_qr_device::keys::{
    CrossSigningError, KeyHolder, KeyHolderError, KeyUpload, VerifiedDevice,
};
use matrix_qr_protocol::login::message::{Backup, Secrets};
use ruma::{DeviceId, UserId, canonical_json::to_canonical_value, device_id, user_id};
use serde_json::{Map, Value, json};
use vodozemac::olm::Account;

/// The keys of one device.
#[derive(Default)]
pub(crate) struct MyKeys {
    account: Mutex<Account>,
    kept: Mutex<Option<VerifiedDevice>>,
}

impl KeyHolder for MyKeys {
    /// The body of `/keys/upload`, signed by the device itself. The signature of the account is
    /// added by the sign-in, which also uploads it.
    async fn device_keys(
        &self,
        user_id: &UserId,
        device_id: &DeviceId,
    ) -> Result<KeyUpload, KeyHolderError> {
        let mut account = locked(&self.account);
        account.generate_one_time_keys(50);
        let identity = account.identity_keys();
        let device_keys = json!({
            "user_id": user_id,
            "device_id": device_id,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "keys": {
                format!("ed25519:{device_id}"): identity.ed25519.to_base64(),
                format!("curve25519:{device_id}"): identity.curve25519.to_base64(),
            },
        });
        let sign = |json| signed(&account, json, user_id, device_id);
        let one_time_keys: Map<String, Value> = account
            .one_time_keys()
            .into_iter()
            .map(|(id, key)| {
                let id = format!("signed_curve25519:{}", id.to_base64());
                (id, sign(json!({ "key": key.to_base64() })))
            })
            .collect();
        let upload = json!({ "device_keys": sign(device_keys), "one_time_keys": one_time_keys });
        serde_json::from_value(upload).map_err(|error| failed(&error.to_string()))
    }

    /// The homeserver has the keys, and the device is verified: everything goes to disk now.
    async fn keep(&self, device: &VerifiedDevice) -> Result<(), KeyHolderError> {
        locked(&self.account).mark_keys_as_published();
        *locked(&self.kept) = Some(device.clone());
        Ok(())
    }

    /// For the next device.
    async fn secrets(&self) -> Result<Secrets, CrossSigningError> {
        let kept = locked(&self.kept);
        let device = kept
            .as_ref()
            .ok_or_else(|| failed("this device is not signed in"))?;
        Ok(device.secrets.clone())
    }

    /// For old messages.
    async fn backup_key(&self) -> Result<Option<Backup>, KeyHolderError> {
        Ok(locked(&self.kept)
            .as_ref()
            .and_then(|device| device.secrets.backup.clone()))
    }
}

/// "Signing JSON", in the appendices of the Matrix specification.
fn signed(account: &Account, mut json: Value, user_id: &UserId, device_id: &DeviceId) -> Value {
    if let (Ok(canonical), Some(object)) = (to_canonical_value(&json), json.as_object_mut()) {
        let signature = account.sign(canonical.to_string()).to_base64();
        let key_id = format!("ed25519:{device_id}");
        object.insert(
            "signatures".to_owned(),
            json!({ user_id.as_str(): { key_id: signature } }),
        );
    }
    json
}

fn failed(what: &str) -> KeyHolderError {
    KeyHolderError {
        what: what.to_owned(),
        advice: "Look at the library that has the keys.",
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (user_id, device_id) = (user_id!("@bot:example.org"), device_id!("EXAMPLE"));
    let upload = MyKeys::default().device_keys(user_id, device_id).await?;
    let text = serde_json::to_string_pretty(&upload)?;
    std::io::Write::write_all(&mut std::io::stdout(), text.as_bytes())?;
    Ok(())
}
