//! What can go wrong with a device's end-to-end encryption.

use matrix_qr_protocol::error::{Cause, ToUserError};

use super::public_keys::CrossSigningKey;
use crate::homeserver::HomeserverError;

/// The encryption store failed. The text holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another program has it open, and nothing is wrong with it.
    #[error("another program has the encryption store of this device open ({0})")]
    Busy(String),
    /// The disk, a damaged file, or a store of another device.
    #[error("the encryption store of this device failed: {0}")]
    Failed(String),
}

/// What SQLite says when another process holds a database's lock (SQLITE_BUSY). The store's errors
/// have it only in their text.
const BUSY: &str = "database is locked";

impl StoreError {
    pub(crate) fn new(why: impl std::fmt::Display) -> Self {
        let why = why.to_string();
        if why.contains(BUSY) {
            Self::Busy(why)
        } else {
            Self::Failed(why)
        }
    }
}

impl ToUserError for StoreError {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::Busy(_) => "Stop that program or wait until it ends, then try again.",
            Self::Failed(_) => {
                "Try again; if the problem persists, sign out with `matrix-qr logout`, then sign \
                 in again."
            }
        };
        (Cause::Here, advice)
    }
}

/// Why this device cannot sign another one in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CrossSigningError {
    /// Private keys are not on this device.
    #[error("this device does not hold the account's private {} key", list(.0))]
    Missing(Vec<CrossSigningKey>),
    /// The homeserver publishes no such key.
    #[error("the homeserver publishes no valid {0} key for this account")]
    NotPublished(CrossSigningKey),
    /// The homeserver publishes another key than the one held here.
    #[error(
        "the {0} key of this device is not the one that the homeserver publishes: \
         the account's identity was reset, or the homeserver is not honest"
    )]
    Mismatch(CrossSigningKey),
    /// The published keys could not be fetched.
    #[error(transparent)]
    Homeserver(#[from] HomeserverError),
    /// The store of this device failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn list(keys: &[CrossSigningKey]) -> String {
    keys.iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(" and ")
}

impl ToUserError for CrossSigningError {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::Missing(_) => {
                "Verify this device from another one first (or with the recovery key), then try \
                 again."
            }
            Self::NotPublished(_) => "Set up cross-signing (secure backup) first, then try again.",
            Self::Mismatch(_) => "Verify this device again, then try again.",
            Self::Homeserver(error) => return error.verdict(),
            Self::Store(error) => return error.verdict(),
        };
        (Cause::Here, advice)
    }
}

/// Why a bundle was not taken. Nothing of it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleRefused {
    /// There is nothing to compare the keys with.
    #[error("the homeserver publishes no valid {0} key for this account")]
    NotPublished(CrossSigningKey),
    /// A key belongs to another identity.
    #[error("its {0} key is not the one that the homeserver publishes for this account")]
    Mismatch(CrossSigningKey),
    /// The published identity is inconsistent: its keys are not signed by its master key.
    #[error(
        "the identity that the homeserver publishes for this account is not signed by its own \
         master key"
    )]
    InvalidIdentity,
}

/// Why this device is not set up. Revoke the token and wipe the store: no incomplete device may
/// remain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// The bundle was not taken.
    #[error("the secrets of the other device were refused: {0}")]
    Refused(#[from] BundleRefused),
    /// What the homeserver publishes could not be fetched.
    #[error("the account's published keys could not be fetched: {0}")]
    Query(#[source] HomeserverError),
    /// The device's keys did not have both signatures, so they were not published.
    #[error(
        "this device's keys are not signed by the account's self-signing key, so they were not \
         published"
    )]
    Unsigned,
    /// The one `/keys/upload` failed for good.
    #[error("this device's keys could not be published: {0}")]
    Upload(#[source] HomeserverError),
    /// The store of this device failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

const REFUSED: &str = "Nothing was stored. Make sure that the other device is a verified \
    device of this account, then start again.";
const DEFECT: &str = "Try again; if the problem persists, report it: this is a bug.";

impl ToUserError for ImportError {
    fn verdict(&self) -> (Cause, &'static str) {
        match self {
            Self::Refused(_) => (Cause::OtherDevice, REFUSED),
            Self::Query(error) | Self::Upload(error) => error.verdict(),
            Self::Unsigned => (Cause::Here, DEFECT),
            Self::Store(error) => error.verdict(),
        }
    }
}

/// Why the key backup is not used, or not shared. None of this ends a sign-in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackupProblem {
    /// The existing device has no backup key, or sent none.
    #[error("there is no key for the backup")]
    NoKey,
    /// The secret is not a key of 32 bytes in base64.
    #[error("the backup's key is malformed")]
    MalformedKey,
    /// The secret or the homeserver names an algorithm that is not known here.
    #[error("the backup's algorithm is not supported")]
    UnknownAlgorithm,
    /// The account has no backup.
    #[error("the homeserver has no backup for this account")]
    NoneOnServer,
    /// The key is for a version that is no longer, or not yet, the homeserver's current one.
    #[error("the key is for backup version {ours}, but the homeserver has version {current}")]
    OtherVersion {
        /// The version that the key is for.
        ours: String,
        /// The version that the homeserver has.
        current: String,
    },
    /// The private key does not belong to the backup's public key.
    #[error("the key does not open the backup that the homeserver has")]
    OtherKey,
    /// The homeserver could not say which backup it has.
    #[error("the backup could not be checked: {0}")]
    Unchecked(HomeserverError),
}

/// Why nothing came out of the backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RestoreError {
    /// This device is not connected to a backup.
    #[error("this device is not connected to a key backup")]
    NotConnected,
    /// The backup that this device is connected to is gone from the homeserver.
    #[error("the key backup that this device uses no longer exists: {0}")]
    Gone(BackupProblem),
    /// The homeserver did not hand it out.
    #[error("the key backup could not be fetched: {0}")]
    Homeserver(#[from] HomeserverError),
    /// The store of this device failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl ToUserError for RestoreError {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::NotConnected => {
                "Sign this device out and in again, using a device that has the backup's key."
            }
            Self::Gone(_) => {
                "Sign this device out and in again, using a device that has the new key."
            }
            Self::Homeserver(error) => return error.verdict(),
            Self::Store(error) => return error.verdict(),
        };
        (Cause::Here, advice)
    }
}

/// Why an event could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecryptError {
    /// The room key is missing, or the event is damaged.
    #[error("the event cannot be decrypted: {0}")]
    Undecryptable(String),
    /// It was decrypted, and is no text message.
    #[error("the event is not a text message")]
    NotText,
}
