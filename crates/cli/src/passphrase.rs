//! Passphrases: from a file, or from a person at a terminal. Never an argument, nor a variable of
//! the environment: other programs can read these.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, ErrorKind, Read as _},
    path::Path,
};

use matrix_qr_device::{
    encryption::{Passphrase, needs_passphrase},
    secret::Secret,
};
use zeroize::Zeroizing;

use crate::{
    exit::{Exit, Failure},
    keyboard,
    output::Printer,
};

/// The longest passphrase in a file, in bytes.
const MAX_PASSPHRASE: u64 = 4096;

/// The passphrase of the keys in this directory, if they have one: from the file, else from the
/// person, if there is one. A passphrase that is missing, wrong or not needed is seen when the keys
/// are opened.
pub(crate) async fn of_keys(
    directory: &Path,
    file: Option<&Path>,
    out: Printer,
) -> Result<Option<Passphrase>, Failure> {
    if let Some(file) = file {
        return from_file(file).map(Some);
    }
    let encrypted = needs_passphrase(directory).await;
    let encrypted = encrypted.map_err(|error| Failure::not_ready(error.into()))?;
    if !encrypted || !is_somebody_there(out) {
        return Ok(None);
    }
    OF_KEYS.ask().map(Some)
}

/// The question for the passphrase of the keys of this device.
pub(crate) const OF_KEYS: PassphrasePrompt = PassphrasePrompt {
    of: "the keys of this device",
    option: "--passphrase-file FILE",
};

/// The question for a passphrase, and how else it can be given.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PassphrasePrompt {
    /// What is encrypted.
    pub(crate) of: &'static str,
    /// The option that names a file.
    pub(crate) option: &'static str,
}

impl PassphrasePrompt {
    /// One that exists.
    fn ask(self) -> Result<Passphrase, Failure> {
        not_empty(self.read(&format!("Passphrase for {}: ", self.of))?)
    }

    /// A new one, twice: the person does not see what they type.
    pub(crate) fn ask_for_new(self, out: Printer) -> Result<Passphrase, Failure> {
        if !is_somebody_there(out) {
            return Err(Failure::new(
                Exit::Usage,
                format!("nobody can enter a passphrase for {}", self.of),
                format!("Put the passphrase into a file: {}.", self.option),
            ));
        }
        let passphrase = self.read(&format!("Passphrase for {}: ", self.of))?;
        if passphrase.expose().is_empty() || passphrase == self.read("Repeat the passphrase: ")? {
            return not_empty(passphrase);
        }
        Err(Failure::new(
            Exit::Usage,
            "the two passphrases differ",
            "Try again.",
        ))
    }

    fn read(self, prompt: &str) -> Result<Secret, Failure> {
        let read = rpassword::prompt_password(prompt);
        read.map(Secret::new).map_err(|error| match error.kind() {
            ErrorKind::Interrupted => Failure::cancelled(),
            _ => Failure::here(
                format!("the passphrase could not be read: {error}"),
                format!("Use {}.", self.option),
            ),
        })
    }
}

/// A script has its passphrase in a file.
fn is_somebody_there(out: Printer) -> bool {
    out == Printer::Human && keyboard::is_terminal()
}

/// The first line of a file that only its owner can read.
pub(crate) fn from_file(file: &Path) -> Result<Passphrase, Failure> {
    not_empty(first_line(file)?)
}

/// Without its line break.
fn first_line(file: &Path) -> Result<Secret, Failure> {
    // One allocation that is large enough: a growing one would leave copies of the text in memory.
    let mut line = Zeroizing::new(String::with_capacity(MAX_PASSPHRASE as usize + 1));
    let read = open_private(file).and_then(|opened| {
        BufReader::with_capacity(1, opened)
            .take(MAX_PASSPHRASE + 1)
            .read_line(&mut line)
    });
    let unusable = |why: String| {
        let what = format!(
            "the passphrase could not be read from {}: {why}",
            file.display()
        );
        Failure::new(
            Exit::Usage,
            what,
            "Write it on the first line of a file that only you can read, and name that file.",
        )
    };
    match read {
        Err(error) => Err(unusable(error.to_string())),
        Ok(length) if length as u64 > MAX_PASSPHRASE => {
            Err(unusable("its first line is too long".to_owned()))
        }
        Ok(_) => Ok(Secret::new(line.trim_end_matches(['\r', '\n']))),
    }
}

fn open_private(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    match others_may_read(&file)? {
        Some(mode) => Err(io::Error::other(format!(
            "other users can read it (mode {mode:03o})"
        ))),
        None => Ok(file),
    }
}

/// The mode of a file that others than its owner may read. systemd gives a credential to a service
/// by an access list on a file of root's, which shows as the right of a group.
#[cfg(unix)]
fn others_may_read(file: &File) -> io::Result<Option<u32>> {
    use std::os::unix::fs::MetadataExt as _;

    let metadata = file.metadata()?;
    let allowed = if metadata.uid() == 0 { 0o740 } else { 0o700 };
    let mode = metadata.mode() & 0o777;
    Ok((mode & !allowed != 0).then_some(mode))
}

/// Where there are no permission bits, the file's own access list is what protects it.
#[cfg(not(unix))]
fn others_may_read(_: &File) -> io::Result<Option<u32>> {
    Ok(None)
}

fn not_empty(passphrase: Secret) -> Result<Passphrase, Failure> {
    Passphrase::new(passphrase).ok_or_else(|| {
        Failure::new(
            Exit::Usage,
            "the passphrase is empty",
            "Choose one that nobody can guess.",
        )
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_passphrase_is_the_first_line_of_its_file() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (contents, passphrase) in [(" p w \r\nsecond", " p w "), ("p", "p"), ("", "")] {
            std::fs::write(&file, contents).unwrap();
            assert_eq!(first_line(file.path()), Ok(Secret::new(passphrase)));
        }
        assert_eq!(
            from_file(file.path()).unwrap_err().what,
            "the passphrase is empty"
        );
        std::fs::write(&file, "x".repeat(5000)).unwrap();
        assert_eq!(from_file(file.path()).unwrap_err().exit, Exit::Usage);
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(from_file(directory.path()).unwrap_err().exit, Exit::Usage);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_that_others_can_read_is_no_secret() {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, "a passphrase\n").unwrap();
        let is_of_root = file.as_file().metadata().unwrap().uid() == 0;
        for (mode, is_read) in [
            (0o400, true),
            (0o600, true),
            (0o440, is_of_root),
            (0o644, false),
            (0o604, false),
            (0o660, false),
        ] {
            file.as_file()
                .set_permissions(std::fs::Permissions::from_mode(mode))
                .unwrap();
            let read = first_line(file.path());
            assert_eq!(read.is_ok(), is_read, "{mode:o}");
            if let Err(failure) = read {
                let why = format!("other users can read it (mode {mode:03o})");
                assert!(failure.what.ends_with(&why), "{failure:?}");
            }
        }
    }
}
