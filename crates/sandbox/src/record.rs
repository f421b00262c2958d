//! What the sandbox saw: for a test to assert on, and for a demo to show as true.

use std::collections::BTreeMap;

use serde::Serialize;

/// A snapshot. It holds no token, key or code. In front of a [`Synapse`](crate::Synapse) it is what
/// the authorization server and the rendezvous service saw: keys and backups are then none of the
/// sandbox's business.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// The devices of the account now.
    pub devices: Vec<String>,
    /// What they are called, by ID.
    pub device_names: BTreeMap<String, String>,
    /// Devices that were made without QR (the account's first): they sign themselves after their
    /// first upload.
    pub bootstrap: Vec<String>,
    /// Every `/keys/upload` that was understood, refused ones included, in order.
    pub key_uploads: Vec<KeyUpload>,
    /// How often a device that is not in `bootstrap` came to have keys, or a new identity, without
    /// a valid signature of the account's self-signing key over it. MSC4108 wants 0.
    pub unsigned_moments: u32,
    /// The current version of the key backup.
    pub backup_version: Option<String>,
    /// Token requests with a device code, refused ones included.
    pub token_polls: u32,
    /// The device ids of revoked sign-ins, in order.
    pub revocations: Vec<String>,
    /// Rendezvous requests by method, lost ones included.
    pub rendezvous_requests: BTreeMap<String, u32>,
}

/// One `/keys/upload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeyUpload {
    /// Whose token it came with.
    pub device_id: String,
    /// Whether it was taken over.
    pub accepted: bool,
    /// Whether it had device keys in it, rather than one-time keys only.
    pub has_device_keys: bool,
    /// Whether the device's own signature over them verified.
    pub has_device_signature: bool,
    /// Whether a signature of the published self-signing key over them verified.
    pub has_self_signing_signature: bool,
}
