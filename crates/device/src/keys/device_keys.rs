//! The device's keys: what must be true of them before they are signed and published, and
//! afterwards.

use std::collections::BTreeMap;

use ruma::{
    DeviceId, OneTimeKeyAlgorithm, OwnedOneTimeKeyId, UserId,
    encryption::{DeviceKeys, OneTimeKey},
    serde::Raw,
};
use serde::Deserialize;
use vodozemac::{Curve25519PublicKey, Ed25519PublicKey};

use super::{
    error::DeviceKeysProblem, holder::KeyUpload, identity::PublishedIdentity,
    signed_json::SignedJson,
};

/// Without both a device cannot be written to ("Messaging algorithms" of the specification).
const ALGORITHMS: [&str; 2] = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"];

/// What a holder handed over for a device, checked, and in the form in which it was checked: a text
/// with a repeated name has two readings.
pub(super) struct CheckedKeys {
    /// To be signed.
    pub(super) device_keys: SignedJson,
    pub(super) one_time_keys: OneTimeKeys,
    pub(super) fallback_keys: OneTimeKeys,
}

type OneTimeKeys = BTreeMap<OwnedOneTimeKeyId, Raw<OneTimeKey>>;

/// Checks everything that a holder hands over for a device.
pub(super) fn check(
    upload: &KeyUpload,
    user_id: &UserId,
    device_id: &DeviceId,
) -> Result<CheckedKeys, DeviceKeysProblem> {
    let device = OwnKeys::read(&upload.device_keys, user_id, device_id)?;
    if !device.has_signed(&device.json) {
        return Err(DeviceKeysProblem::Unsigned);
    }
    Ok(CheckedKeys {
        one_time_keys: device.check_all(&upload.one_time_keys, false)?,
        fallback_keys: device.check_all(&upload.fallback_keys, true)?,
        device_keys: device.json,
    })
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

    fn check_all(
        &self,
        keys: &OneTimeKeys,
        are_fallback: bool,
    ) -> Result<OneTimeKeys, DeviceKeysProblem> {
        let checked = |(id, key): (&OwnedOneTimeKeyId, _)| {
            let key = self.check_one_time_key(id, key, are_fallback);
            Ok((id.clone(), key.ok_or(DeviceKeysProblem::OneTimeKey)?))
        };
        keys.iter().map(checked).collect()
    }

    /// Client-Server API, "One-time and fallback keys": a signed Curve25519 key, and nothing else
    /// that the device has signed.
    fn check_one_time_key(
        &self,
        id: &OwnedOneTimeKeyId,
        key: &Raw<OneTimeKey>,
        is_fallback: bool,
    ) -> Option<Raw<OneTimeKey>> {
        #[derive(Deserialize)]
        struct Fields {
            key: String,
            #[serde(default)]
            fallback: bool,
        }
        let json = SignedJson::parse(key)?;
        let raw = json.to_raw::<OneTimeKey>()?;
        let fields: Fields = raw.deserialize_as_unchecked().ok()?;
        let is_key = Curve25519PublicKey::from_base64(&fields.key).is_ok();
        let is_of_kind = id.algorithm() == OneTimeKeyAlgorithm::SignedCurve25519
            && fields.fallback == is_fallback;
        (is_key && is_of_kind && self.has_signed(&json)).then_some(raw)
    }

    fn has_signed(&self, json: &SignedJson) -> bool {
        json.is_signed_by(self.user_id, &self.key_id, &self.key)
    }
}
