//! A device that is signed in: its session and its encryption, opened from disk.

use std::path::Path;

use matrix_qr_protocol::error::UserError;
use ruma::{OwnedUserId, UserId};

use crate::{
    access::Access,
    encryption::{Encryption, KeyExport, Passphrase, Restored, Verification},
    homeserver::Homeserver,
    http::{Http, Policy},
    session::UserSession,
};

/// A device of an account, on this machine. One process at a time can have it open.
pub struct Device {
    access: Access,
    user_id: OwnedUserId,
    encryption: Encryption,
}

impl Device {
    /// Opens the device that is stored in this directory. Contacts nobody.
    ///
    /// # Errors
    ///
    /// There is no session, another process has it, or it cannot be read.
    pub async fn open(directory: &Path, policy: Policy) -> Result<Self, UserError> {
        let access = Access::open(directory, policy)?;
        let UserSession {
            user_id, device_id, ..
        } = access.session().await.user;
        let encryption = Encryption::open(access.directory(), &user_id, &device_id).await?;
        Ok(Self {
            access,
            user_id,
            encryption,
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

    /// This device's keys.
    pub fn encryption(&self) -> &Encryption {
        &self.encryption
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

    /// Whether the homeserver shows this device as signed by its owner, and by whom.
    ///
    /// # Errors
    ///
    /// The homeserver did not say, or this device does not know its own owner.
    pub async fn verification(&self) -> Result<Verification, UserError> {
        self.stay_signed_in().await?;
        Ok(self.encryption.verification(self.homeserver()).await?)
    }

    /// Brings the room keys of the backup onto this device.
    ///
    /// # Errors
    ///
    /// This device is not connected to a backup, or the homeserver did not hand it out.
    pub async fn restore_keys(&self) -> Result<Restored, UserError> {
        self.stay_signed_in().await?;
        Ok(self.encryption.restore_keys(self.homeserver()).await?)
    }

    /// All room keys of this device, as a file that other clients import. Contacts nobody.
    ///
    /// # Errors
    ///
    /// The store of this device failed.
    pub async fn export_keys(&self, passphrase: &Passphrase) -> Result<KeyExport, UserError> {
        Ok(self.encryption.export_keys(passphrase).await?)
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
