//! The account that the sandbox serves: its devices with their keys, its cross-signing identity,
//! backups, rooms and data.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::Value;

use crate::{
    record::{Record, RecordedUpload},
    signatures::{Ed25519PublicKey, is_signed_by},
};

pub(crate) struct Account {
    pub(crate) user_id: String,
    pub(crate) devices: BTreeMap<String, AccountDevice>,
    pub(crate) identity: Option<CrossSigningIdentity>,
    /// In order. The version of a backup is its position, counted from 1; the last one is current.
    pub(crate) backups: Vec<KeyBackup>,
    pub(crate) rooms: BTreeMap<String, Room>,
    pub(crate) account_data: BTreeMap<String, (u64, Value)>,
    /// The response to each transaction, by device and path.
    pub(crate) transactions: BTreeMap<(String, String), Value>,
    pub(crate) key_uploads: Vec<RecordedUpload>,
    /// The position in the stream of the last change of any keys.
    pub(crate) keys_changed: u64,
    /// The next position in the stream of everything that `/sync` reports.
    pub(crate) position: u64,
    bootstrap: BTreeSet<String>,
    unsigned: BTreeSet<String>,
    unsigned_moments: u32,
}

#[derive(Default)]
pub(crate) struct AccountDevice {
    pub(crate) display_name: String,
    pub(crate) keys: Option<DeviceKeys>,
    /// By id, `signed_curve25519:AAAAAQ`.
    pub(crate) one_time_keys: BTreeMap<String, Value>,
    pub(crate) fallback_key: Option<FallbackKey>,
    pub(crate) inbox: VecDeque<(u64, Value)>,
}

pub(crate) struct DeviceKeys {
    pub(crate) ed25519: Ed25519PublicKey,
    pub(crate) json: Value,
}

pub(crate) struct FallbackKey {
    pub(crate) id: String,
    pub(crate) json: Value,
    pub(crate) used: bool,
}

pub(crate) struct CrossSigningIdentity {
    pub(crate) master: PublishedKey,
    pub(crate) self_signing: Option<PublishedKey>,
    pub(crate) user_signing: Option<PublishedKey>,
}

#[derive(Clone)]
pub(crate) struct PublishedKey {
    /// `ed25519:` and the key itself.
    pub(crate) id: String,
    pub(crate) key: Ed25519PublicKey,
    pub(crate) json: Value,
}

pub(crate) struct KeyBackup {
    pub(crate) algorithm: String,
    pub(crate) auth_data: Value,
    /// Room, session, data.
    pub(crate) rooms: BTreeMap<String, BTreeMap<String, Value>>,
    pub(crate) etag: u64,
}

#[derive(Default)]
pub(crate) struct Room {
    pub(crate) state: BTreeMap<(String, String), Value>,
    /// Events with their position in the stream.
    pub(crate) timeline: Vec<(u64, Value)>,
}

impl Account {
    pub(crate) fn new(user_id: String) -> Self {
        Self {
            user_id,
            devices: BTreeMap::new(),
            identity: None,
            backups: Vec::new(),
            rooms: BTreeMap::new(),
            account_data: BTreeMap::new(),
            transactions: BTreeMap::new(),
            key_uploads: Vec::new(),
            keys_changed: 0,
            position: 1,
            bootstrap: BTreeSet::new(),
            unsigned: BTreeSet::new(),
            unsigned_moments: 0,
        }
    }

    /// A device that signs in again is the same device.
    pub(crate) fn add_device(&mut self, device_id: &str, display_name: &str) {
        let device = self.devices.entry(device_id.to_owned()).or_default();
        device.display_name = display_name.to_owned();
    }

    pub(crate) fn remove_device(&mut self, device_id: &str) {
        let removed = self.devices.remove(device_id);
        self.transactions
            .retain(|(device, _), _| device != device_id);
        if removed.is_some_and(|device| device.keys.is_some()) {
            self.keys_have_changed();
        }
    }

    pub(crate) fn mark_as_bootstrap(&mut self, device_id: &str) {
        self.bootstrap.insert(device_id.to_owned());
    }

    pub(crate) fn next_position(&mut self) -> u64 {
        let position = self.position;
        self.position += 1;
        position
    }

    /// Must be called after every change of keys. Counts each device that others now see as
    /// unverified, once until it is verified: MSC4108, "New device cross-signs itself and uploads
    /// device keys".
    pub(crate) fn keys_have_changed(&mut self) {
        self.keys_changed = self.next_position();
        let unsigned: BTreeSet<String> = self
            .devices
            .keys()
            .filter(|id| self.is_seen_unverified(id))
            .cloned()
            .collect();
        self.unsigned_moments += unsigned.difference(&self.unsigned).count() as u32;
        self.unsigned = unsigned;
    }

    fn is_seen_unverified(&self, device_id: &str) -> bool {
        let keys = self
            .devices
            .get(device_id)
            .and_then(|device| device.keys.as_ref());
        let unsigned = |keys: &DeviceKeys| !self.is_cross_signed(&keys.json);
        !self.bootstrap.contains(device_id) && keys.is_some_and(unsigned)
    }

    /// Whether the published self-signing key has signed these device keys.
    pub(crate) fn is_cross_signed(&self, device_keys: &Value) -> bool {
        let key = self
            .identity
            .as_ref()
            .and_then(|identity| identity.self_signing.as_ref());
        key.is_some_and(|key| {
            is_signed_by(device_keys, &self.user_id, &key.id, key.key).unwrap_or(false)
        })
    }

    /// A signing key of the account by its ID, either of a device or of the identity.
    pub(crate) fn signing_key(&self, key_id: &str) -> Option<Ed25519PublicKey> {
        let of_device = key_id
            .strip_prefix("ed25519:")
            .and_then(|id| self.devices.get(id));
        let of_device = of_device
            .and_then(|device| device.keys.as_ref())
            .map(|keys| keys.ed25519);
        of_device.or_else(|| {
            let keys = self.identity.iter().flat_map(CrossSigningIdentity::keys);
            keys.filter(|key| key.id == key_id)
                .map(|key| key.key)
                .next()
        })
    }

    pub(crate) fn record(&self) -> Record {
        Record {
            devices: self.devices.keys().cloned().collect(),
            device_names: self
                .devices
                .iter()
                .map(|(id, device)| (id.clone(), device.display_name.clone()))
                .collect(),
            bootstrap: self.bootstrap.iter().cloned().collect(),
            key_uploads: self.key_uploads.clone(),
            unsigned_moments: self.unsigned_moments,
            backup_version: (!self.backups.is_empty()).then(|| self.backups.len().to_string()),
            ..Record::default()
        }
    }
}

impl CrossSigningIdentity {
    pub(crate) fn keys(&self) -> impl Iterator<Item = &PublishedKey> {
        [
            Some(&self.master),
            self.self_signing.as_ref(),
            self.user_signing.as_ref(),
        ]
        .into_iter()
        .flatten()
    }
}
