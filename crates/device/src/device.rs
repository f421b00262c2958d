//! A device that is signed in: its session and its encryption, opened from disk.

use std::path::Path;

use matrix_qr_protocol::error::{Side, Trouble};
use ruma::{OwnedUserId, UserId};
use tokio::sync::Mutex;
use url::Url;

use crate::{
    discovery,
    encryption::{Encryption, KeyExport, Passphrase, Restored, Verification},
    homeserver::{Homeserver, HomeserverError},
    http::{Http, Policy},
    oauth::OAuth,
    retry::patiently,
    session::{SessionDir, SessionLock, StoredSession},
    trouble::Told,
};

/// A device of an account, on this machine. One process at a time can have it open.
pub struct Device {
    directory: SessionDir,
    session: Mutex<StoredSession>,
    user_id: OwnedUserId,
    http: Http,
    homeserver: Homeserver,
    encryption: Encryption,
    _lock: SessionLock,
}

/// What may be said about a session: nothing secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Whose session it is.
    pub user_id: String,
    /// Which device it is.
    pub device_id: String,
    /// The homeserver's base URL.
    pub homeserver: Url,
    /// The OAuth server.
    pub issuer: Url,
    /// Who this client is to the OAuth server.
    pub client_id: String,
}

impl Facts {
    /// What is stored in this directory. Contacts nobody.
    ///
    /// # Errors
    ///
    /// There is no session, or it cannot be read.
    pub fn read(directory: &Path) -> Result<Self, Trouble> {
        SessionDir::new(directory).load().map(|session| Self::of(&session)).map_err(|error| error.told())
    }

    fn of(session: &StoredSession) -> Self {
        Self {
            user_id: session.user.user_id.to_string(),
            device_id: session.user.device_id.to_string(),
            homeserver: session.homeserver.clone(),
            issuer: session.issuer.clone(),
            client_id: session.client_id.clone(),
        }
    }
}

impl Device {
    /// Opens the device that lives in this directory. Contacts nobody.
    ///
    /// # Errors
    ///
    /// There is no session, another process has it, or it cannot be read.
    pub async fn open(directory: &Path, policy: Policy) -> Result<Self, Trouble> {
        let directory = SessionDir::new(directory);
        let lock = directory.lock().map_err(|error| error.told())?;
        let session = directory.load().map_err(|error| error.told())?;
        let http = Http::new(policy).map_err(|error| error.told())?;
        let (user_id, device_id) = (session.user.user_id.clone(), &session.user.device_id);
        let encryption =
            Encryption::open(directory.path(), &user_id, device_id).await.map_err(broken_store)?;
        let token = session.user.access_token.clone();
        let homeserver = Homeserver::new(http.clone(), session.homeserver.clone(), token);
        Ok(Self {
            directory,
            session: Mutex::new(session),
            user_id,
            http,
            homeserver,
            encryption,
            _lock: lock,
        })
    }

    /// Whose device it is.
    pub fn user_id(&self) -> &UserId {
        &self.user_id
    }

    /// The homeserver, with this device's token.
    pub fn homeserver(&self) -> &Homeserver {
        &self.homeserver
    }

    /// This device's keys.
    pub fn encryption(&self) -> &Encryption {
        &self.encryption
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    /// Asks the homeserver whether the access token still holds, and refreshes it where it does not.
    ///
    /// # Errors
    ///
    /// The session has ended, or a server cannot be reached.
    pub async fn stay_signed_in(&self) -> Result<(), Trouble> {
        match self.homeserver.whoami().await {
            Err(HomeserverError::Expired) => self.refresh().await,
            other => other.map(|_| ()).map_err(|error| error.told()),
        }
    }

    /// The new tokens are on disk before they are used: the old refresh token may already be worth nothing.
    async fn refresh(&self) -> Result<(), Trouble> {
        let mut session = self.session.lock().await;
        let oauth = self.oauth(&session).await?;
        let Some(refresh_token) = &session.user.refresh_token else { return Err(signed_out()) };
        let tokens = oauth.refresh(refresh_token).await.map_err(|error| error.told())?;
        let refreshed = session.clone().refreshed(&tokens);
        self.directory.save(&refreshed).map_err(|error| error.told())?;
        *session = refreshed;
        self.homeserver.replace_token(tokens.access_token.clone()).await;
        Ok(())
    }

    async fn oauth(&self, session: &StoredSession) -> Result<OAuth, Trouble> {
        let find = || discovery::server_metadata(&self.http, &session.homeserver);
        let metadata = patiently(find).await.map_err(|error| error.told())?;
        // The refresh token goes to the server that gave it, and to no other.
        if metadata.issuer != session.issuer {
            let what = format!("the homeserver now names another OAuth server ({})", metadata.issuer);
            return Err(Trouble::new(Side::Homeserver, what, "Ask its administrator, then sign in again."));
        }
        Ok(OAuth::resume(self.http.clone(), metadata, session.client_id.clone()))
    }

    /// Whether the homeserver shows this device as signed by its owner, and by whom.
    ///
    /// # Errors
    ///
    /// The homeserver did not say, or this device does not know its own owner.
    pub async fn verification(&self) -> Result<Verification, Trouble> {
        self.stay_signed_in().await?;
        self.encryption.verification(&self.homeserver).await.map_err(|error| error.told())
    }

    /// Brings the room keys of the backup onto this device.
    ///
    /// # Errors
    ///
    /// This device is not connected to a backup, or the homeserver did not hand it out.
    pub async fn restore_keys(&self) -> Result<Restored, Trouble> {
        self.stay_signed_in().await?;
        self.encryption.restore_keys(&self.homeserver).await.map_err(|error| error.told())
    }

    /// All room keys of this device, as a file that other clients import. Contacts nobody.
    ///
    /// # Errors
    ///
    /// The store of this device failed.
    pub async fn export_keys(&self, passphrase: &Passphrase) -> Result<KeyExport, Trouble> {
        self.encryption.export_keys(passphrase).await.map_err(broken_store)
    }

    /// Ends the session on the server and removes it from this machine.
    ///
    /// # Errors
    ///
    /// The token could not be revoked: nothing was removed, so that it can be tried again.
    pub async fn log_out(self) -> Result<(), Trouble> {
        let session = self.session.lock().await.clone();
        self.oauth(&session).await?.revoke(&session.tokens()).await.map_err(|error| error.told())?;
        self.forget()
    }

    /// Removes the session from this machine, without a word to the server.
    ///
    /// # Errors
    ///
    /// Something could not be removed.
    pub fn forget(self) -> Result<(), Trouble> {
        self.directory.wipe().map_err(|error| error.told())
    }
}

fn signed_out() -> Trouble {
    Trouble::new(Side::AuthorizationServer, "this session has ended", "Sign in again.")
}

fn broken_store(error: crate::encryption::StoreError) -> Trouble {
    let advice = "If it stays, remove the session's directory and sign in again.";
    Trouble::new(Side::Here, error.to_string(), advice)
}
