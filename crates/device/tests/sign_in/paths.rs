//! The paths that end well.

use matrix_qr_device::{Announce, OwnDevice, first_device, keys::BackupState};
use matrix_qr_protocol::revision::{Dialect, Role};

use crate::{
    meeting::{Meeting, Plan},
    test_env::sign_in,
    test_env::{OLD_MESSAGE, SignInEnd, TestEnv},
};

/// What must be true at the end of every sign-in that ends well.
pub(crate) async fn assert_complete(world: &TestEnv, end: &SignInEnd) {
    let signed_in = end
        .new
        .as_ref()
        .unwrap_or_else(|error| panic!("{error:?} {:?}", end.told));
    let granted = end
        .existing
        .as_ref()
        .unwrap_or_else(|error| panic!("{error:?} {:?}", end.told));
    assert_eq!(granted.device_id.as_str(), signed_in.device_id);
    assert!(granted.verified, "the existing device saw it");
    assert!(granted.bound, "both derived its ID from the channel");

    let record = &end.record;
    let uploads: Vec<_> = record
        .key_uploads
        .iter()
        .filter(|upload| upload.device_id == signed_in.device_id)
        .collect();
    assert_eq!(uploads.len(), 1, "exactly one upload");
    assert!(
        uploads[0].has_device_signature
            && uploads[0].has_self_signing_signature
            && uploads[0].accepted
    );
    assert_eq!(record.unsigned_moments, 0);
    assert!(!record.revocations.contains(&signed_in.device_id));

    let new = world.reopen_new().await;
    let verification = new.verification().await.unwrap();
    assert!(verification.verified);
    assert_eq!(verification.master_key, signed_in.master_key);
    assert!(matches!(signed_in.backup, BackupState::Connected { .. }));
    assert_eq!(new.restore_keys().await.unwrap().keys, 1);
    let read = first_device::latest_messages(new.homeserver(), new.keys(), &world.room)
        .await
        .unwrap();
    assert_eq!(read, [OLD_MESSAGE]);
}

async fn the_new_device_shows_the_code() {
    let world = TestEnv::start().await;
    let end = world.sign_in(&Plan::shown_by(Role::New)).await;
    assert_complete(&world, &end).await;
}

async fn the_existing_device_shows_the_code() {
    let world = TestEnv::start().await;
    let end = world.sign_in(&Plan::shown_by(Role::Existing)).await;
    assert_complete(&world, &end).await;
}

async fn the_new_device_shows_the_code_and_the_other_speaks_as_the_text_has_it() {
    let world = TestEnv::start().await;
    let end = world
        .sign_in(&Plan {
            dialect: Dialect::AsWritten,
            ..Plan::shown_by(Role::New)
        })
        .await;
    assert_complete(&world, &end).await;
}

async fn the_existing_device_shows_the_code_and_the_other_speaks_as_the_text_has_it() {
    let world = TestEnv::start().await;
    let end = world
        .sign_in(&Plan {
            dialect: Dialect::AsWritten,
            ..Plan::shown_by(Role::Existing)
        })
        .await;
    assert_complete(&world, &end).await;
}

async fn a_server_name_leads_to_the_homeserver_too() {
    let world = TestEnv::start().await;
    for shown_by in [Role::New, Role::Existing] {
        let end = world
            .sign_in(&Plan {
                announce: Announce::ServerName,
                ..Plan::shown_by(shown_by)
            })
            .await;
        assert_complete(&world, &end).await;
        world.reopen_new().await.log_out().await.unwrap();
    }
}

/// Whoever embeds this spawns it.
#[test]
fn a_sign_in_can_be_sent_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    fn check(world: &TestEnv, plan: &Plan, meeting: &Meeting) {
        let robot = meeting.robot(Role::New, plan, &world.sandbox);
        let setup = world.setup(Dialect::default());
        let there = || {
            matrix_qr_device::Start::Show(matrix_qr_device::RendezvousAt::Homeserver(
                world.homeserver(),
            ))
        };
        is_send(&sign_in(&setup, there(), &robot));
        is_send(&async {
            let options = matrix_qr_device::GrantOptions::default();
            let own = OwnDevice::ask(&robot).await?;
            world.existing.grant(own, there(), options, &robot).await
        });
    }
    let _ = check;
}

each_revision![
    the_new_device_shows_the_code,
    the_existing_device_shows_the_code,
    the_new_device_shows_the_code_and_the_other_speaks_as_the_text_has_it,
    the_existing_device_shows_the_code_and_the_other_speaks_as_the_text_has_it,
    a_server_name_leads_to_the_homeserver_too,
];
