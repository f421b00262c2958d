//! The store's place on disk, for its owner only.

use std::{
    fs::{self, OpenOptions},
    io,
    path::Path,
};

/// The name that matrix-sdk gives its database.
const DATABASE: &str = "matrix-sdk-crypto.sqlite3";

/// Makes the directory 0700 and the database 0600 before SQLite opens it.
///
/// SQLite gives its side files (`-wal`, `-shm`) the mode of the database, so an empty one made here
/// decides for all; those of an earlier run are tightened too.
pub(super) fn prepare(dir: &Path) -> io::Result<()> {
    fs::create_dir_all(dir)?;
    restrict(dir, 0o700)?;
    owners_only(OpenOptions::new().append(true).create(true)).open(dir.join(DATABASE))?;
    for suffix in ["", "-wal", "-shm"] {
        match restrict(&dir.join(format!("{DATABASE}{suffix}")), 0o600) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            outcome => outcome?,
        }
    }
    Ok(())
}

#[cfg(unix)]
fn restrict(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(unix)]
fn owners_only(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

/// Elsewhere the directory's inherited access list decides.
#[cfg(not(unix))]
fn restrict(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}

#[cfg(not(unix))]
fn owners_only(options: &mut OpenOptions) -> &mut OpenOptions {
    options
}
