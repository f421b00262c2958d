//! The device's keys: what must be true of them before they are signed and published, and
//! afterwards.

use ruma::{
    DeviceId, UserId,
    encryption::{DeviceKeys, OneTimeKey},
    serde::Raw,
};
use vodozemac::{Curve25519PublicKey, Ed25519PublicKey};

use super::{
    error::DeviceKeysProblem, holder::KeyUpload, identity::PublishedIdentity,
    signed_json::SignedJson,
};

/// Without both a device cannot be written to ("Messaging algorithms" of the specification).
const ALGORITHMS: [&str; 2] = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"];

/// Checks everything that a holder hands over for a device; returns its keys, to be signed.
pub(super) fn check(
    upload: &KeyUpload,
    user_id: &UserId,
    device_id: &DeviceId,
) -> Result<SignedJson, DeviceKeysProblem> {
    let device = OwnKeys::read(&upload.device_keys, user_id, device_id)?;
    if !device.has_signed(&device.json) {
        return Err(DeviceKeysProblem::Unsigned);
    }
    let mut others = upload.one_time_keys.iter().chain(&upload.fallback_keys);
    let is_signed =
        |key: &Raw<OneTimeKey>| SignedJson::parse(key).is_some_and(|json| device.has_signed(&json));
    if !others.all(|(_, key)| is_signed(key)) {
        return Err(DeviceKeysProblem::UnsignedOneTimeKey);
    }
    Ok(device.json)
}

/// Signed by the device itself and by the self-signing key, both signatures verified.
pub(crate) fn is_signed_twice(
    keys: &Raw<DeviceKeys>,
    user_id: &UserId,
    device_id: &DeviceId,
    identity: &PublishedIdentity,
) -> bool {
    let self_signing = identity.self_signing();
    OwnKeys::read(keys, user_id, device_id).is_ok_and(|device| {
        let json = &device.json;
        device.has_signed(json) && json.is_signed_by(user_id, &self_signing.id, &self_signing.key)
    })
}

/// The keys of one device.
struct OwnKeys<'a> {
    user_id: &'a UserId,
    key_id: String,
    key: Ed25519PublicKey,
    json: SignedJson,
}

impl<'a> OwnKeys<'a> {
    fn read(
        keys: &Raw<DeviceKeys>,
        user_id: &'a UserId,
        device_id: &DeviceId,
    ) -> Result<Self, DeviceKeysProblem> {
        let json = SignedJson::parse(keys).ok_or(DeviceKeysProblem::Malformed)?;
        // From the very object that is signed: a text with a repeated name has two readings.
        let canonical = json
            .to_raw::<DeviceKeys>()
            .ok_or(DeviceKeysProblem::Malformed)?;
        let fields = canonical
            .deserialize()
            .map_err(|_| DeviceKeysProblem::Malformed)?;
        if fields.user_id != user_id {
            return Err(DeviceKeysProblem::OtherUser);
        }
        if fields.device_id != device_id {
            return Err(DeviceKeysProblem::OtherDevice);
        }
        let has = |algorithm: &&str| {
            fields
                .algorithms
                .iter()
                .any(|one| one.as_str() == *algorithm)
        };
        if !ALGORITHMS.iter().all(has) {
            return Err(DeviceKeysProblem::Algorithms);
        }
        let named = |id: &str| {
            let mut keys = fields.keys.iter();
            keys.find_map(|(key_id, key)| (key_id.as_str() == id).then_some(key.as_str()))
        };
        let key_id = format!("ed25519:{device_id}");
        let key = named(&key_id).and_then(|key| Ed25519PublicKey::from_base64(key).ok());
        let curve25519 = named(&format!("curve25519:{device_id}"));
        curve25519
            .and_then(|key| Curve25519PublicKey::from_base64(key).ok())
            .ok_or(DeviceKeysProblem::IdentityKey)?;
        Ok(Self {
            user_id,
            key_id,
            key: key.ok_or(DeviceKeysProblem::IdentityKey)?,
            json,
        })
    }

    fn has_signed(&self, json: &SignedJson) -> bool {
        json.is_signed_by(self.user_id, &self.key_id, &self.key)
    }
}
