//! What a store on disk holds, and whether it needs a passphrase. The database says so itself, in
//! the two rows by which matrix-sdk decides it: nothing beside it can be lost, or disagree.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use tokio::task::spawn_blocking;

use super::{Passphrase, error::StoreError};
use crate::session::STORE_FILE;

/// What a store holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StoreContent {
    /// No device's keys, or there is no store.
    NoKeys,
    /// Keys that anybody can read who can read the file.
    Plain,
    /// Keys that need a passphrase.
    Encrypted,
}

impl StoreContent {
    /// Reads it, and changes nothing.
    pub(crate) async fn of(dir: &Path) -> Result<Self, StoreError> {
        let file = dir.join(STORE_FILE);
        // SQLite blocks its thread while another program has the database locked: for 5 seconds.
        let read = spawn_blocking(move || Self::read(&file)).await;
        read.map_err(StoreError::new)?.map_err(StoreError::new)
    }

    fn read(file: &Path) -> Result<Self, rusqlite::Error> {
        if !file.exists() {
            return Ok(Self::NoKeys);
        }
        // Not read-only: SQLite could not remove its side files afterwards.
        let store = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        if !store.table_exists(None::<&str>, "kv")? {
            return Ok(Self::NoKeys);
        }
        let has = |key: &str| {
            let query = "SELECT EXISTS (SELECT 1 FROM kv WHERE key = ?1)";
            store.query_row(query, [key], |row| row.get::<_, bool>(0))
        };
        Ok(match (has("cipher")?, has("account")?) {
            (true, _) => Self::Encrypted,
            (false, true) => Self::Plain,
            (false, false) => Self::NoKeys,
        })
    }

    /// Whether this passphrase, or none, is for such a store. matrix-sdk does not refuse a
    /// passphrase for a plain store: it adds a key that encrypts nothing.
    pub(super) fn check(self, passphrase: Option<&Passphrase>) -> Result<(), StoreError> {
        match (self, passphrase) {
            (Self::Encrypted, None) => Err(StoreError::PassphraseMissing),
            (Self::Plain, Some(_)) => Err(StoreError::NotEncrypted),
            (Self::Encrypted, Some(_)) | (Self::Plain, None) | (Self::NoKeys, _) => Ok(()),
        }
    }
}

/// Whether the keys in this directory can only be used with a passphrase. Contacts nobody.
///
/// # Errors
///
/// The store cannot be read, or another program has it locked.
pub async fn needs_passphrase(dir: &Path) -> Result<bool, StoreError> {
    Ok(StoreContent::of(dir).await? == StoreContent::Encrypted)
}
