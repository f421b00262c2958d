//! The keys of a device, whoever holds them: matrix-sdk-crypto with its store
//! ([`StoreKeys`](crate::encryption::StoreKeys)), or the caller's own library.
//!
//! MSC4108, "Secret sharing and device verification". A [`KeyHolder`] makes the device's keys and
//! keeps what is secret. Everything that makes a sign-in safe is here, and is the same for every
//! holder:
//!
//! - the new device ([`take_secrets`]): the private keys are compared with the published identity,
//!   the device's keys are checked and signed by the self-signing key, there is one `/keys/upload`
//!   with both signatures, and the backup's key is checked;
//! - the existing device: [`check_cross_signing`] before anything else happens, then
//!   [`export_secrets`], then [`await_verified`];
//! - both: [`room_keys_of_backup`], the keys of old messages.
//!
//! | module | what it is |
//! |---|---|
//! | `holder` | [`KeyHolder`], and what it hands over and is given |
//! | `signed_json` | signing JSON, and verifying it |
//! | `cross_signing_key` | the three kinds of cross-signing keys |
//! | `identity` | the three keys: as published, as held, and whether they agree |
//! | `lookup` | the published keys and the current backup, asked for together |
//! | `device_keys` | the device's keys: what is checked before they are signed and published |
//! | `new_device`, `existing_device` | what each role does |
//! | `backup` | the key backup: whether a key opens it |
//! | `room_keys` | the room keys in the backup, decrypted as they are taken |
//! | `error` | what can go wrong |

mod backup;
mod cross_signing_key;
mod device_keys;
mod error;
mod existing_device;
mod holder;
mod identity;
mod lookup;
mod new_device;
mod room_keys;
mod signed_json;

#[cfg(feature = "matrix-sdk")]
pub(crate) use backup::ALGORITHM;
pub use backup::{BackupState, room_keys_of_backup};
pub use cross_signing_key::CrossSigningKey;
#[cfg(feature = "matrix-sdk")]
pub(crate) use device_keys::is_signed_twice;
pub use error::{
    BackupProblem, BundleRefused, CrossSigningError, DeviceKeysProblem, ImportError,
    KeyHolderError, RestoreError,
};
pub(crate) use existing_device::export_looked_up;
pub use existing_device::{ExportedSecrets, await_verified, check_cross_signing, export_secrets};
pub use holder::{KeyHolder, KeyUpload, VerifiedDevice};
pub use identity::{HeldIdentity, Identity};
#[cfg(feature = "matrix-sdk")]
pub(crate) use identity::{agreed_identity, published_keys};
pub(crate) use lookup::AccountLookup;
#[cfg(feature = "matrix-sdk")]
pub(crate) use new_device::publish_signed;
pub(crate) use new_device::take_secrets_after;
pub use new_device::{Imported, UnpublishedDevice, take_secrets};
pub use room_keys::{BackedUpRoomKeys, RoomKey};
