//! The existing device: whether it may sign another one in, what it gives to it, and whether that
//! one is verified.

use std::time::Duration;

use matrix_qr_protocol::login::message::Secrets;
use ruma::{DeviceId, UserId};
use tokio::time::{sleep, timeout};

use super::{
    backup::{BackupState, check_backup},
    device_keys::is_signed_twice,
    error::{BackupProblem, CrossSigningError},
    holder::KeyHolder,
    identity::{HeldIdentity, agreed_identity},
};
use crate::client_server_api::{Homeserver, HomeserverError};

/// How often [`await_verified`] looks.
const PAUSE: Duration = Duration::from_millis(200);

/// What [`export_secrets`] hands out.
#[derive(Debug)]
pub struct ExportedSecrets {
    /// The secrets.
    pub secrets: Secrets,
    /// The public halves of their keys.
    pub identity: HeldIdentity,
    /// Why there is no backup among them, if there is none.
    pub without_backup: Option<BackupProblem>,
}

/// Checks that this device may sign another one in: it holds the three private cross-signing keys,
/// and each belongs to the public key that the homeserver publishes. Speaks to `/keys/query` only,
/// and leaves the holder's store alone. Returns the public master key in unpadded base64: what a
/// person compares.
///
/// To be called before there is a rendezvous session, a QR code or an open camera.
///
/// # Errors
///
/// See [`CrossSigningError`]; it names the key.
pub async fn check_cross_signing<K: KeyHolder>(
    keys: &K,
    homeserver: &Homeserver,
    user_id: &UserId,
) -> Result<String, CrossSigningError> {
    let held = HeldIdentity::of(&keys.secrets().await?.cross_signing);
    let (_, published) = agreed_identity(homeserver, user_id, &held).await?;
    Ok(published.fingerprint())
}

/// Takes the secrets for the new device (MSC4108, "Secret sharing and device verification", step
/// 2).
///
/// The match with the published identity is checked again, on a fresh `/keys/query` and on the very
/// keys that will leave. The backup stays among them when its key belongs to the version that is
/// current on the homeserver.
///
/// # Errors
///
/// See [`CrossSigningError`]. A backup that cannot be shared is not an error.
pub async fn export_secrets<K: KeyHolder>(
    keys: &K,
    homeserver: &Homeserver,
    user_id: &UserId,
) -> Result<ExportedSecrets, CrossSigningError> {
    let mut secrets = keys.secrets().await?;
    let identity = HeldIdentity::of(&secrets.cross_signing);
    agreed_identity(homeserver, user_id, &identity).await?;
    let without_backup = match check_backup(homeserver, secrets.backup.as_ref()).await {
        BackupState::Connected { .. } => None,
        BackupState::Unused(problem) => {
            secrets.backup = None;
            Some(problem)
        }
    };
    Ok(ExportedSecrets {
        secrets,
        identity,
        without_backup,
    })
}

/// Waits until a device of the account is published with a valid signature of the self-signing key
/// that is held here: whether that happened within the given time. Asks five times a second; an
/// answer that cannot be had is asked for again, unless this device's own session has ended.
pub async fn await_verified(
    homeserver: &Homeserver,
    user_id: &UserId,
    held: &HeldIdentity,
    device_id: &DeviceId,
    within: Duration,
) -> bool {
    let verified = async {
        loop {
            match is_published_verified(homeserver, user_id, held, device_id).await {
                Ok(true) => return true,
                Err(CrossSigningError::Homeserver(HomeserverError::Expired)) => return false,
                _ => sleep(PAUSE).await,
            }
        }
    };
    timeout(within, verified).await.unwrap_or(false)
}

async fn is_published_verified(
    homeserver: &Homeserver,
    user_id: &UserId,
    held: &HeldIdentity,
    device_id: &DeviceId,
) -> Result<bool, CrossSigningError> {
    let (answer, identity) = agreed_identity(homeserver, user_id, held).await?;
    let keys = answer
        .device_keys
        .get(user_id)
        .and_then(|devices| devices.get(device_id));
    Ok(keys.is_some_and(|keys| is_signed_twice(keys, user_id, device_id, &identity)))
}
