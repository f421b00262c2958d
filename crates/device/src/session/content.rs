//! Which files a session's directory holds, and what they say of it.

use std::path::Path;

use super::{error::SessionError, files};

/// The name of the encryption store's database, in the session's directory.
pub const STORE_FILE: &str = "matrix-sdk-crypto.sqlite3";

pub(super) const SESSION_FILE: &str = "session.json";
pub(super) const PENDING_FILE: &str = "session.pending.json";
pub(super) const LOCK_FILE: &str = "session.lock";
/// What matrix-sdk 0.19 adds in a directory that it was given: rooms, messages that it decrypted,
/// files.
const SDK_STORES: [&str; 3] = [
    "matrix-sdk-state.sqlite3",
    "matrix-sdk-event-cache.sqlite3",
    "matrix-sdk-media.sqlite3",
];
/// What SQLite may put beside its database.
pub(super) const STORE_SUFFIXES: [&str; 4] = ["", "-wal", "-shm", "-journal"];
/// What is in a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Content {
    /// Nothing, or no more than a lock.
    Nothing,
    /// A complete session.
    Session,
    /// What an interrupted sign-in or sign-out left.
    Remains,
    /// Something that is not ours.
    Other,
}

impl Content {
    /// Without a lock file of ours, nothing in a directory is known to be ours, whatever its name
    /// is.
    pub(super) fn of(directory: &Path) -> Result<Self, SessionError> {
        let names = files::entries(directory)?;
        let has = |name: &str| names.iter().any(|entry| entry == name);
        Ok(if has(SESSION_FILE) {
            Self::Session
        } else if has(PENDING_FILE) || has(&files::temporary(PENDING_FILE)) {
            Self::Remains
        } else if names.iter().all(|name| name == LOCK_FILE) {
            Self::Nothing
        } else if has(LOCK_FILE)
            && names
                .iter()
                .all(|name| our_files().any(|ours| *name == *ours))
        {
            Self::Remains
        } else {
            Self::Other
        })
    }
}

/// The tokens first: whatever fails after that, nobody can sign in with what is left. The lock
/// last: it marks the files as ours.
pub(super) fn our_files() -> impl Iterator<Item = String> {
    let sessions =
        [SESSION_FILE, PENDING_FILE].map(|name| [name.to_owned(), files::temporary(name)]);
    sessions
        .into_iter()
        .flatten()
        .chain(stores())
        .chain([LOCK_FILE.to_owned()])
}

pub(super) fn stores() -> impl Iterator<Item = String> {
    let stores = [STORE_FILE].into_iter().chain(SDK_STORES);
    stores.flat_map(|store| STORE_SUFFIXES.map(|suffix| format!("{store}{suffix}")))
}
