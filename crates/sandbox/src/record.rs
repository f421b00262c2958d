//! What the sandbox has seen: tests assert on it, and the demonstration reports it.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;

/// A snapshot. It holds no token, key or code. In front of a [`Synapse`](crate::Synapse) it covers
/// the authorization server and the rendezvous service only: Synapse has the keys and backups then.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Record {
    /// The devices that the account has now.
    pub devices: Vec<String>,
    /// Their display names, by device ID.
    pub device_names: BTreeMap<String, String>,
    /// Devices that were created without a QR code (the account's first). They may sign themselves
    /// after their first upload.
    pub bootstrap: Vec<String>,
    /// Every `/keys/upload` that was understood, refused ones included, in order.
    pub key_uploads: Vec<RecordedUpload>,
    /// How often a device that is not in `bootstrap` had published keys without a valid signature
    /// of the account's self-signing key. MSC4108 requires 0.
    pub unsigned_moments: u32,
    /// The current version of the key backup.
    pub backup_version: Option<String>,
    /// Token requests with a device code, refused ones included.
    pub token_polls: u32,
    /// The device ids of revoked sign-ins, in order.
    pub revocations: Vec<String>,
    /// Rendezvous requests by method, lost ones included.
    pub rendezvous_requests: BTreeMap<String, u32>,
    /// The answers that were late, in the order in which they were sent
    /// ([`Fault::LateAnswers`](crate::Fault::LateAnswers)).
    pub late_answers: Vec<LateAnswer>,
}

/// An answer that was late.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct LateAnswer {
    /// Whose: `homeserver`, `authorization` or `rendezvous`.
    pub server: &'static str,
    /// To what: method and path, with `{id}` in place of each ID.
    pub request: String,
    /// When it was ready, counted from the start of the sandbox.
    pub ready: Duration,
    /// When it was sent.
    pub sent: Duration,
}

impl Record {
    /// The longest row of late answers in which each was sent before the next was ready: how often
    /// two devices waited for an answer, one after the other.
    pub fn answers_in_a_row(&self) -> Vec<&LateAnswer> {
        // Whatever else begins later than the first that is sent, begins later than this one, too.
        let mut row: Vec<&LateAnswer> = Vec::new();
        for answer in &self.late_answers {
            if row.last().is_none_or(|last| answer.ready >= last.sent) {
                row.push(answer);
            }
        }
        row
    }
}

/// One `/keys/upload`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct RecordedUpload {
    /// The device whose access token was used.
    pub device_id: String,
    /// Whether the homeserver stored it.
    pub accepted: bool,
    /// Whether it contained device keys, not only one-time keys.
    pub has_device_keys: bool,
    /// Whether the device's own signature over them verified.
    pub has_device_signature: bool,
    /// Whether a signature of the published self-signing key over them verified.
    pub has_self_signing_signature: bool,
}
