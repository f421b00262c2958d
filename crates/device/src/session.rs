//! What a device keeps on disk, in the form that matrix-sdk restores.
//!
//! A session is a directory that only its owner can enter:
//!
//! ```text
//! session.json                  this module's; 0600, replaced atomically
//! session.pending.json          in its place from the first token until the sign-in is complete:
//!                               what is needed to revoke it
//! session.lock                  held by the process that uses the directory
//! matrix-sdk-crypto.sqlite3     the encryption store, under the name that matrix-sdk looks for
//! matrix-sdk-*.sqlite3          its other databases, once a program on matrix-sdk has used it
//! ```
//!
//! `session.json` holds `client_id` and `user`, which are the two fields of matrix-sdk 0.19's
//! `OAuthSession` (`user` in the serialised form of its `UserSession`), and beside them what is
//! needed to build the client: `homeserver` and `issuer`.
//!
//! A sign-in becomes complete by a rename of the second file to the first, so that there are never
//! both. A directory with files of ours and without `session.json` holds what a sign-in or a
//! sign-out left that was interrupted.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Serialize, de::DeserializeOwned};
use tokio::time::{Instant, sleep};
use zeroize::Zeroizing;

mod content;
mod error;
mod files;
mod stored;

pub use content::STORE_FILE;
use content::{Content, LOCK_FILE, PENDING_FILE, SESSION_FILE, our_files, stores};
pub use error::SessionError;
pub use files::SessionLock;
pub(crate) use files::io_error;
pub use stored::{Revocable, RevocableUser, StoredSession, UserSession};
pub(crate) use stored::{expiry, place};

/// Far more than any session needs, in bytes.
const MAX_SESSION: u64 = 64 << 10;
/// The pause between two tries for a lock that another process holds for a moment.
const LOCK_PAUSE: Duration = Duration::from_millis(50);

/// A directory that holds one session, or is about to.
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
    /// [`SessionError::Interrupted`] when an interrupted sign-in left something in it,
    /// [`SessionError::Occupied`] when there is anything else, [`SessionError::InUse`] when another
    /// process has it.
    pub fn create(&self) -> Result<SessionLock, SessionError> {
        files::create_dir(&self.path)?;
        self.check_empty()?;
        let lock = files::lock(&self.file(LOCK_FILE))?;
        // Again, now that no other process can change it.
        self.check_empty().map(|()| lock)
    }

    fn check_empty(&self) -> Result<(), SessionError> {
        let path = self.path.clone();
        match Content::of(&self.path)? {
            Content::Nothing => Ok(()),
            Content::Remains => Err(SessionError::Interrupted { path }),
            Content::Session | Content::Other => Err(SessionError::Occupied { path }),
        }
    }

    /// Locks a directory that holds a session: two processes with one encryption store would break
    /// it.
    ///
    /// # Errors
    ///
    /// [`SessionError::None`] or [`SessionError::Interrupted`] when there is no session,
    /// [`SessionError::InUse`] when another process has it.
    pub fn lock(&self) -> Result<SessionLock, SessionError> {
        match Content::of(&self.path)? {
            Content::Session => files::lock(&self.file(LOCK_FILE)),
            _ => Err(self.no_session()),
        }
    }

    /// The same, for a directory that another process may have for a moment.
    ///
    /// # Errors
    ///
    /// As [`Self::lock`]: [`SessionError::InUse`] when it still has it after this time.
    pub async fn lock_within(&self, time: Duration) -> Result<SessionLock, SessionError> {
        let deadline = Instant::now() + time;
        loop {
            match self.lock() {
                Err(SessionError::InUse { .. }) if Instant::now() < deadline => {
                    sleep(LOCK_PAUSE).await
                }
                outcome => return outcome,
            }
        }
    }

    /// Locks a directory with the remains of an interrupted sign-in.
    ///
    /// # Errors
    ///
    /// [`SessionError::None`] when there are none, [`SessionError::InUse`] when the sign-in is
    /// still at work.
    pub fn lock_remains(&self) -> Result<SessionLock, SessionError> {
        match Content::of(&self.path)? {
            Content::Remains => files::lock(&self.file(LOCK_FILE)),
            Content::Nothing | Content::Session | Content::Other => Err(SessionError::None {
                path: self.path.clone(),
            }),
        }
    }

    fn no_session(&self) -> SessionError {
        let path = self.path.clone();
        match Content::of(&self.path) {
            Ok(Content::Remains) => SessionError::Interrupted { path },
            _ => SessionError::None { path },
        }
    }

    /// Writes the session, in place of the one that was there: at every moment one of the two is
    /// there, complete.
    ///
    /// # Errors
    ///
    /// [`SessionError::Io`].
    pub fn save(&self, session: &StoredSession) -> Result<(), SessionError> {
        self.write(SESSION_FILE, session)
    }

    /// Writes what it takes to revoke a sign-in that is under way.
    ///
    /// # Errors
    ///
    /// [`SessionError::Io`].
    pub fn save_pending(&self, session: &Revocable) -> Result<(), SessionError> {
        self.write(PENDING_FILE, session)
    }

    /// The sign-in is complete: its session takes the place of what it took to revoke it.
    ///
    /// # Errors
    ///
    /// [`SessionError::Io`].
    pub fn complete(&self, session: &StoredSession) -> Result<(), SessionError> {
        self.write(PENDING_FILE, session)?;
        files::rename(&self.file(PENDING_FILE), &self.file(SESSION_FILE))
    }

    /// The sign-in failed after all: its session, if there is one, is not to be used any more, and
    /// to be revoked.
    ///
    /// # Errors
    ///
    /// [`SessionError::Io`].
    pub fn withdraw(&self) -> Result<(), SessionError> {
        match self.file(SESSION_FILE).exists() {
            true => files::rename(&self.file(SESSION_FILE), &self.file(PENDING_FILE)),
            false => Ok(()),
        }
    }

    fn write(&self, name: &str, session: &impl Serialize) -> Result<(), SessionError> {
        let path = self.file(name);
        let json = serde_json::to_vec_pretty(session).map(Zeroizing::new);
        files::replace(&path, &json.map_err(|error| io_error(&path, error))?)
    }

    /// Reads the session.
    ///
    /// # Errors
    ///
    /// [`SessionError::None`] or [`SessionError::Interrupted`], [`SessionError::TooOpen`] when
    /// others could read it, [`SessionError::Unreadable`].
    pub fn load(&self) -> Result<StoredSession, SessionError> {
        self.read(SESSION_FILE)?.ok_or_else(|| self.no_session())
    }

    /// Reads what it takes to revoke an interrupted sign-in. Nothing, where it had no token yet.
    ///
    /// # Errors
    ///
    /// [`SessionError::TooOpen`] when others could read it, [`SessionError::Unreadable`].
    pub fn load_pending(&self) -> Result<Option<Revocable>, SessionError> {
        match self.read(PENDING_FILE)? {
            Some(pending) => Ok(Some(pending)),
            // Interrupted before it took its place: whole, or of no use.
            None => Ok(self
                .read(&files::temporary(PENDING_FILE))
                .unwrap_or_default()),
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> Result<Option<T>, SessionError> {
        let path = self.file(name);
        let Some(json) = files::read_private(&path, MAX_SESSION)? else {
            return Ok(None);
        };
        files::check_private(&self.path)?;
        // The error's text can quote the document, and with it a token: where it breaks is enough.
        serde_json::from_slice(&json)
            .map(Some)
            .map_err(|error| SessionError::Unreadable {
                path,
                line: error.line(),
                column: error.column(),
            })
    }

    /// Removes the session, the encryption store and what matrix-sdk stored beside it, and nothing
    /// else; then the directory if that leaves it empty.
    ///
    /// # Errors
    ///
    /// [`SessionError::Io`]: something is left.
    pub fn wipe(&self) -> Result<(), SessionError> {
        for name in our_files() {
            files::remove(&self.file(&name))?;
        }
        files::remove_if_empty(&self.path)
    }

    /// The same after a sign-in that failed, except that what is needed to revoke it stays as long
    /// as it is not revoked.
    ///
    /// # Errors
    ///
    /// [`SessionError::Io`]: something is left.
    pub fn wipe_failed(&self) -> Result<(), SessionError> {
        match self.file(PENDING_FILE).exists() {
            true => stores().try_for_each(|name| files::remove(&self.file(&name))),
            false => self.wipe(),
        }
    }

    /// The sign-in is revoked.
    ///
    /// # Errors
    ///
    /// [`SessionError::Io`].
    pub fn remove_pending(&self) -> Result<(), SessionError> {
        files::remove(&self.file(PENDING_FILE))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

#[cfg(test)]
mod tests;
