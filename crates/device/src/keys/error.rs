//! What can go wrong with a device's keys.

use matrix_qr_protocol::error::{Cause, ToUserError};

use super::cross_signing_key::CrossSigningKey;
use crate::client_server_api::HomeserverError;

/// The holder of the keys failed: its store, or the program that it is. The texts hold no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct KeyHolderError {
    /// What happened: one sentence.
    pub what: String,
    /// What to do now: one sentence.
    pub advice: &'static str,
}

impl ToUserError for KeyHolderError {
    fn verdict(&self) -> (Cause, &'static str) {
        (Cause::Here, self.advice)
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
    /// The holder of the keys failed.
    #[error(transparent)]
    KeyHolder(#[from] KeyHolderError),
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
            Self::KeyHolder(error) => return error.verdict(),
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

/// Why the keys that a holder handed over are not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceKeysProblem {
    /// They are not of the form that the specification gives device keys.
    #[error("they are malformed")]
    Malformed,
    /// They name another account.
    #[error("they are for another account")]
    OtherUser,
    /// They name another device.
    #[error("they are for another device")]
    OtherDevice,
    /// An algorithm is missing.
    #[error("they do not support end-to-end encryption with Olm and Megolm")]
    Algorithms,
    /// The device's Ed25519 or Curve25519 key is missing or malformed.
    #[error("an identity key is missing or malformed")]
    IdentityKey,
    /// The device has not signed them.
    #[error("the device did not sign them")]
    Unsigned,
    /// A one-time key or a fallback key is not a Curve25519 key that the device has signed.
    #[error("a one-time key or a fallback key is malformed, or the device did not sign it")]
    OneTimeKey,
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
    /// The holder handed over keys that are not those of this device, so they were not published.
    #[error("the keys of this device were not published: {0}")]
    DeviceKeys(#[from] DeviceKeysProblem),
    /// The device's keys did not have both signatures, so they were not published.
    #[error(
        "this device's keys are not signed by the account's self-signing key, so they were not \
         published"
    )]
    Unsigned,
    /// The one `/keys/upload` failed for good.
    #[error("this device's keys could not be published: {0}")]
    Upload(#[source] HomeserverError),
    /// The holder of the keys failed.
    #[error(transparent)]
    KeyHolder(#[from] KeyHolderError),
}

const REFUSED: &str = "Nothing was stored. Make sure that the other device is a verified \
    device of this account, then start again.";
const HOLDER: &str = "This is a mistake of the program or library that holds the keys: report it \
    there.";
const DEFECT: &str = "Try again; if the problem persists, report it: this is a bug.";

impl ToUserError for ImportError {
    fn verdict(&self) -> (Cause, &'static str) {
        match self {
            Self::Refused(_) => (Cause::OtherDevice, REFUSED),
            Self::Query(error) | Self::Upload(error) => error.verdict(),
            Self::DeviceKeys(_) => (Cause::Here, HOLDER),
            Self::Unsigned => (Cause::Here, DEFECT),
            Self::KeyHolder(error) => error.verdict(),
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
    /// The secret names a version that cannot be one.
    #[error("the backup's version is malformed")]
    MalformedVersion,
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
    /// The holder of the keys failed.
    #[error(transparent)]
    KeyHolder(#[from] KeyHolderError),
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
            Self::KeyHolder(error) => return error.verdict(),
        };
        (Cause::Here, advice)
    }
}
