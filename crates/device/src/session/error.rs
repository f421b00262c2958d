//! What can go wrong with a session's directory.

use std::path::PathBuf;

use matrix_qr_protocol::error::{Cause, ToUserError};

/// Why a session could not be kept or found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// There is no session.
    #[error("there is no session in {}", .path.display())]
    None {
        /// The directory.
        path: PathBuf,
    },
    /// A sign-in, or a sign-out, was interrupted there.
    #[error("a sign-in was interrupted in {}", .path.display())]
    Interrupted {
        /// The directory.
        path: PathBuf,
    },
    /// The directory is not empty.
    #[error(
        "{} is not empty: it holds a session, the remains of one, or something else",
        .path.display()
    )]
    Occupied {
        /// The directory.
        path: PathBuf,
    },
    /// Another process holds the lock.
    #[error("{} is in use by another process", .path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// Others than the owner can read what must be private.
    #[error(
        "other users can read {} (mode {mode:03o}), and with it the session's tokens",
        .path.display()
    )]
    TooOpen {
        /// The file or directory.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It is not the session that we wrote.
    #[error("{} is damaged (line {line}, column {column})", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Where it breaks.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// The file system reported an error.
    #[error("{}: {why}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        why: String,
    },
}

impl ToUserError for SessionError {
    fn verdict(&self) -> (Cause, &'static str) {
        let advice = match self {
            Self::None { .. } => "Sign in first.",
            Self::Interrupted { .. } => {
                "Run `matrix-qr logout` there to clear what it left, or `matrix-qr login` to do \
                 that and sign in."
            }
            Self::Occupied { .. } => "Name another directory, or sign out there first.",
            Self::InUse { .. } => "Wait until it ends, or stop it.",
            Self::TooOpen { .. } => {
                "Run `chmod go-rwx` on it, and sign out if someone may have read it."
            }
            Self::Unreadable { .. } => {
                "Clear it with `matrix-qr logout --local`, remove this device in your account's \
                 settings, then sign in again."
            }
            Self::Io { .. } => {
                "Check the directory's owner, its permissions and the free space on its disk."
            }
        };
        (Cause::Here, advice)
    }
}
