//! The key backup, seen from the new device.

use matrix_qr_device::{
    encryption::Restored,
    first_device,
    keys::{BackupProblem, BackupState, RestoreError},
};
use matrix_qr_protocol::login::message::{SecretText, Secrets};
use matrix_qr_sandbox::Fault;
use ruma::OwnedRoomId;
use serde_json::json;

use crate::{
    proxy::Answer,
    test_env::{BACKUP_KEYS, BACKUP_VERSION, EncryptedDevice, SignInSteps as _, TestEnv},
};

const TEXTS: [&str; 2] = ["the first old message", "the second old message"];

/// The first device has sent messages and backed up their key.
async fn with_old_messages() -> (TestEnv, EncryptedDevice, OwnedRoomId) {
    let (world, first) = TestEnv::with_first_device().await;
    let room = first_device::send_messages(&first.homeserver, &first.encryption, &TEXTS)
        .await
        .unwrap();
    first_device::back_up(&first.homeserver, &first.encryption)
        .await
        .unwrap();
    (world, first, room)
}

fn restored_keys(keys: usize) -> Restored {
    Restored {
        keys,
        already_here: 0,
        undecryptable: 0,
        outdated: None,
    }
}

#[tokio::test]
async fn the_new_device_reads_an_old_message() {
    let (world, first, room) = with_old_messages().await;
    let new = world.device("NEWDEVICE01").await;
    new.encryption
        .import_bundle(&new.homeserver, &first.bundle().await)
        .await
        .unwrap();
    let read = async || {
        first_device::latest_messages(&new.homeserver, &new.encryption, &room)
            .await
            .unwrap()
    };
    assert!(read().await.is_empty(), "without the key");
    let restored = new.encryption.restore_keys(&new.homeserver).await;
    assert_eq!(restored, Ok(restored_keys(1)));
    assert_eq!(read().await, TEXTS);
    let again = new.encryption.restore_keys(&new.homeserver).await;
    assert_eq!(
        again,
        Ok(Restored {
            already_here: 1,
            ..restored_keys(0)
        })
    );
}

#[tokio::test]
async fn restoring_works_from_the_reopened_store() {
    let (world, first, room) = with_old_messages().await;
    let EncryptedDevice {
        homeserver,
        encryption,
    } = world.device("NEWDEVICE01").await;
    encryption
        .import_bundle(&homeserver, &first.bundle().await)
        .await
        .unwrap();
    drop(encryption);
    let again = world.encryption("NEWDEVICE01").await;
    again.restore_keys(&homeserver).await.unwrap();
    assert_eq!(
        first_device::latest_messages(&homeserver, &again, &room)
            .await
            .unwrap(),
        TEXTS
    );
}

#[tokio::test]
async fn an_unreadable_entry_is_counted_and_the_others_are_taken() {
    let (world, first, room) = with_old_messages().await;
    let new = world.device("NEWDEVICE01").await;
    new.encryption
        .import_bundle(&new.homeserver, &first.bundle().await)
        .await
        .unwrap();
    let other_room = room.clone();
    world.proxy.meddle(move |request, answer| {
        if request == BACKUP_KEYS {
            let sessions = &mut answer.body["rooms"][other_room.as_str()]["sessions"];
            let mut damaged = sessions
                .as_object()
                .unwrap()
                .values()
                .next()
                .unwrap()
                .clone();
            damaged["session_data"]["mac"] = "AAAAAAAAAAA".into();
            sessions["damaged"] = damaged;
            sessions["nonsense"] = json!(7);
        }
    });
    let restored = new.encryption.restore_keys(&new.homeserver).await;
    assert_eq!(
        restored,
        Ok(Restored {
            undecryptable: 2,
            ..restored_keys(1)
        })
    );
}

#[tokio::test]
async fn a_backup_that_was_replaced_is_restored_and_said_so() {
    let (world, first, _) = with_old_messages().await;
    let new = world.device("NEWDEVICE01").await;
    new.encryption
        .import_bundle(&new.homeserver, &first.bundle().await)
        .await
        .unwrap();
    world.sandbox.faults().set(Fault::BackupOtherVersion);
    let outdated = BackupProblem::OtherVersion {
        ours: "1".to_owned(),
        current: "2".to_owned(),
    };
    let restored = new.encryption.restore_keys(&new.homeserver).await;
    assert_eq!(
        restored,
        Ok(Restored {
            outdated: Some(outdated.clone()),
            ..restored_keys(1)
        })
    );
    for (status, errcode, gone) in [(404, "M_NOT_FOUND", true), (403, "M_FORBIDDEN", false)] {
        world.proxy.meddle(move |request, answer| {
            if request == BACKUP_KEYS {
                let body = json!({ "errcode": errcode, "error": "Unknown backup version" });
                *answer = Answer { status, body };
            }
        });
        match new.encryption.restore_keys(&new.homeserver).await {
            Err(RestoreError::Gone(why)) => assert!(gone && why == outdated, "{why:?}"),
            Err(RestoreError::Homeserver(_)) => assert!(!gone, "{status}"),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn there_is_nothing_to_restore_without_a_backup() {
    let (world, first) = TestEnv::with_first_device().await;
    let new = world.device("NEWDEVICE01").await;
    let bundle = Secrets {
        backup: None,
        ..first.bundle().await
    };
    new.encryption
        .import_bundle(&new.homeserver, &bundle)
        .await
        .unwrap();
    assert_eq!(
        new.encryption.restore_keys(&new.homeserver).await,
        Err(RestoreError::NotConnected)
    );
}

/// The sign-in succeeds in every case; returns why the backup is not used.
async fn import_without_backup(world: &TestEnv, bundle: &Secrets) -> BackupProblem {
    let new = world.device("NEWDEVICE01").await;
    let imported = new
        .encryption
        .import_bundle(&new.homeserver, bundle)
        .await
        .unwrap();
    assert!(
        new.encryption
            .verification(&new.homeserver)
            .await
            .unwrap()
            .verified
    );
    assert_eq!(
        new.encryption.restore_keys(&new.homeserver).await,
        Err(RestoreError::NotConnected)
    );
    let BackupState::Unused(why) = imported.backup else {
        panic!("connected")
    };
    why
}

#[tokio::test]
async fn another_version_is_not_used() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    world.sandbox.faults().set(Fault::BackupOtherVersion);
    let why = import_without_backup(&world, &bundle).await;
    assert_eq!(
        why,
        BackupProblem::OtherVersion {
            ours: "1".to_owned(),
            current: "2".to_owned()
        }
    );
}

#[tokio::test]
async fn another_key_is_not_used() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    world.sandbox.faults().set(Fault::BackupOtherKey);
    assert_eq!(
        import_without_backup(&world, &bundle).await,
        BackupProblem::OtherKey
    );
}

#[tokio::test]
async fn no_backup_on_the_server_is_said() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    world.proxy.meddle(|request, answer| {
        if request == BACKUP_VERSION {
            *answer = Answer {
                status: 404,
                body: json!({ "errcode": "M_NOT_FOUND", "error": "no backup" }),
            };
        }
    });
    assert_eq!(
        import_without_backup(&world, &bundle).await,
        BackupProblem::NoneOnServer
    );
}

#[tokio::test]
async fn an_algorithm_of_the_server_that_is_not_known_is_said() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    world.proxy.meddle(|request, answer| {
        if request == BACKUP_VERSION {
            answer.body["algorithm"] = "m.megolm_backup.v9".into();
        }
    });
    assert_eq!(
        import_without_backup(&world, &bundle).await,
        BackupProblem::UnknownAlgorithm
    );
}

#[tokio::test]
async fn a_server_that_cannot_say_is_not_believed() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    world.proxy.meddle(|request, answer| {
        if request == BACKUP_VERSION {
            *answer = Answer {
                status: 404,
                body: json!({ "errcode": "M_UNRECOGNIZED" }),
            };
        }
    });
    assert!(matches!(
        import_without_backup(&world, &bundle).await,
        BackupProblem::Unchecked(_)
    ));
}

enum Change {
    Key(&'static str),
    Algorithm(&'static str),
}

#[tokio::test]
async fn a_bundle_with_a_bad_backup_is_used_without_it() {
    let changes = [
        (Change::Key("not base64!"), BackupProblem::MalformedKey),
        (Change::Key("AAAA"), BackupProblem::MalformedKey),
        (
            Change::Key("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            BackupProblem::OtherKey,
        ),
        (Change::Algorithm("foobar"), BackupProblem::UnknownAlgorithm),
    ];
    for (change, why) in changes {
        let (world, first) = TestEnv::with_first_device().await;
        let mut bundle = first.bundle().await;
        let secret = bundle.backup.as_mut().unwrap();
        match change {
            Change::Key(key) => secret.key = SecretText::new(key.into()),
            Change::Algorithm(name) => secret.algorithm = name.to_owned(),
        }
        assert_eq!(import_without_backup(&world, &bundle).await, why);
    }
}
