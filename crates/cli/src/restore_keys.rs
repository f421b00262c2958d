//! `restore-keys`: fetches the keys of old messages from the backup and, with `--export`, writes
//! them to a file.

use std::{io, path::Path};

use matrix_qr_device::{
    Device,
    encryption::{Encryption, Passphrase, Restored},
};
use serde_json::json;

use crate::{
    args::RestoreKeysArgs,
    exit::{Exit, Failure},
    new_file, online,
    output::{BAD, GOOD, Printer, harmless, paint},
    passphrase::{self, PassphrasePrompt},
};

pub(crate) async fn run(args: &RestoreKeysArgs) -> Result<(), Failure> {
    let out = Printer::new(args.online.json);
    // Check the command line before anything is done.
    let export = args
        .export
        .as_deref()
        .map(|file| Export::begin(file, args))
        .transpose()?;
    let device = online::open(&args.online, &args.passphrase).await?;
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
        let prompt = PassphrasePrompt {
            of: "the exported keys",
            option: "--export-passphrase-file FILE",
        };
        let passphrase = match &args.export_passphrase_file {
            Some(file) => passphrase::from_file(file)?,
            None => prompt.ask_for_new(Printer::new(args.online.json))?,
        };
        Ok(Self { file, passphrase })
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

fn exists(file: &Path) -> Failure {
    let what = format!("{} already exists", file.display());
    Failure::new(
        Exit::Usage,
        what,
        "Remove it, or choose another file for --export.",
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
