//! The existing device: whether it may sign another one in, what it gives to it, and whether that
//! one is verified.

use std::time::Duration;

use matrix_qr_protocol::login::{DeviceLookup, VerificationOutcome, message::Secrets};
use ruma::{DeviceId, UserId};
use tokio::time::{sleep, timeout};

use super::{
    backup::{BackupState, check_backup},
    device_keys::is_signed_twice,
    error::{BackupProblem, CrossSigningError},
    holder::KeyHolder,
    identity::{HeldIdentity, agreed, agreed_identity},
    lookup::AccountLookup,
};
use crate::client_server_api::{Homeserver, HomeserverError};

/// How long [`await_verified`] waits before it looks: the new device needs a moment to sign itself.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
/// How long it waits at most between two looks.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How long the homeserver may take to say whether it has a device that may be verified.
const LOOK: Duration = Duration::from_secs(2);

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
    let secrets = keys.secrets().await?;
    exported(
        secrets,
        AccountLookup::of(homeserver, user_id).await,
        user_id,
    )
}

/// The same, with what the homeserver was asked while it looked for the new device.
pub(crate) async fn export_looked_up<K: KeyHolder>(
    keys: &K,
    account: AccountLookup,
    user_id: &UserId,
) -> Result<ExportedSecrets, CrossSigningError> {
    exported(keys.secrets().await?, account, user_id)
}

fn exported(
    mut secrets: Secrets,
    account: AccountLookup,
    user_id: &UserId,
) -> Result<ExportedSecrets, CrossSigningError> {
    let identity = HeldIdentity::of(&secrets.cross_signing);
    agreed(account.published?, user_id, &identity)?;
    let without_backup = match check_backup(account.backup, secrets.backup.as_ref()) {
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
/// that is held here, and is in the list of devices at the same moment, for at most this time. Looks
/// after 100 ms at first, and five times a second at last; an answer that cannot be had is asked for
/// again, unless this device's own session has ended. A device that was revoked is gone, even if it
/// was verified a moment ago.
pub async fn await_verified(
    homeserver: &Homeserver,
    user_id: &UserId,
    held: &HeldIdentity,
    device_id: &DeviceId,
    within: Duration,
) -> VerificationOutcome {
    let seen = async {
        let mut pause = FIRST_PAUSE;
        loop {
            sleep(pause).await;
            pause = (pause * 3 / 2).min(LONGEST_PAUSE);
            let looks = tokio::join!(
                is_published_verified(homeserver, user_id, held, device_id),
                is_gone(homeserver, device_id)
            );
            match looks {
                (_, true) => return VerificationOutcome::Gone,
                (Ok(true), false) => return VerificationOutcome::Verified,
                (Err(CrossSigningError::Homeserver(HomeserverError::Expired)), _) => {
                    return VerificationOutcome::Unseen;
                }
                _ => {}
            }
        }
    };
    match timeout(within, seen).await {
        Ok(outcome) => outcome,
        Err(_) if is_gone(homeserver, device_id).await => VerificationOutcome::Gone,
        Err(_) => VerificationOutcome::Unseen,
    }
}

/// Whether the homeserver says that it does not have this device.
async fn is_gone(homeserver: &Homeserver, device_id: &DeviceId) -> bool {
    let found = timeout(LOOK, homeserver.device(device_id)).await;
    matches!(found, Ok(Ok(DeviceLookup::Absent)))
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
