//! What can go wrong with the encryption store.

use matrix_qr_protocol::error::{Cause, ToUserError};

use crate::keys::{CrossSigningError, KeyHolderError, RestoreError};

/// The encryption store failed. The text holds no secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another program has it open, and nothing is wrong with it.
    #[error("another program has the encryption store of this device open ({0})")]
    Busy(String),
    /// It is encrypted, and no passphrase was given.
    #[error("the keys of this device are encrypted, and their passphrase was not given")]
    PassphraseMissing,
    /// It is encrypted with another passphrase.
    #[error("the passphrase is wrong: it does not open the keys of this device")]
    WrongPassphrase,
    /// A passphrase was given, and it has none.
    #[error("a passphrase was given, but the keys of this device are not encrypted")]
    NotEncrypted,
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
        match self {
            Self::Busy(_) => (
                Cause::Here,
                "Stop that program or wait until it ends, then try again.",
            ),
            Self::PassphraseMissing => (
                Cause::Person,
                "Name a file whose first line is the passphrase: --passphrase-file FILE. At a \
                 terminal you are asked for it.",
            ),
            Self::WrongPassphrase => (
                Cause::Here,
                "Try again. If the passphrase is lost, sign out with `matrix-qr logout`, which \
                 does not need it, then sign in again.",
            ),
            Self::NotEncrypted => (
                Cause::Person,
                "Leave the passphrase out. To have one, sign out, then sign in again with \
                 `matrix-qr login --passphrase`.",
            ),
            Self::Failed(_) => (
                Cause::Here,
                "Try again; if the problem persists, sign out with `matrix-qr logout`, then sign \
                 in again.",
            ),
        }
    }
}

impl From<StoreError> for KeyHolderError {
    fn from(error: StoreError) -> Self {
        Self {
            what: error.what(),
            advice: error.advice(),
        }
    }
}

impl From<StoreError> for CrossSigningError {
    fn from(error: StoreError) -> Self {
        KeyHolderError::from(error).into()
    }
}

impl From<StoreError> for RestoreError {
    fn from(error: StoreError) -> Self {
        KeyHolderError::from(error).into()
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
