//! Any file as the settings of the rendezvous server: refused with a line that shows no secret, or
//! printed so that it means the same when it is read again.
#![no_main]

use std::{fs, path::PathBuf, sync::LazyLock};

use libfuzzer_sys::fuzz_target;
use matrix_qr_protocol::harmless;
use settings::{LoadedSettings, Settings, SettingsError};

/// The server's own source: its settings are not part of its library.
#[path = "../../crates/rendezvous/src"]
#[allow(dead_code, unreachable_pub, unused_imports)]
mod sources {
    pub(crate) mod settings;
}

use sources::settings;

const SECRET: &str = "hunter2!";

/// The file that is read. One process writes it at a time.
static FILE: LazyLock<PathBuf> = LazyLock::new(|| {
    let directory = if PathBuf::from("/dev/shm").is_dir() {
        "/dev/shm".into()
    } else {
        std::env::temp_dir()
    };
    directory.join(format!("matrix-qr-fuzz-settings-{}", std::process::id()))
});

fn load(text: &[u8]) -> Result<LoadedSettings, SettingsError> {
    fs::write(&*FILE, text).expect("a file can be written");
    let loaded = settings::load(&Settings::default(), Some(&*FILE));
    let _ = fs::remove_file(&*FILE);
    loaded
}

/// Whether the secret is only where a secret belongs: within the value of `store`.
fn is_in_store_only(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| line.contains(SECRET));
    lines.all(|line| {
        line.trim_start().starts_with("store ") || line.trim_start().starts_with("store=")
    })
}

/// Whether some URL in the text has the secret as its password.
fn is_password(text: &str) -> bool {
    text.split(['"', '\'']).any(|piece| {
        url::Url::parse(piece).is_ok_and(|url| {
            url.password()
                .is_some_and(|password| password.contains(SECRET))
        })
    })
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    // It would read other files.
    if text.contains("file") || text.contains('\\') {
        return;
    }
    let has_secret = text.contains(SECRET);
    match load(bytes) {
        Err(error) => {
            let said = error.to_string();
            assert_eq!(said, harmless(&said));
            assert!(said.chars().count() < 2000, "{said:?}");
            if has_secret && is_in_store_only(&text) {
                assert!(!said.contains(SECRET), "{said}");
            }
        }
        Ok(loaded) => {
            let printed = toml::to_string(&loaded.settings).expect("settings can be printed");
            let shown = format!("{printed}{loaded:?}{}", loaded.warnings.join(""));
            if has_secret && is_in_store_only(&text) && is_password(&text) {
                assert!(!shown.contains(SECRET), "{shown}");
            }
            // A password is not printed, so such a file is not complete.
            if is_password(&text) || text.contains('@') {
                return;
            }
            let again = load(printed.as_bytes());
            let again = again.unwrap_or_else(|error| panic!("{error}\n{printed}"));
            assert_eq!(again.settings, loaded.settings, "{printed}");
        }
    }
});
