//! What a device keeps on disk, in the form that matrix-sdk restores.
//!
//! A session is a directory that only its owner can enter:
//!
//! ```text
//! session.json                  this module's; 0600, replaced atomically
//! session.lock                  held by the process that uses the directory
//! matrix-sdk-crypto.sqlite3     the encryption store, under the name that matrix-sdk looks for in a store's directory
//! matrix-sdk-*.sqlite3          others of its databases, once a program on matrix-sdk has used the directory
//! ```
//!
//! `session.json` holds `client_id` and `user`, which are the two fields of matrix-sdk 0.19's `OAuthSession` (`user` in the
//! serialised form of its `UserSession`), and beside them what is needed to build the client: `homeserver` and `issuer`.

use std::fmt;
use std::path::{Path, PathBuf};

use ruma::{OwnedDeviceId, OwnedUserId};
use serde::{Deserialize, Serialize};
use url::Url;
use zeroize::Zeroizing;

use crate::oauth::Tokens;
use crate::secret::Secret;

mod error;
mod files;

pub use error::SessionError;
pub use files::SessionLock;

/// The name of the encryption store's database, in the session's directory.
pub const STORE_FILE: &str = "matrix-sdk-crypto.sqlite3";

const SESSION_FILE: &str = "session.json";
const LOCK_FILE: &str = "session.lock";
/// What matrix-sdk 0.19 adds in a directory that it was given: rooms, messages that it decrypted, files.
const SDK_STORES: [&str; 3] =
    ["matrix-sdk-state.sqlite3", "matrix-sdk-event-cache.sqlite3", "matrix-sdk-media.sqlite3"];
/// What SQLite may put beside its database.
const STORE_SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];
/// Far more than any session needs, in bytes.
const MAX_SESSION: u64 = 64 << 10;

/// A signed-in session: everything that a later process needs, next to the encryption store.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSession {
    /// The base URL of the Client-Server API.
    pub homeserver: Url,
    /// The OAuth server.
    pub issuer: Url,
    /// Who this client is to the OAuth server.
    pub client_id: String,
    /// The session itself.
    pub user: UserSession,
}

/// The part of a [`StoredSession`] that is matrix-sdk's `UserSession`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSession {
    /// Whose session it is.
    pub user_id: OwnedUserId,
    /// Which device it is.
    pub device_id: OwnedDeviceId,
    /// For the `Authorization` header.
    pub access_token: Secret,
    /// For new tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
}

impl StoredSession {
    /// The same session after a refresh. A refresh token that was not replaced stays.
    #[must_use]
    pub fn refreshed(mut self, tokens: &Tokens) -> Self {
        self.user.access_token = tokens.access_token.clone();
        self.user.refresh_token = tokens.refresh_token.clone().or(self.user.refresh_token);
        self
    }

    /// Its tokens, to refresh or to revoke them. How long the access token still lives is not kept.
    pub fn tokens(&self) -> Tokens {
        let UserSession { access_token, refresh_token, .. } = self.user.clone();
        Tokens { access_token, refresh_token, expires_in: None }
    }
}

/// No token, and no more than what a person would call the session.
impl fmt::Debug for StoredSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { homeserver, user, .. } = self;
        write!(f, "StoredSession({} as {} at {homeserver}, [redacted])", user.device_id, user.user_id)
    }
}

/// Like [`StoredSession`]'s.
impl fmt::Debug for UserSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "UserSession({} as {}, [redacted])", self.device_id, self.user_id)
    }
}

/// A directory that holds one session, or shall hold one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionDir {
    path: PathBuf,
}

impl SessionDir {
    /// Names a directory. Nothing is touched yet.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The directory: also the encryption store's.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Makes the directory, for its owner alone, and locks it.
    ///
    /// # Errors
    ///
    /// [`SessionError::Occupied`] when there is anything in it, [`SessionError::InUse`] when another process has it.
    pub fn create(&self) -> Result<SessionLock, SessionError> {
        files::create_dir(&self.path)?;
        self.check_empty()?;
        let lock = files::lock(&self.file(LOCK_FILE))?;
        // Again, now that nobody else can be at it.
        self.check_empty().map(|()| lock)
    }

    fn check_empty(&self) -> Result<(), SessionError> {
        match files::entries(&self.path)?.iter().all(|name| name == LOCK_FILE) {
            true => Ok(()),
            false => Err(SessionError::Occupied { path: self.path.clone() }),
        }
    }

    /// Locks a directory that holds a session: two processes with one encryption store would break it.
    ///
    /// # Errors
    ///
    /// [`SessionError::None`] when there is no session, [`SessionError::InUse`] when another process has it.
    pub fn lock(&self) -> Result<SessionLock, SessionError> {
        match self.file(SESSION_FILE).exists() {
            true => files::lock(&self.file(LOCK_FILE)),
            false => Err(SessionError::None { path: self.path.clone() }),
        }
    }

    /// Writes the session, in place of the one that was there: always one of the two is there, whole.
    ///
    /// # Errors
    ///
    /// [`SessionError::Io`].
    pub fn save(&self, session: &StoredSession) -> Result<(), SessionError> {
        let path = self.file(SESSION_FILE);
        let json = serde_json::to_vec_pretty(session).map(Zeroizing::new);
        files::replace(
            &path,
            &json.map_err(|error| SessionError::Io { path: path.clone(), why: error.to_string() })?,
        )
    }

    /// Reads the session.
    ///
    /// # Errors
    ///
    /// [`SessionError::None`], [`SessionError::TooOpen`] when others could read it, [`SessionError::Unreadable`].
    pub fn load(&self) -> Result<StoredSession, SessionError> {
        let path = self.file(SESSION_FILE);
        let none = || SessionError::None { path: self.path.clone() };
        let json = files::read_private(&path, MAX_SESSION)?.ok_or_else(none)?;
        files::check_private(&self.path)?;
        // The error's text can quote the document, and with it a token: where it breaks is enough.
        serde_json::from_slice(&json).map_err(|error| SessionError::Unreadable {
            path,
            line: error.line(),
            column: error.column(),
        })
    }

    /// Removes the session, the encryption store and what matrix-sdk stored beside it, and nothing else; then the directory if
    /// that leaves it empty.
    ///
    /// # Errors
    ///
    /// [`SessionError::Io`]: something is left.
    pub fn wipe(&self) -> Result<(), SessionError> {
        let stores = [STORE_FILE].into_iter().chain(SDK_STORES);
        let stores = stores.flat_map(|store| STORE_SUFFIXES.map(|suffix| format!("{store}{suffix}")));
        // The tokens first: whatever fails after that, nobody can sign in with what is left.
        let session = [SESSION_FILE.to_owned(), files::temporary(SESSION_FILE)];
        for name in session.into_iter().chain(stores).chain([LOCK_FILE.to_owned()]) {
            files::remove(&self.file(&name))?;
        }
        files::remove_if_empty(&self.path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(test)]
mod tests;
