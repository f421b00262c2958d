//! Private files, written atomically.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, ErrorKind, Read, Write},
    path::Path,
};

use zeroize::Zeroizing;

use super::error::SessionError;
use crate::private;

/// Held as long as a process uses a session's directory; released when dropped, or when the process
/// ends.
#[derive(Debug)]
pub struct SessionLock {
    pub(super) file: File,
}

impl Drop for SessionLock {
    /// Closing the file is not enough. A process that another thread is starting has a copy of the
    /// descriptor until its program runs, and with it the lock.
    fn drop(&mut self) {
        // Nothing can be done about an error, and the file is closed next.
        let _ = self.file.unlock();
    }
}

/// Makes a directory of mode 0700, and its parents as usual; an existing one is made private.
pub(super) fn create_dir(path: &Path) -> Result<(), SessionError> {
    let parent = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let made = parent.map_or(Ok(()), fs::create_dir_all);
    made.map_err(|error| io_error(path, error))?;
    match private::dir().create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => make_private(path),
        other => other,
    }
    .map_err(|error| io_error(path, error))
}

/// Only an empty directory: what is in another one is not ours to hide.
fn make_private(path: &Path) -> io::Result<()> {
    match fs::read_dir(path)?.next() {
        None => private::restrict(path, 0o700),
        Some(_) => Ok(()),
    }
}

/// What a directory holds; nothing, if there is none.
pub(super) fn entries(path: &Path) -> Result<Vec<OsString>, SessionError> {
    let names = fs::read_dir(path)
        .and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    match names {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Vec::new()),
        names => names.map_err(|error| io_error(path, error)),
    }
}

/// Takes the lock or fails at once.
pub(super) fn lock(path: &Path) -> Result<SessionLock, SessionError> {
    let open = private::file().create(true).truncate(false).open(path);
    let file = open.map_err(|error| io_error(path, error))?;
    match file.try_lock() {
        Ok(()) => Ok(SessionLock { file }),
        Err(TryLockError::WouldBlock) => Err(SessionError::InUse {
            path: path.parent().unwrap_or(path).to_owned(),
        }),
        Err(TryLockError::Error(error)) => Err(io_error(path, error)),
    }
}

/// The name under which a file is written before it takes its place.
pub(super) fn temporary(name: &str) -> String {
    format!("{name}.new")
}

/// Writes beside, syncs, renames, syncs the directory: a crash leaves the old file or the new one,
/// never a part.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), SessionError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(temporary(&name));
    // One that a crash left, or that someone put there: never written through.
    remove(&beside)?;
    let written = write_new(&beside, bytes)
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| private::sync_dir(path));
    if written.is_err() {
        // The tokens must not stay in a file that nobody looks for. The first error is the one to
        // report.
        let _ = fs::remove_file(&beside);
    }
    written.map_err(|error| io_error(path, error))
}

/// Gives a file another name in the same directory, in place of what has that name.
pub(super) fn rename(from: &Path, to: &Path) -> Result<(), SessionError> {
    fs::rename(from, to)
        .and_then(|()| private::sync_dir(to))
        .map_err(|error| io_error(from, error))
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = private::file().create_new(true).open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Reads a file that only its owner may read; `None` if there is none.
pub(super) fn read_private(
    path: &Path,
    limit: u64,
) -> Result<Option<Zeroizing<Vec<u8>>>, SessionError> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.map_err(|error| io_error(path, error))?,
    };
    check_private(path)?;
    let mut bytes = Zeroizing::new(Vec::with_capacity(limit as usize));
    file.take(limit)
        .read_to_end(&mut bytes)
        .map_err(|error| io_error(path, error))?;
    Ok(Some(bytes))
}

/// Removes a file; that there is none is fine.
pub(super) fn remove(path: &Path) -> Result<(), SessionError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error(path, error)),
        _ => Ok(()),
    }
}

/// Removes a directory in which nothing is left.
pub(super) fn remove_if_empty(path: &Path) -> Result<(), SessionError> {
    match fs::remove_dir(path) {
        Ok(()) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::NotFound | ErrorKind::DirectoryNotEmpty => Ok(()),
            _ => Err(io_error(path, error)),
        },
    }
}

pub(crate) fn io_error(path: &Path, error: impl ToString) -> SessionError {
    SessionError::Io {
        path: path.to_owned(),
        why: error.to_string(),
    }
}

/// Whether nobody but the owner can read it.
pub(super) fn check_private(path: &Path) -> Result<(), SessionError> {
    match private::mode(path).map_err(|error| io_error(path, error))? {
        mode if mode & 0o077 != 0 => Err(SessionError::TooOpen {
            path: path.to_owned(),
            mode,
        }),
        _ => Ok(()),
    }
}
