//! Why an account's first device could not be set up or used.

use crate::{
    client_server_api::HomeserverError,
    encryption::StoreError,
    keys::{CrossSigningError, ImportError, KeyHolderError},
};

/// Why the account could not be set up or used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FirstDeviceError {
    /// The account has an identity already: this device is not its first.
    #[error("the account already has a cross-signing identity: this is not its first device")]
    NotFirst,
    /// The identity could not be published.
    #[error(transparent)]
    Identity(#[from] CrossSigningError),
    /// The device's keys could not be published.
    #[error(transparent)]
    Keys(#[from] ImportError),
    /// The device's keys could not be made.
    #[error(transparent)]
    KeyHolder(#[from] KeyHolderError),
    /// Another call failed.
    #[error(transparent)]
    Homeserver(#[from] HomeserverError),
    /// The store of this device failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}
