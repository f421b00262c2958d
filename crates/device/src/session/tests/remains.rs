//! What a sign-in or a sign-out leaves that is interrupted, at each of its steps.

use super::*;

fn revocable() -> Revocable {
    let user = RevocableUser {
        user_id: None,
        device_id: "DEVICE".into(),
        access_token: Secret::new("access-1"),
        refresh_token: Some(Secret::new("refresh-1")),
    };
    Revocable {
        user,
        ..Revocable::from(&session())
    }
}

/// As a process that is killed leaves it: the lock is free, the files are there.
fn holding(files: &[&str]) -> (tempfile::TempDir, SessionDir) {
    let (parent, dir) = fresh();
    drop(dir.create().unwrap());
    fs::remove_file(dir.path().join("session.lock")).unwrap();
    for name in files {
        fs::write(dir.path().join(name), "x").unwrap();
    }
    (parent, dir)
}

#[test]
fn a_sign_in_is_pending_or_complete_and_never_both() {
    let (_parent, dir) = fresh();
    let _lock = dir.create().unwrap();
    dir.save_pending(&revocable()).unwrap();
    assert_eq!(names(&dir), ["session.lock", "session.pending.json"]);
    assert_eq!(dir.load_pending().unwrap(), Some(revocable()));
    dir.complete(&session()).unwrap();
    assert_eq!(names(&dir), ["session.json", "session.lock"]);
    assert_eq!(
        (dir.load().unwrap(), dir.load_pending().unwrap()),
        (session(), None)
    );
    dir.withdraw().unwrap();
    assert_eq!(names(&dir), ["session.lock", "session.pending.json"]);
    assert_eq!(
        dir.load_pending().unwrap(),
        Some(Revocable::from(&session()))
    );
    dir.withdraw().unwrap();
    assert_eq!(
        dir.load_pending().unwrap(),
        Some(Revocable::from(&session())),
        "it was withdrawn already"
    );
}

#[test]
fn what_is_left_is_told_from_a_session_and_from_what_is_not_ours() {
    let left: [&[&str]; 5] = [
        &["session.pending.json", "session.lock"],
        &["session.pending.json.new", "session.lock"],
        &[
            "session.pending.json",
            "session.lock",
            STORE_FILE,
            "holiday.jpg",
        ],
        &["session.lock", STORE_FILE, "matrix-sdk-crypto.sqlite3-wal"],
        &["session.lock", "matrix-sdk-state.sqlite3"],
    ];
    for files in left {
        let (_parent, dir) = holding(files);
        assert!(
            matches!(dir.create(), Err(SessionError::Interrupted { .. })),
            "{files:?}"
        );
        assert!(
            matches!(dir.lock(), Err(SessionError::Interrupted { .. })),
            "{files:?}"
        );
        assert!(
            matches!(dir.load(), Err(SessionError::Interrupted { .. })),
            "{files:?}"
        );
        assert!(dir.lock_remains().is_ok(), "{files:?}");
    }
    let others: [&[&str]; 4] = [
        &[STORE_FILE],
        &["session.lock", STORE_FILE, "holiday.jpg"],
        &["session.json", "session.lock"],
        &["session.json", "session.pending.json", "session.lock"],
    ];
    for files in others {
        let (_parent, dir) = holding(files);
        assert!(
            matches!(dir.create(), Err(SessionError::Occupied { .. })),
            "{files:?}"
        );
        assert!(
            matches!(dir.lock_remains(), Err(SessionError::None { .. })),
            "{files:?}"
        );
    }
    let (_parent, dir) = holding(&["session.lock"]);
    assert!(dir.create().is_ok(), "a lock alone is nothing");
    assert!(matches!(dir.load(), Err(SessionError::None { .. })));
}

#[test]
fn a_sign_in_that_is_still_at_work_is_not_taken_for_one_that_was_interrupted() {
    let (_parent, dir) = fresh();
    let lock = dir.create().unwrap();
    dir.save_pending(&revocable()).unwrap();
    assert!(matches!(
        dir.lock_remains(),
        Err(SessionError::InUse { .. })
    ));
    drop(lock);
    assert!(dir.lock_remains().is_ok());
}

#[test]
fn one_that_was_killed_while_it_wrote_is_read_where_it_is_whole() {
    let (_parent, dir) = fresh();
    let _lock = dir.create().unwrap();
    dir.save_pending(&revocable()).unwrap();
    let [file, beside] =
        ["session.pending.json", "session.pending.json.new"].map(|name| dir.path().join(name));
    fs::rename(&file, &beside).unwrap();
    assert_eq!(dir.load_pending().unwrap(), Some(revocable()));
    fs::write(&beside, "{\"homeserver\": \"https://m.ex").unwrap();
    assert_eq!(dir.load_pending().unwrap(), None);
    fs::rename(&beside, &file).unwrap();
    assert!(matches!(
        dir.load_pending(),
        Err(SessionError::Unreadable { .. })
    ));
}

#[test]
fn what_it_takes_to_revoke_outlives_the_keys() {
    let (_parent, dir) = fresh();
    let _lock = dir.create().unwrap();
    dir.save_pending(&revocable()).unwrap();
    fs::write(dir.path().join(STORE_FILE), "x").unwrap();
    dir.wipe_failed().unwrap();
    assert_eq!(names(&dir), ["session.lock", "session.pending.json"]);
    dir.remove_pending().unwrap();
    dir.wipe_failed().unwrap();
    assert!(!dir.path().exists());
}

#[test]
fn what_is_left_is_cleared_and_nothing_else() {
    let (_parent, dir) = holding(&[
        "session.pending.json",
        "session.pending.json.new",
        STORE_FILE,
        "holiday.jpg",
    ]);
    dir.wipe().unwrap();
    assert_eq!(names(&dir), ["holiday.jpg"]);
}

#[test]
fn how_long_a_token_lives_is_known_from_when_it_was_given() {
    let given = Tokens {
        expires_in: Some(Duration::from_secs(300)),
        ..tokens("access-2", None)
    };
    let left = session().refreshed(&given).time_left().unwrap().as_secs();
    assert!((290..=300).contains(&left), "{left}");
    let expired = StoredSession {
        expires_at: Some(1),
        ..session()
    };
    assert_eq!(expired.time_left(), Some(Duration::ZERO));
    let silent = expired.refreshed(&tokens("access-2", None));
    assert_eq!(
        silent.time_left(),
        None,
        "what the old one had says nothing of the new one"
    );
}

#[test]
fn a_token_is_never_said_to_live_longer_than_it_does() {
    let session = StoredSession {
        expires_at: Some(1_000),
        ..session()
    };
    let left = |now| session.time_left_at(Duration::from_millis(now)).unwrap();
    assert_eq!(left(990_000), Duration::from_secs(10));
    assert_eq!(left(990_900), Duration::from_millis(9_100));
    assert_eq!(left(1_000_900), Duration::ZERO);
}

#[test]
fn no_token_is_printed() {
    let printed = format!("{:?} {:?}", revocable(), revocable().user);
    assert!(
        printed.contains("DEVICE")
            && !printed.contains("access-1")
            && !printed.contains("refresh-1")
    );
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_is_in_use_for_a_moment_is_waited_for() {
    let (_parent, dir) = fresh();
    let lock = dir.create().unwrap();
    dir.save(&session()).unwrap();
    let waited = dir.lock_within(Duration::from_secs(5)).await;
    assert!(matches!(waited, Err(SessionError::InUse { .. })));
    let release = async {
        sleep(Duration::from_secs(3)).await;
        drop(lock);
    };
    let (taken, ()) = tokio::join!(dir.lock_within(Duration::from_secs(5)), release);
    assert!(taken.is_ok());
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_what_is_pending() {
    use std::os::unix::fs::PermissionsExt;
    let (_parent, dir) = fresh();
    let _lock = dir.create().unwrap();
    dir.save_pending(&revocable()).unwrap();
    let file = dir.path().join("session.pending.json");
    assert_eq!(
        fs::metadata(&file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
    assert!(matches!(
        dir.load_pending(),
        Err(SessionError::TooOpen { .. })
    ));
}
