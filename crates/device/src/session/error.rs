//! What can go wrong with a session's directory.

use std::path::PathBuf;

/// Why a session could not be kept or found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// There is no session.
    #[error("there is no session in {}; sign in first", .path.display())]
    None {
        /// The directory.
        path: PathBuf,
    },
    /// A sign-in, or a sign-out, was interrupted there.
    #[error("a sign-in was interrupted in {}; run `matrix-qr logout` there to clear what it left, or `matrix-qr login` to do that and sign in", .path.display())]
    Interrupted {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is not empty.
    #[error("{} is not empty: it holds a session, the rest of one, or something else; name another directory, or sign out there first", .path.display())]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error("{} is in use by another process; wait for it or end it", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Others than the owner can read what must be private.
    #[error("others can read {} (mode {mode:03o}), and with it the session's tokens; run `chmod go-rwx` on it, and sign out if someone may have", .path.display())]
    TooOpen {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not the session that we wrote.
    #[error("{} is damaged (line {line}, column {column}); clear it with `matrix-qr logout --local`, remove this device in your account's settings, then sign in again", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// The file system said no.
    #[error("{}: {why}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        why: String,
    },
}
