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

#[cfg(all(test, unix))]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_file_that_cannot_be_made_private_is_an_error_and_a_missing_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        prepare(dir.path()).unwrap();
        let database = fs::metadata(dir.path().join(STORE_FILE)).unwrap();
        assert_eq!(database.permissions().mode() & 0o777, 0o600);
        // A link to itself leads to no file.
        let log = dir.path().join(format!("{STORE_FILE}-wal"));
        symlink(&log, &log).unwrap();
        assert!(prepare(dir.path()).is_err());
    }
}
