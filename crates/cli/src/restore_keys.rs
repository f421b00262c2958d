//! `restore-keys`: fetches the keys of old messages from the backup and, with `--export`, writes
//! them to a file.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    path::Path,
};

use matrix_qr_device::{
    Device,
    encryption::{Encryption, Passphrase, Restored},
    secret::Secret,
};
use serde_json::json;
use zeroize::Zeroizing;

use crate::{
    args::RestoreKeysArgs,
    exit::{Exit, Failure},
    keyboard, new_file, online,
    output::{BAD, GOOD, Printer, harmless, paint},
};

/// The longest passphrase in a file, in bytes.
const MAX_PASSPHRASE: u64 = 4096;

pub(crate) async fn run(args: &RestoreKeysArgs) -> Result<(), Failure> {
    let out = Printer::new(args.online.json);
    // Check the command line before anything is done.
    let export = args
        .export
        .as_deref()
        .map(|file| Export::begin(file, args))
        .transpose()?;
    let device = online::open(&args.online).await?;
    restore(out, &device).await?;
    match export {
        Some(export) => export.write(out, &device).await,
        None => Ok(()),
    }
}

async fn restore(out: Printer, device: &Device<Encryption>) -> Result<(), Failure> {
    out.event(json!({ "event": "restoring" }));
    let waiting = out.waiting("Fetching the keys from the backup.", None);
    let restored = device.restore_keys().await;
    drop(waiting);
    let restored = restored.map_err(Failure::not_ready)?;
    let json = json!({
        "event": "restored",
        "keys": restored.keys,
        "already_here": restored.already_here,
        "undecryptable": restored.undecryptable,
        "outdated": restored.outdated.as_ref().map(ToString::to_string),
    });
    out.result(summary(&restored), json);
    Ok(())
}

fn summary(restored: &Restored) -> String {
    let keys = count(restored.keys, "key of old messages", "keys of old messages");
    let mut text = format!("{} {keys} restored", paint(GOOD, "✓"));
    if restored.already_here > 0 {
        text.push_str(&format!(
            ", {} already here",
            count(restored.already_here, "was", "were")
        ));
    }
    text.push('.');
    if restored.undecryptable > 0 {
        let entries = count(restored.undecryptable, "entry", "entries");
        text.push_str(&format!("\n  {entries} of the backup could not be read."));
    }
    if let Some(why) = &restored.outdated {
        text.push_str(&format!(
            "\n{} newer keys may be in another backup: {}.\n  \
             To use that backup, sign this device out and in again.",
            paint(BAD, "warning:"),
            harmless(&why.to_string())
        ));
    }
    text
}

fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// The file for the room keys, and the passphrase that encrypts them.
struct Export<'a> {
    file: &'a Path,
    passphrase: Passphrase,
}

impl<'a> Export<'a> {
    fn begin(file: &'a Path, args: &RestoreKeysArgs) -> Result<Self, Failure> {
        if file.symlink_metadata().is_ok() {
            return Err(exists(file));
        }
        let passphrase = match &args.passphrase_file {
            Some(file) => from_file(file)?,
            None if args.online.json || !keyboard::is_terminal() => return Err(nobody()),
            None => asked()?,
        };
        Ok(Self {
            file,
            passphrase: Passphrase::new(passphrase).ok_or_else(empty)?,
        })
    }

    async fn write(self, out: Printer, device: &Device<Encryption>) -> Result<(), Failure> {
        let waiting = out.waiting("Encrypting the keys.", None);
        let export = device
            .export_keys(&self.passphrase)
            .await
            .map_err(Failure::not_ready)?;
        drop(waiting);
        new_file::write(self.file, export.text.as_bytes()).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(self.file),
            _ => Failure::here(
                not_written(self.file, &error),
                "Choose another file for --export.",
            ),
        })?;
        let keys = count(export.keys, "room key", "room keys");
        let text = format!(
            "{} {keys} exported to {}.",
            paint(GOOD, "✓"),
            self.file.display()
        );
        out.result(
            text,
            json!({ "event": "exported", "keys": export.keys, "file": self.file }),
        );
        Ok(())
    }
}

fn not_written(file: &Path, error: &io::Error) -> String {
    format!("{} could not be written: {error}", file.display())
}

/// Asks twice, because the person does not see what they type.
fn asked() -> Result<Secret, Failure> {
    let ask = |prompt: &str| {
        rpassword::prompt_password(prompt)
            .map(Secret::new)
            .map_err(|error| {
                Failure::here(
                    format!("the passphrase could not be read: {error}"),
                    "Use --passphrase-file FILE.",
                )
            })
    };
    let passphrase = ask("Passphrase for the exported keys: ")?;
    if passphrase.expose().is_empty() || passphrase == ask("Repeat the passphrase: ")? {
        return Ok(passphrase);
    }
    Err(Failure::new(
        Exit::Usage,
        "the two passphrases differ",
        "Try again.",
    ))
}

/// The first line of a file, without its line break.
fn from_file(file: &Path) -> Result<Secret, Failure> {
    // One allocation that is large enough: a growing one would leave copies of the text in memory.
    let mut line = Zeroizing::new(String::with_capacity(MAX_PASSPHRASE as usize + 1));
    let read = File::open(file).and_then(|opened| {
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
            "Write it on the first line of a file, and name that file.",
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

fn exists(file: &Path) -> Failure {
    let what = format!("{} already exists", file.display());
    Failure::new(
        Exit::Usage,
        what,
        "Remove it, or choose another file for --export.",
    )
}

fn nobody() -> Failure {
    let advice = "Put the passphrase into a file: --passphrase-file FILE.";
    Failure::new(
        Exit::Usage,
        "nobody can enter a passphrase for the exported keys",
        advice,
    )
}

fn empty() -> Failure {
    Failure::new(
        Exit::Usage,
        "the passphrase is empty",
        "Choose one that nobody can guess.",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use matrix_qr_device::keys::BackupProblem;

    use super::*;

    fn restored(keys: usize, already_here: usize) -> Restored {
        Restored {
            keys,
            already_here,
            undecryptable: 0,
            outdated: None,
        }
    }

    #[test]
    fn one_is_one_and_what_was_here_is_said() {
        let summary =
            |restored: &Restored| anstream::adapter::strip_str(&summary(restored)).to_string();
        assert_eq!(
            summary(&restored(1, 0)),
            "✓ 1 key of old messages restored."
        );
        assert_eq!(
            summary(&restored(2, 1)),
            "✓ 2 keys of old messages restored, 1 was already here."
        );
        assert_eq!(
            summary(&restored(0, 3)),
            "✓ 0 keys of old messages restored, 3 were already here."
        );
        let unread = Restored {
            undecryptable: 1,
            ..restored(2, 0)
        };
        assert!(
            summary(&unread).ends_with("restored.\n  1 entry of the backup could not be read.")
        );
    }

    #[test]
    fn a_passphrase_is_the_first_line_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("passphrase");
        for (contents, passphrase) in [(" p w \r\nsecond", " p w "), ("p", "p"), ("", "")] {
            std::fs::write(&file, contents).unwrap();
            assert_eq!(from_file(&file), Ok(Secret::new(passphrase)));
        }
        std::fs::write(&file, "x".repeat(5000)).unwrap();
        assert_eq!(from_file(&file).unwrap_err().exit, Exit::Usage);
        assert_eq!(from_file(directory.path()).unwrap_err().exit, Exit::Usage);
    }

    #[test]
    fn a_backup_that_was_replaced_is_mentioned() {
        let other = BackupProblem::OtherVersion {
            ours: "1".to_owned(),
            current: "2".to_owned(),
        };
        let summary = summary(&Restored {
            outdated: Some(other),
            ..restored(1, 0)
        });
        assert!(
            summary.contains("the key is for backup version 1, but the homeserver has version 2"),
            "{summary}"
        );
    }
}
