//! The store's place on disk, for its owner only.

use std::{fs, io, path::Path};

use crate::{
    private::{file, restrict},
    session::STORE_FILE,
};

/// Makes the directory 0700 and the database 0600 before SQLite opens it.
///
/// SQLite gives its side files (`-wal`, `-shm`) the mode of the database, so an empty one made here
/// decides for all; those of an earlier run are tightened too.
pub(super) fn prepare(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    restrict(dir, 0o700)?;
    file()
        .create(true)
        .truncate(false)
        .open(dir.join(STORE_FILE))?;
    for suffix in ["", "-wal", "-shm"] {
        match restrict(&dir.join(format!("{STORE_FILE}{suffix}")), 0o600) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome?,
        }
    }
    Ok(())
}
