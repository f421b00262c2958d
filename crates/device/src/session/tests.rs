#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;

use serde_json::{Value, json};

use super::{content::STORE_SUFFIXES, *};
use crate::oauth::Tokens;
use crate::secret::Secret;
use url::Url;

mod remains;

fn session() -> StoredSession {
    StoredSession {
        homeserver: Url::parse("https://m.example/").unwrap(),
        issuer: Url::parse("https://a.example/").unwrap(),
        account_management_uri: None,
        client_id: "client".to_owned(),
        expires_at: None,
        user: UserSession {
            user_id: "@alice:m.example".try_into().unwrap(),
            device_id: "DEVICE".into(),
            access_token: Secret::new("access-1"),
            refresh_token: Some(Secret::new("refresh-1")),
        },
    }
}

fn tokens(access: &str, refresh: Option<&str>) -> Tokens {
    Tokens {
        access_token: Secret::new(access),
        refresh_token: refresh.map(Secret::new),
        expires_in: None,
    }
}

fn fresh() -> (tempfile::TempDir, SessionDir) {
    let parent = tempfile::tempdir().unwrap();
    let dir = SessionDir::new(parent.path().join("deep/er/session"));
    (parent, dir)
}

fn names(dir: &SessionDir) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_was_saved_is_loaded() {
    let (_parent, dir) = fresh();
    let _lock = dir.create().unwrap();
    dir.save(&session()).unwrap();
    assert_eq!(dir.load().unwrap(), session());
    assert_eq!(names(&dir), ["session.json", "session.lock"]);
}

/// The field names are matrix-sdk's: `OAuthSession { client_id, user }` and the serialised
/// `UserSession`.
#[test]
fn the_file_has_the_form_that_matrix_sdk_restores() {
    let (_parent, dir) = fresh();
    let _lock = dir.create().unwrap();
    let mut stored = session();
    dir.save(&stored).unwrap();
    let read = || -> Value {
        serde_json::from_slice(&fs::read(dir.path().join("session.json")).unwrap()).unwrap()
    };
    let expected = json!({
        "homeserver": "https://m.example/",
        "issuer": "https://a.example/",
        "client_id": "client",
        "user": {
            "user_id": "@alice:m.example",
            "device_id": "DEVICE",
            "access_token": "access-1",
            "refresh_token": "refresh-1",
        },
    });
    assert_eq!(read(), expected);
    stored.user.refresh_token = None;
    dir.save(&stored).unwrap();
    assert_eq!(read()["user"].get("refresh_token"), None);
    assert_eq!(dir.load().unwrap(), stored);
}

#[test]
fn a_refresh_keeps_the_rest() {
    let refreshed = session().refreshed(&tokens("access-2", Some("refresh-2")));
    assert_eq!(
        Revocable::from(&refreshed).tokens(),
        tokens("access-2", Some("refresh-2"))
    );
    assert_eq!(refreshed.client_id, session().client_id);
    assert_eq!(refreshed.user.device_id, session().user.device_id);
    let unrotated = session().refreshed(&tokens("access-3", None));
    assert_eq!(
        Revocable::from(&unrotated).tokens(),
        tokens("access-3", Some("refresh-1"))
    );
}

#[test]
fn nothing_secret_is_printed() {
    let printed = format!(
        "{:?} {:?} {:?}",
        session(),
        session().user,
        Revocable::from(&session()).tokens()
    );
    assert!(printed.contains("@alice:m.example"));
    assert!(
        !printed.contains("access-1") && !printed.contains("refresh-1"),
        "{printed}"
    );
}

#[test]
fn an_occupied_directory_is_refused_and_left_alone() {
    for name in ["session.json", STORE_FILE, "holiday.jpg"] {
        let (_parent, dir) = fresh();
        fs::create_dir_all(dir.path()).unwrap();
        fs::write(dir.path().join(name), "x").unwrap();
        assert!(
            matches!(dir.create(), Err(SessionError::Occupied { .. })),
            "{name}"
        );
        assert_eq!(names(&dir), [name]);
    }
}

#[test]
fn only_one_process_at_a_time() {
    let (_parent, dir) = fresh();
    assert!(matches!(dir.lock(), Err(SessionError::None { .. })));
    let lock = dir.create().unwrap();
    assert!(matches!(dir.create(), Err(SessionError::InUse { .. })));
    dir.save(&session()).unwrap();
    assert!(matches!(dir.lock(), Err(SessionError::InUse { .. })));
    drop(lock);
    assert!(dir.lock().is_ok());
}

/// A copy of the descriptor, as a process has it that another thread is starting.
#[test]
fn a_lock_that_is_dropped_is_free_although_a_process_is_being_started() {
    let (_parent, dir) = fresh();
    let lock = dir.create().unwrap();
    dir.save(&session()).unwrap();
    let _inherited = lock.file.try_clone().unwrap();
    drop(lock);
    assert!(dir.lock().is_ok());
}

#[test]
fn there_may_be_no_session() {
    let (_parent, dir) = fresh();
    assert!(matches!(dir.load(), Err(SessionError::None { .. })));
}

#[test]
fn a_damaged_file_is_named_and_not_quoted() {
    for damaged in ["", "{", "{\"user\": \"hunter2\"}", "[\"hunter2\"]", "null"] {
        let (_parent, dir) = fresh();
        let _lock = dir.create().unwrap();
        dir.save(&session()).unwrap();
        // Written over in place, so that it stays private.
        fs::write(dir.path().join("session.json"), damaged).unwrap();
        let error = dir.load().unwrap_err();
        assert!(
            matches!(error, SessionError::Unreadable { .. }),
            "{damaged}: {error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}

#[test]
fn wiping_removes_the_session_and_the_store_and_only_those() {
    let (_parent, dir) = fresh();
    let lock = dir.create().unwrap();
    dir.save(&session()).unwrap();
    for name in STORE_SUFFIXES
        .map(|suffix| format!("{STORE_FILE}{suffix}"))
        .iter()
        .chain(["session.json.new"].map(str::to_owned).iter())
    {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    // Met with matrix-sdk 0.19.1: decrypted messages are in these.
    for name in [
        "state.sqlite3",
        "event-cache.sqlite3-wal",
        "media.sqlite3-shm",
    ] {
        fs::write(dir.path().join(format!("matrix-sdk-{name}")), "x").unwrap();
    }
    fs::write(dir.path().join("holiday.jpg"), "x").unwrap();
    dir.wipe().unwrap();
    assert_eq!(names(&dir), ["holiday.jpg"]);
    fs::remove_file(dir.path().join("holiday.jpg")).unwrap();
    dir.wipe().unwrap();
    assert!(!dir.path().exists());
    dir.wipe().unwrap();
    drop(lock);
}

#[cfg(unix)]
mod unix {
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn chmod(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    #[test]
    fn only_the_owner_can_look_in() {
        let (_parent, dir) = fresh();
        let _lock = dir.create().unwrap();
        dir.save(&session()).unwrap();
        assert_eq!(mode(dir.path()), 0o700);
        assert_eq!(mode(&dir.path().join("session.json")), 0o600);
    }

    #[test]
    fn an_empty_directory_is_made_private_and_a_full_one_is_not_touched() {
        let (_parent, dir) = fresh();
        fs::create_dir_all(dir.path()).unwrap();
        chmod(dir.path(), 0o755);
        drop(dir.create().unwrap());
        assert_eq!(mode(dir.path()), 0o700);
        fs::write(dir.path().join("holiday.jpg"), "x").unwrap();
        chmod(dir.path(), 0o755);
        assert!(matches!(dir.create(), Err(SessionError::Occupied { .. })));
        assert_eq!(mode(dir.path()), 0o755);
    }

    #[test]
    fn a_session_that_others_can_read_is_not_used() {
        let (_parent, dir) = fresh();
        let _lock = dir.create().unwrap();
        dir.save(&session()).unwrap();
        for (path, open) in [
            (dir.path().join("session.json"), 0o640),
            (dir.path().to_owned(), 0o750),
        ] {
            let before = mode(&path);
            chmod(&path, open);
            let error = dir.load().unwrap_err();
            assert_eq!(
                error,
                SessionError::TooOpen {
                    path: path.clone(),
                    mode: open
                }
            );
            chmod(&path, before);
        }
        assert!(dir.load().is_ok());
    }

    #[test]
    fn a_save_replaces_the_file_and_never_writes_into_it() {
        let (_parent, dir) = fresh();
        let _lock = dir.create().unwrap();
        dir.save(&session()).unwrap();
        let path = dir.path().join("session.json");
        let reader = fs::File::open(&path).unwrap();
        let inode = fs::metadata(&path).unwrap().ino();
        dir.save(&session().refreshed(&tokens("access-2", None)))
            .unwrap();
        assert_ne!(fs::metadata(&path).unwrap().ino(), inode);
        // Who had it open still sees the old one, whole.
        let old: StoredSession = serde_json::from_reader(reader).unwrap();
        assert_eq!(old, session());
    }

    #[test]
    fn a_planted_temporary_file_is_not_written_through() {
        let (parent, dir) = fresh();
        let _lock = dir.create().unwrap();
        let victim = parent.path().join("victim");
        fs::write(&victim, "untouched").unwrap();
        symlink(&victim, dir.path().join("session.json.new")).unwrap();
        dir.save(&session()).unwrap();
        assert_eq!(fs::read_to_string(&victim).unwrap(), "untouched");
        assert_eq!(dir.load().unwrap(), session());
    }

    #[test]
    fn a_failed_save_leaves_the_old_session() {
        let (_parent, dir) = fresh();
        let _lock = dir.create().unwrap();
        dir.save(&session()).unwrap();
        // A directory of that name can be neither removed as a file nor replaced.
        fs::create_dir(dir.path().join("session.json.new")).unwrap();
        assert!(matches!(
            dir.save(&session().refreshed(&tokens("access-2", None))),
            Err(SessionError::Io { .. })
        ));
        assert_eq!(dir.load().unwrap(), session());
    }
}
