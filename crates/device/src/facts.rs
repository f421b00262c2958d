//! What a person, or another program, may be told about a session.

use std::path::Path;

use matrix_qr_protocol::error::UserError;
use url::Url;

use crate::session::{SessionDir, StoredSession};

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
    pub fn read(directory: &Path) -> Result<Self, UserError> {
        Ok(Self::of(&SessionDir::new(directory).load()?))
    }

    pub(crate) fn of(session: &StoredSession) -> Self {
        Self {
            user_id: session.user.user_id.to_string(),
            device_id: session.user.device_id.to_string(),
            homeserver: session.homeserver.clone(),
            issuer: session.issuer.clone(),
            client_id: session.client_id.clone(),
        }
    }
}
