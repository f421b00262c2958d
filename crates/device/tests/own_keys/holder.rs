//! A library that holds keys: vodozemac, and what a test wants to be wrong with it.

use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use matrix_qr_device::keys::{
    CrossSigningError, KeyHolder, KeyHolderError, KeyUpload, VerifiedDevice,
};
use matrix_qr_protocol::login::message::{Backup, Secrets};
use ruma::{DeviceId, UserId, canonical_json::to_canonical_value};
use serde_json::{Value, json};
use vodozemac::{Ed25519SecretKey, olm::Account};

pub(crate) const ONE_TIME_KEYS: u32 = 3;

/// What is wrong with the keys of a new device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    OtherUser,
    OtherDevice,
    NoMegolm,
    NoIdentityKey,
    Unsigned,
    SignedByAnother,
    ChangedAfterwards,
    UnsignedOneTimeKey,
    UnsignedFallbackKey,
    /// Something else that the device has signed.
    OneTimeKeyIsAnotherObject,
    OneTimeKeyOfAnotherAlgorithm,
    FallbackKeyIsNotMarked,
    NotAnObject,
    /// It has no keys to hand over.
    NoKeys,
    /// It cannot store what it is given.
    NotKept,
}

/// The keys of one device.
#[derive(Default)]
pub(crate) struct OwnKeys {
    account: Mutex<Account>,
    pub(crate) mistake: Option<Mistake>,
    kept: Mutex<Option<VerifiedDevice>>,
    /// What it hands over as the existing device: one after the other, the last one for ever.
    secrets: Mutex<Vec<Secrets>>,
    asked_for_secrets: AtomicUsize,
}

impl OwnKeys {
    pub(crate) fn with(mistake: Mistake) -> Self {
        Self {
            mistake: Some(mistake),
            ..Self::default()
        }
    }

    pub(crate) fn of_existing_device(secrets: impl IntoIterator<Item = Secrets>) -> Self {
        Self {
            secrets: Mutex::new(secrets.into_iter().collect()),
            ..Self::default()
        }
    }

    pub(crate) fn kept(&self) -> VerifiedDevice {
        self.kept
            .lock()
            .unwrap()
            .clone()
            .expect("something was kept")
    }

    pub(crate) fn has_kept(&self) -> bool {
        self.kept.lock().unwrap().is_some()
    }

    pub(crate) fn asked_for_secrets(&self) -> usize {
        self.asked_for_secrets.load(Ordering::Relaxed)
    }

    /// The body of the upload, as it should be.
    pub(crate) fn upload(&self, user_id: &str, device_id: &str) -> Value {
        let mut account = self.account.lock().unwrap();
        account.generate_one_time_keys(ONE_TIME_KEYS as usize);
        account.generate_fallback_key();
        let sign = |json: Value| {
            signed(json, user_id, device_id, |text| {
                account.sign(text).to_base64()
            })
        };
        let identity = account.identity_keys();
        let device_keys = sign(json!({
            "user_id": user_id,
            "device_id": device_id,
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "keys": {
                format!("ed25519:{device_id}"): identity.ed25519.to_base64(),
                format!("curve25519:{device_id}"): identity.curve25519.to_base64(),
            },
        }));
        let one_time_keys: Value = account
            .one_time_keys()
            .iter()
            .map(|(id, key)| {
                let id = format!("signed_curve25519:{}", id.to_base64());
                (id, sign(json!({ "key": key.to_base64() })))
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
        let fallback_keys: Value = account
            .fallback_key()
            .iter()
            .map(|(id, key)| {
                let id = format!("signed_curve25519:{}", id.to_base64());
                (
                    id,
                    sign(json!({ "key": key.to_base64(), "fallback": true })),
                )
            })
            .collect::<serde_json::Map<_, _>>()
            .into();
        json!({
            "device_keys": device_keys,
            "one_time_keys": one_time_keys,
            "fallback_keys": fallback_keys,
        })
    }

    fn flawed(&self, user_id: &str, device_id: &str) -> Value {
        let mut upload = match self.mistake {
            Some(Mistake::OtherUser) => self.upload("@mallory:example.org", device_id),
            Some(Mistake::OtherDevice) => self.upload(user_id, "ANOTHERDEVICE"),
            _ => self.upload(user_id, device_id),
        };
        let own = format!("ed25519:{device_id}");
        let keys = &mut upload["device_keys"];
        match self.mistake {
            Some(Mistake::NoMegolm) => {
                *keys = self.changed(keys, |keys| {
                    keys["algorithms"] = json!(["m.olm.v1.curve25519-aes-sha2", "m.another"]);
                })
            }
            Some(Mistake::NoIdentityKey) => {
                *keys = self.changed(keys, |keys| {
                    keys["keys"]
                        .as_object_mut()
                        .unwrap()
                        .remove(&format!("curve25519:{device_id}"));
                })
            }
            Some(Mistake::Unsigned) => keys["signatures"] = json!({}),
            Some(Mistake::SignedByAnother) => {
                let another = Ed25519SecretKey::new();
                let sign = |text: &str| another.sign(text.as_bytes()).to_base64();
                *keys = signed(keys.clone(), user_id, device_id, sign);
            }
            Some(Mistake::ChangedAfterwards) => {
                let another = Ed25519SecretKey::new().public_key().to_base64();
                keys["keys"][own] = json!(another);
            }
            Some(Mistake::NotAnObject) => *keys = json!(["device_keys"]),
            Some(Mistake::OneTimeKeyIsAnotherObject) => {
                let another = keys.clone();
                upload["one_time_keys"] = json!({ "signed_curve25519:AAAA": another });
            }
            Some(Mistake::OneTimeKeyOfAnotherAlgorithm) => {
                let key = first(&upload["one_time_keys"]);
                upload["one_time_keys"] = json!({ "curve25519:AAAA": key });
            }
            Some(Mistake::FallbackKeyIsNotMarked) => {
                let key = first(&upload["one_time_keys"]);
                upload["fallback_keys"] = json!({ "signed_curve25519:AAAA": key });
            }
            Some(Mistake::UnsignedOneTimeKey) => unsign(&mut upload["one_time_keys"]),
            Some(Mistake::UnsignedFallbackKey) => unsign(&mut upload["fallback_keys"]),
            _ => {}
        }
        upload
    }

    /// Changed, and signed again by the device.
    fn changed(&self, keys: &Value, change: impl FnOnce(&mut Value)) -> Value {
        let mut keys = keys.clone();
        change(&mut keys);
        let (user_id, device_id) = (keys["user_id"].clone(), keys["device_id"].clone());
        let account = self.account.lock().unwrap();
        let sign = |text: &str| account.sign(text).to_base64();
        signed(
            keys,
            user_id.as_str().unwrap(),
            device_id.as_str().unwrap(),
            sign,
        )
    }
}

impl KeyHolder for OwnKeys {
    async fn device_keys(
        &self,
        user_id: &UserId,
        device_id: &DeviceId,
    ) -> Result<KeyUpload, KeyHolderError> {
        if self.mistake == Some(Mistake::NoKeys) {
            return Err(failed());
        }
        let upload = self.flawed(user_id.as_str(), device_id.as_str());
        Ok(serde_json::from_value(upload).unwrap())
    }

    async fn keep(&self, device: &VerifiedDevice) -> Result<(), KeyHolderError> {
        if self.mistake == Some(Mistake::NotKept) {
            return Err(failed());
        }
        *self.secrets.lock().unwrap() = vec![device.secrets.clone()];
        *self.kept.lock().unwrap() = Some(device.clone());
        Ok(())
    }

    async fn secrets(&self) -> Result<Secrets, CrossSigningError> {
        self.asked_for_secrets.fetch_add(1, Ordering::Relaxed);
        let mut secrets = self.secrets.lock().unwrap();
        if secrets.len() > 1 {
            return Ok(secrets.remove(0));
        }
        Ok(secrets.first().cloned().ok_or_else(failed)?)
    }

    async fn backup_key(&self) -> Result<Option<Backup>, KeyHolderError> {
        let secrets = self.secrets.lock().unwrap();
        Ok(secrets.first().and_then(|secrets| secrets.backup.clone()))
    }
}

fn failed() -> KeyHolderError {
    KeyHolderError {
        what: "the library has no keys".to_owned(),
        advice: "Ask the library.",
    }
}

fn first(keys: &Value) -> Value {
    keys.as_object().unwrap().values().next().unwrap().clone()
}

fn unsign(keys: &mut Value) {
    let (_, key) = keys.as_object_mut().unwrap().iter_mut().next().unwrap();
    key["signatures"] = json!({});
}

/// With the signature of the device, in place of all others.
pub(crate) fn signed(
    mut json: Value,
    user_id: &str,
    device_id: &str,
    sign: impl Fn(&str) -> String,
) -> Value {
    json.as_object_mut().unwrap().remove("signatures");
    let text = to_canonical_value(&json).unwrap().to_string();
    json["signatures"] = json!({ user_id: { format!("ed25519:{device_id}"): sign(&text) } });
    json
}
