//! Devices whose stores are encrypted with a passphrase.

use std::{fs, path::Path};

use matrix_qr_device::{
    Device, SignOut, access_token,
    encryption::{Encryption, Passphrase, needs_passphrase},
    http::Policy,
    keys::KeyHolder as _,
    secret::Secret,
    sign_out_here,
};
use matrix_qr_protocol::{error::UserError, login::message::CrossSigning, revision::Role};
use matrix_qr_sandbox::Fault;
use matrix_sdk_crypto::{OlmMachine, vodozemac::base64_decode};
use matrix_sdk_sqlite::SqliteCryptoStore;

use crate::{
    failures::Row,
    meeting::{Plan, When},
    paths::assert_complete,
    remains::killed,
    test_env::{FIRST, TestEnv},
};

const PASSPHRASE: &str = "an unattended device signs in nobody";
const DEVICE: &str = "SECONDDEVICE";
const POLICY: Policy = Policy::HttpsOrLoopback;
const STORE: &str = "matrix-sdk-crypto.sqlite3";

fn passphrase(text: &str) -> Option<Passphrase> {
    Passphrase::new(Secret::new(text))
}

async fn open(
    directory: &Path,
    passphrase: Option<Passphrase>,
) -> Result<Device<Encryption>, UserError> {
    Device::open(directory, POLICY, passphrase.as_ref()).await
}

/// Both devices encrypt their stores: the one that gives the account's keys away, and the one that
/// takes them.
#[tokio::test]
async fn without_the_passphrase_no_device_is_signed_in_with_the_keys_of_this_one() {
    let world = TestEnv::with_passphrase(PASSPHRASE).await;
    let end = world.sign_in(&Plan::shown_by(Role::New)).await;
    assert_complete(&world, &end).await;
    let directory = world.new_dir();
    assert!(needs_passphrase(&directory).await.unwrap());

    assert!(open(&directory, None).await.is_err());
    assert!(open(&directory, passphrase("another one")).await.is_err());
    let device = open(&directory, passphrase(PASSPHRASE)).await.unwrap();
    device.check_cross_signing().await.unwrap();
    drop(device);

    // No key is needed for a token, nor to sign out.
    access_token(&directory, POLICY, std::time::Duration::ZERO)
        .await
        .unwrap();
    let sign_out = SignOut::prepare(&directory, POLICY).await.unwrap();
    sign_out.everywhere().await.unwrap();
    assert!(!directory.exists());
}

/// What the store says of itself: its key, the account, the identity, the backup.
fn rows(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let store = rusqlite::Connection::open(directory.join(STORE)).unwrap();
    let mut query = store
        .prepare("SELECT key, value FROM kv ORDER BY key")
        .unwrap();
    let row = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let rows: Result<Vec<_>, _> = query.query_map([], row).unwrap().collect();
    let rows = rows.unwrap();
    assert!(rows.len() > 1, "{}", rows.len());
    rows
}

/// What a bot does with `sqlite_store(directory, Some(passphrase))`.
#[tokio::test]
async fn matrix_sdk_opens_the_store_with_the_passphrase_and_only_with_it() {
    let world = TestEnv::with_passphrase(PASSPHRASE).await;
    let end = world.sign_in(&Plan::shown_by(Role::Existing)).await;
    let user = world.existing.user_id();
    let device = end.new.unwrap().device_id;
    let open = async |passphrase| {
        let store = SqliteCryptoStore::open(world.new_dir(), passphrase)
            .await
            .ok()?;
        OlmMachine::with_store(user, device.as_str().into(), store, None)
            .await
            .ok()
    };
    let machine = open(Some(PASSPHRASE)).await.unwrap();
    assert!(machine.cross_signing_status().await.is_complete());
    drop(machine);
    assert!(open(None).await.is_none());
    assert!(open(Some("another one")).await.is_none());
    assert!(open(Some(PASSPHRASE)).await.is_some());
}

#[tokio::test]
async fn no_key_is_on_disk_as_it_is() {
    let world = TestEnv::start().await;
    assert!(
        found(&world).await > 0,
        "the search finds the keys of a plain store"
    );
    let world = TestEnv::with_passphrase(PASSPHRASE).await;
    assert_eq!(found(&world).await, 0);
    let files = files(&world.existing_dir());
    assert!(
        !files
            .iter()
            .any(|file| contains(file, PASSPHRASE.as_bytes()))
    );
}

/// How many of the account's private keys are in the files of the first device.
async fn found(world: &TestEnv) -> usize {
    let CrossSigning {
        master_key,
        self_signing_key,
        user_signing_key,
    } = world.existing.keys().secrets().await.unwrap().cross_signing;
    let backup = world.existing.keys().backup_key().await.unwrap().unwrap();
    let keys =
        [master_key, self_signing_key, user_signing_key].map(|key| key.to_base64().to_string());
    let keys = keys.into_iter().chain([backup.key.as_str().to_owned()]);
    let files = files(&world.existing_dir());
    assert!(files.len() > 1);
    let is_there = |key: &String| {
        let key = key.trim_end_matches('=');
        let bytes = base64_decode(key).unwrap();
        // MessagePack has a byte of a list as a number.
        let numbers: Vec<_> = bytes
            .iter()
            .flat_map(|byte| [0xcc, *byte].into_iter().skip(usize::from(*byte < 0x80)))
            .collect();
        [key.as_bytes(), &bytes, &numbers]
            .iter()
            .any(|form| files.iter().any(|file| contains(file, form)))
    };
    keys.filter(is_there).count()
}

fn files(directory: &Path) -> Vec<Vec<u8>> {
    let entries = fs::read_dir(directory).unwrap();
    entries
        .map(|entry| fs::read(entry.unwrap().path()).unwrap())
        .collect()
}

fn contains(file: &[u8], wanted: &[u8]) -> bool {
    file.windows(wanted.len()).any(|window| window == wanted)
}

/// It is cleared without the passphrase, which may be what was wrong with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_killed_sign_in_is_taken_back_without_the_passphrase() {
    let world = TestEnv::with_passphrase(PASSPHRASE).await;
    world.sandbox.faults().set(Fault::KeysUploadHangs);
    let directory = world.new_dir();
    for by_the_next in [false, true] {
        killed(&world, When::Told(Role::New, "ImportingSecrets")).await;
        assert!(directory.join("session.pending.json").exists());
        if by_the_next {
            world.sandbox.faults().clear();
            let end = world.sign_in(&Plan::shown_by(Role::New)).await;
            assert_complete(&world, &end).await;
            assert!(needs_passphrase(&directory).await.unwrap());
            assert_eq!(world.sandbox.record().devices.len(), 2);
        } else {
            let sign_out = SignOut::prepare(&directory, POLICY).await.unwrap();
            assert!(sign_out.subject().interrupted);
            sign_out.everywhere().await.unwrap();
            assert!(!directory.exists());
            assert_eq!(world.sandbox.record().devices, [FIRST]);
        }
    }
    sign_out_here(&directory).unwrap();
    assert!(!directory.exists());
}

/// What is said of this passphrase at a device whose keys are encrypted with the other one. Nothing
/// is changed.
async fn assert_told(row: &str, encrypted_with: Option<&str>, given: Option<&str>) {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    let right = encrypted_with.and_then(passphrase);
    drop(
        Device::with_new_keys(&directory, POLICY, right.as_ref())
            .await
            .unwrap(),
    );
    let before = rows(&directory);
    let error = open(&directory, given.and_then(passphrase)).await.err();
    Row::of(row).assert_told(&error.unwrap(), &world, DEVICE);
    assert!(rows(&directory) == before, "something was changed");
    open(&directory, right).await.unwrap();
}

#[tokio::test]
async fn a_passphrase_that_is_missing() {
    assert_told("a_passphrase_that_is_missing", Some(PASSPHRASE), None).await;
}

#[tokio::test]
async fn a_passphrase_that_is_wrong() {
    let wrong = Some("another one");
    assert_told("a_passphrase_that_is_wrong", Some(PASSPHRASE), wrong).await;
}

#[tokio::test]
async fn a_passphrase_that_is_not_needed() {
    assert_told("a_passphrase_that_is_not_needed", None, Some(PASSPHRASE)).await;
}

/// A store whose keys are gone is not filled with those of a new device, whatever is given.
#[tokio::test]
async fn a_device_that_is_opened_never_makes_new_keys() {
    let world = TestEnv::start().await;
    let directory = world.signed_in_device(DEVICE).await;
    fs::write(directory.join(STORE), "").unwrap();
    for passphrase in [None, passphrase(PASSPHRASE)] {
        let error = open(&directory, passphrase).await.err().unwrap();
        assert!(
            error.what.contains("the keys of this device are not in"),
            "{error:?}"
        );
        assert_eq!(fs::read(directory.join(STORE)).unwrap(), b"");
    }
}
