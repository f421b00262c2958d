//! A device that is signed in: its session, opened from disk, and the holder of its keys.

use std::path::Path;

#[cfg(feature = "matrix-sdk")]
use matrix_qr_protocol::error::Cause;
use matrix_qr_protocol::error::UserError;
use ruma::{OwnedUserId, UserId};

use crate::{
    access::Access,
    client_server_api::Homeserver,
    http::{Http, Policy},
    keys::{BackedUpRoomKeys, KeyHolder, RestoreError, check_cross_signing, room_keys_of_backup},
};
#[cfg(feature = "matrix-sdk")]
use crate::{
    encryption::{Encryption, KeyExport, Passphrase, Restored, StoreContent, Verification},
    session::UserSession,
};

/// A device of an account, on this machine. One process at a time can have it open. `K` holds its
/// keys.
pub struct Device<K> {
    access: Access,
    user_id: OwnedUserId,
    keys: K,
}

impl<K: KeyHolder> Device<K> {
    /// Opens the device whose session is stored in this directory, and whose keys somebody else
    /// holds. Contacts nobody.
    ///
    /// # Errors
    ///
    /// There is no session, another process has it, or it cannot be read.
    pub async fn with_keys(directory: &Path, policy: Policy, keys: K) -> Result<Self, UserError> {
        let access = Access::open(directory, policy)?;
        let user_id = access.session().await.user.user_id;
        Ok(Self {
            access,
            user_id,
            keys,
        })
    }

    /// Whose device it is.
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// The homeserver, with this device's token.
    pub fn homeserver(&self) -> &Homeserver {
        self.access.homeserver()
    }

    /// Whoever holds this device's keys.
    pub fn keys(&self) -> &K {
        &self.keys
    }

    pub(crate) fn http(&self) -> &Http {
        self.access.http()
    }

    /// Asks the homeserver whether the access token is still valid, and refreshes it if it is
    /// not.
    ///
    /// # Errors
    ///
    /// The session has ended, or a server cannot be reached.
    pub async fn stay_signed_in(&self) -> Result<(), UserError> {
        Ok(self.access.stay_signed_in().await?)
    }

    /// Checks that this device may sign another one in ([`check_cross_signing`]).
    ///
    /// # Errors
    ///
    /// The session has ended, or see [`crate::keys::CrossSigningError`].
    pub async fn check_cross_signing(&self) -> Result<(), UserError> {
        // Both at the same time. A session that has ended is why the other one failed.
        let ((), checked) = tokio::try_join!(self.stay_signed_in(), async {
            Ok(check_cross_signing(&self.keys, self.homeserver(), &self.user_id).await)
        })?;
        checked?;
        Ok(())
    }

    /// The room keys in the key backup, for a holder that imports them itself. It is fetched as a
    /// whole (at most 256 MiB, 5 minutes), and decrypted as the keys are taken. Of a backup that was
    /// deleted there are none, and `outdated` says why: a holder that imports them at each start,
    /// until that has succeeded once, would fail at each start otherwise.
    ///
    /// # Errors
    ///
    /// The holder has no key for the backup, or the homeserver did not hand it out.
    pub async fn backed_up_room_keys(&self) -> Result<BackedUpRoomKeys, UserError> {
        self.stay_signed_in().await?;
        let backup = self
            .keys
            .backup_key()
            .await?
            .ok_or(RestoreError::NotConnected)?;
        match room_keys_of_backup(self.homeserver(), &backup).await {
            Err(RestoreError::Gone(problem)) => Ok(BackedUpRoomKeys::gone(problem)),
            found => Ok(found?),
        }
    }

    /// Ends the session on the server and removes it from this machine.
    ///
    /// # Errors
    ///
    /// The end of the session could not be confirmed: nothing was removed, so that the caller can
    /// try again.
    pub async fn log_out(self) -> Result<(), UserError> {
        self.access.sign_out().await
    }

    /// Removes the session from this machine, without contacting the server.
    ///
    /// # Errors
    ///
    /// Something could not be removed.
    pub fn forget(self) -> Result<(), UserError> {
        self.access.forget()
    }
}

/// With the keys in matrix-sdk-crypto's store.
#[cfg(feature = "matrix-sdk")]
impl Device<Encryption> {
    /// Opens the device that is stored in this directory. Contacts nobody.
    ///
    /// # Errors
    ///
    /// There is no session, another process has it, its keys are not in the directory, or something
    /// cannot be read. The passphrase is missing, wrong, or for keys that are not encrypted
    /// ([`crate::encryption::needs_passphrase`] says whether they are).
    pub async fn open(
        directory: &Path,
        policy: Policy,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, UserError> {
        let access = Access::open(directory, policy)?;
        // Opening it would make the keys of a new device.
        if StoreContent::of(directory).await? == StoreContent::NoKeys {
            return Err(keys_elsewhere(directory));
        }
        Self::with_store(access, directory, passphrase).await
    }

    /// The same for a device that has no keys yet, such as an account's first one: its store is
    /// made, and encrypted if there is a passphrase.
    ///
    /// # Errors
    ///
    /// There is no session, another process has it, or something cannot be read or written.
    pub async fn with_new_keys(
        directory: &Path,
        policy: Policy,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, UserError> {
        Self::with_store(Access::open(directory, policy)?, directory, passphrase).await
    }

    async fn with_store(
        access: Access,
        directory: &Path,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, UserError> {
        let UserSession {
            user_id, device_id, ..
        } = access.session().await.user;
        let keys = Encryption::open(directory, &user_id, &device_id, passphrase).await?;
        Ok(Self {
            access,
            user_id,
            keys,
        })
    }

    /// Whether the homeserver shows this device as signed by its owner, and by whom.
    ///
    /// # Errors
    ///
    /// The homeserver did not say, or this device does not know its own owner.
    pub async fn verification(&self) -> Result<Verification, UserError> {
        self.stay_signed_in().await?;
        Ok(self.keys.verification(self.homeserver()).await?)
    }

    /// Brings the room keys of the backup onto this device.
    ///
    /// # Errors
    ///
    /// This device is not connected to a backup, or the homeserver did not hand it out.
    pub async fn restore_keys(&self) -> Result<Restored, UserError> {
        self.stay_signed_in().await?;
        Ok(self.keys.restore_keys(self.homeserver()).await?)
    }

    /// All room keys of this device, as a file that other clients import. Contacts nobody.
    ///
    /// # Errors
    ///
    /// The store of this device failed.
    pub async fn export_keys(&self, passphrase: &Passphrase) -> Result<KeyExport, UserError> {
        Ok(self.keys.export_keys(passphrase).await?)
    }
}

#[cfg(feature = "matrix-sdk")]
fn keys_elsewhere(directory: &Path) -> UserError {
    UserError::new(
        Cause::Here,
        format!(
            "the keys of this device are not in {}: the program that signed it in holds them",
            directory.display()
        ),
        "Use that program. Here, `session`, `token` and `logout` work.",
    )
}
