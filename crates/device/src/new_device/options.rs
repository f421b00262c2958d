//! What a sign-in needs to know, and what it hands out.

use std::path::PathBuf;

use matrix_qr_protocol::revision::Dialect;
use ruma::OwnedUserId;
use url::Url;

use crate::{
    device_name::DeviceName, http::Policy, keys::BackupState, oauth::Client, showing::Showing,
};

/// What a sign-in needs to know.
#[derive(Debug, Clone)]
pub struct SignInOptions {
    /// Where the session will be stored. It must be empty or not exist.
    pub directory: PathBuf,
    /// Which servers it may connect to.
    pub policy: Policy,
    /// Which reading of the proposal this device follows where it is the one to choose.
    pub dialect: Dialect,
    /// Which revision it follows when it shows the code.
    pub showing: Showing,
    /// Who this client is to the authorization server.
    pub client: Client,
    /// The only account that this device may become one of. Without it the person is asked
    /// ([`crate::Person::confirm_account`]).
    pub user: Option<OwnedUserId>,
    /// What the device is to be called.
    pub name: DeviceName,
}

/// A new device that is signed in, verified and on disk.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Whose device it is.
    pub user_id: String,
    /// Which device it is.
    pub device_id: String,
    /// The homeserver's base URL.
    pub homeserver: Url,
    /// Who verified it: the account's public master key in unpadded base64.
    pub master_key: String,
    /// What became of the key backup.
    pub backup: BackupState,
}
