//! The store on disk.

use matrix_qr_device::{
    encryption::{Encryption, Passphrase, StoreError, StoreKeys, needs_passphrase},
    keys::KeyHolder as _,
    secret::Secret,
};
use ruma::device_id;

use crate::test_env::TestEnv;

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let mode =
        |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;

    let world = TestEnv::start().await;
    let dir = world.dir("DEVICE");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::set_permissions(&dir, std::fs::Permissions::from_mode(0o755)).unwrap();
    let open = world.encryption("DEVICE").await;
    assert_eq!(mode(&dir), 0o700);
    let files: Vec<_> = std::fs::read_dir(&dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert!(
        files.len() > 1,
        "the database and its side files: {files:?}"
    );
    for file in &files {
        assert_eq!(mode(file), 0o600, "{file:?}");
    }

    drop(open);
    let database = dir.join("matrix-sdk-crypto.sqlite3");
    std::fs::set_permissions(&database, std::fs::Permissions::from_mode(0o644)).unwrap();
    let _again = world.encryption("DEVICE").await;
    assert_eq!(mode(&database), 0o600);
}

#[tokio::test]
async fn it_belongs_to_one_device() {
    let world = TestEnv::start().await;
    drop(world.encryption("DEVICE").await);
    let other = Encryption::open(
        &world.dir("DEVICE"),
        &world.user_id(),
        device_id!("OTHER"),
        None,
    )
    .await;
    let error = other.unwrap_err().to_string();
    assert!(
        error.starts_with("the encryption store of this device failed"),
        "{error}"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_an_error() {
    let world = TestEnv::start().await;
    let dir = world.dir("DEVICE");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(
        dir.join("matrix-sdk-crypto.sqlite3"),
        "not a database, whatever its name says".repeat(100),
    )
    .unwrap();
    Encryption::open(&dir, &world.user_id(), device_id!("DEVICE"), None)
        .await
        .unwrap_err();
}

/// A bot, mostly. Nothing is wrong with the store, so nothing is to be done to it.
#[tokio::test]
async fn a_store_that_another_program_has_open_is_not_a_broken_one() {
    let world = TestEnv::start().await;
    drop(world.encryption("DEVICE").await);
    let other =
        rusqlite::Connection::open(world.dir("DEVICE").join("matrix-sdk-crypto.sqlite3")).unwrap();
    other
        .execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE;")
        .unwrap();
    let open = || async {
        Encryption::open(
            &world.dir("DEVICE"),
            &world.user_id(),
            device_id!("DEVICE"),
            None,
        )
        .await
    };
    let error = open().await.unwrap_err();
    assert!(matches!(error, StoreError::Busy(_)), "{error:?}");
    assert!(
        error
            .to_string()
            .starts_with("another program has the encryption store"),
        "{error}"
    );
    drop(other);
    assert!(open().await.is_ok());
}

fn passphrase(text: &str) -> Option<Passphrase> {
    Passphrase::new(Secret::new(text))
}

/// matrix-sdk would take it, and encrypt nothing.
#[tokio::test]
async fn a_plain_store_takes_no_passphrase() {
    let world = TestEnv::start().await;
    drop(world.encryption("DEVICE").await);
    let (dir, user_id) = (world.dir("DEVICE"), world.user_id());
    assert!(!needs_passphrase(&dir).await.unwrap());
    let given = passphrase("a passphrase");
    let open = |given| Encryption::open(&dir, &user_id, device_id!("DEVICE"), given);
    let error = open(given.as_ref()).await.unwrap_err();
    assert_eq!(error, StoreError::NotEncrypted);
    assert!(!needs_passphrase(&dir).await.unwrap());
    open(None).await.unwrap();
}

#[tokio::test]
async fn an_encrypted_store_opens_with_its_passphrase_only() {
    let world = TestEnv::start().await;
    let (dir, user_id) = (world.dir("DEVICE"), world.user_id());
    assert!(!needs_passphrase(&dir).await.unwrap(), "there is none yet");
    let open = async |given: Option<Passphrase>| {
        Encryption::open(&dir, &user_id, device_id!("DEVICE"), given.as_ref()).await
    };
    let first = open(passphrase("a passphrase")).await.unwrap();
    let upload = first.device_keys(&user_id, device_id!("DEVICE")).await;
    let keys = upload.unwrap().device_keys;
    drop(first);
    assert!(needs_passphrase(&dir).await.unwrap());
    assert_eq!(open(None).await.unwrap_err(), StoreError::PassphraseMissing);
    let wrong = open(passphrase("a passphrase ")).await.unwrap_err();
    assert_eq!(wrong, StoreError::WrongPassphrase);
    let again = open(passphrase("a passphrase")).await.unwrap();
    let upload = again.device_keys(&user_id, device_id!("DEVICE")).await;
    assert_eq!(upload.unwrap().device_keys.json().get(), keys.json().get());
}

/// No backup key, and no key store, are two things.
#[tokio::test]
async fn without_keys_there_is_no_answer_about_them() {
    let world = TestEnv::start().await;
    let keys = StoreKeys::new(world.dir("DEVICE"), None);
    assert!(keys.secrets().await.is_err());
    assert!(keys.backup_key().await.is_err());
    assert!(!world.dir("DEVICE").exists(), "nothing was touched");
}
