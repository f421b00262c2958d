//! The bundle, and what the new device makes of it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use matrix_qr_device::{
    UserId,
    encryption::StoreKeys,
    keys::{
        BackupProblem, BackupState, CrossSigningError, KeyHolder, KeyHolderError, KeyUpload,
        VerifiedDevice,
    },
};
use matrix_qr_protocol::{
    error::{Cause, Error},
    login::message::{Backup, Reason, SecretKey, Secrets},
    revision::Role,
};
use matrix_qr_sandbox::Fault;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{BOTH, Row, assert_failed_late, assert_no_new_device, assert_told, uploads, was_told};
use crate::{
    meeting::{Meeting, Plan, When},
    scripted_peer::{
        ScriptedPeer, existing_device_against, has_a_token, new_device_against,
        new_device_with_keys, offer,
    },
    test_env::TestEnv,
};

/// A man-made existing device: everything as it should be, up to the secrets.
async fn give(world: &TestEnv, peer: &mut ScriptedPeer, secrets: &Value) -> Value {
    to_the_secrets(world, peer).await;
    peer.say(secrets.clone()).await;
    peer.hear().await
}

async fn to_the_secrets(world: &TestEnv, peer: &mut ScriptedPeer) {
    peer.say(offer(world, json!(["device_authorization_grant"])))
        .await;
    assert_eq!(peer.hear().await["type"], "m.login.protocol");
    let code = world.sandbox.next_pending().await;
    assert!(
        world
            .sandbox
            .decide(&code, matrix_qr_sandbox::Decision::Allow)
    );
    peer.say(json!({ "type": "m.login.protocol_accepted" }))
        .await;
    assert_eq!(peer.hear().await["type"], "m.login.success");
    assert_eq!(world.sandbox.record().devices.len(), 2, "it has a token");
}

/// The new device refuses these secrets, says so, and leaves nothing.
async fn refused(world: &TestEnv, secrets: Value, row: &str) -> Error {
    let (signed_in, heard) =
        new_device_against(world, async |peer| give(world, peer, &secrets).await).await;
    let error = signed_in.unwrap_err();
    assert_eq!(
        heard,
        json!({ "type": "m.login.failure", "reason": "unexpected_message_received" })
    );
    assert_told(world, &error, &Row::of(row).new);
    assert!(Row::of(row).heard.contains("`unexpected_message_received`"));
    let record = world.sandbox.record();
    assert_eq!(record.devices, record.bootstrap);
    assert!(
        record
            .key_uploads
            .iter()
            .all(|upload| record.bootstrap.contains(&upload.device_id))
    );
    assert!(!world.new_dir().exists(), "nothing is stored");
    error
}

/// What the account's first device would have sent.
pub(crate) async fn secrets_of_the_account(world: &TestEnv) -> Value {
    let existing = &world.existing;
    let bundle = existing.keys().secrets().await.unwrap();
    json!({
        "type": "m.login.secrets",
        "cross_signing": {
            "master_key": bundle.cross_signing.master_key.to_base64().as_str(),
            "self_signing_key": bundle.cross_signing.self_signing_key.to_base64().as_str(),
            "user_signing_key": bundle.cross_signing.user_signing_key.to_base64().as_str(),
        },
    })
}

const KEYS: [&str; 3] = ["master_key", "self_signing_key", "user_signing_key"];

async fn a_bundle_without_cross_signing() {
    let world = TestEnv::start().await;
    let row = "a_bundle_without_cross_signing";
    let backup = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "key": "k", "backup_version": "1" });
    let error = refused(
        &world,
        json!({ "type": "m.login.secrets", "backup": backup }),
        row,
    )
    .await;
    assert_eq!(error.cause(), Cause::OtherDevice);
    assert!(matches!(error, Error::Unreadable(_)), "{error:?}");
    for key in KEYS {
        let mut secrets = secrets_of_the_account(&world).await;
        secrets["cross_signing"]
            .as_object_mut()
            .unwrap()
            .remove(key)
            .unwrap();
        refused(&world, secrets, row).await;
    }
}

async fn a_malformed_bundle() {
    let world = TestEnv::start().await;
    for bad in [json!("AAAA"), json!("not base64!"), json!(7), Value::Null] {
        let mut secrets = secrets_of_the_account(&world).await;
        secrets["cross_signing"]["self_signing_key"] = bad;
        let error = refused(&world, secrets, "a_malformed_bundle").await;
        assert!(matches!(error, Error::Unreadable(_)), "{error:?}");
    }
}

async fn a_bundle_of_another_identity() {
    let world = TestEnv::start().await;
    let other = || Value::from(SecretKey::new(&[7; 32]).to_base64().as_str());
    for key in KEYS {
        let mut secrets = secrets_of_the_account(&world).await;
        secrets["cross_signing"][key] = other();
        let error = refused(&world, secrets, "a_bundle_of_another_identity").await;
        let Error::SecretsRefused(trouble) = &error else {
            panic!("{error:?}")
        };
        assert_eq!(trouble.cause, Cause::OtherDevice);
    }
}

/// The secrets are there, and the one upload fails: no unverified device stays behind.
async fn upload_fails(fault: Fault, tries: usize, row: &str) {
    let world = TestEnv::start().await;
    world.sandbox.faults().set(fault);
    for (sign_in, shown_by) in BOTH.into_iter().enumerate() {
        let end = world.sign_in(&Plan::shown_by(shown_by)).await;
        let Err(Error::NotSetUp(trouble)) = &end.new else {
            panic!("{:?}", end.new)
        };
        assert_eq!(trouble.cause, Cause::Homeserver);
        assert_eq!(
            end.existing.as_ref().unwrap_err(),
            &Error::Peer(Reason::UserCancelled)
        );
        assert_eq!(
            end.record.revocations.len(),
            sign_in + 1,
            "the token is revoked"
        );
        assert_eq!(uploads(&end), (sign_in + 1) * tries);
        assert!(
            !end.record
                .key_uploads
                .iter()
                .any(|upload| upload.accepted && upload.device_id != crate::test_env::FIRST)
        );
        assert_failed_late(&world, &end, row).await;
    }
}

async fn the_keys_upload_fails() {
    upload_fails(Fault::KeysUploadFails, 4, "the_keys_upload_fails").await;
}

async fn the_keys_upload_is_refused() {
    upload_fails(Fault::KeysUploadRefused, 1, "the_keys_upload_is_refused").await;
}

/// A holder that does not hand over the keys before it may.
struct LateKeys {
    keys: StoreKeys,
    may: Notify,
    kept: AtomicBool,
}

impl KeyHolder for LateKeys {
    async fn device_keys(
        &self,
        user_id: &UserId,
        device_id: &ruma::DeviceId,
    ) -> Result<KeyUpload, KeyHolderError> {
        self.may.notified().await;
        self.keys.device_keys(user_id, device_id).await
    }

    async fn keep(&self, device: &VerifiedDevice) -> Result<(), KeyHolderError> {
        self.kept.store(true, Ordering::Relaxed);
        self.keys.keep(device).await
    }

    async fn secrets(&self) -> Result<Secrets, CrossSigningError> {
        self.keys.secrets().await
    }

    async fn backup_key(&self) -> Result<Option<Backup>, KeyHolderError> {
        self.keys.backup_key().await
    }
}

/// The other device ends the sign-in while the keys are made. They are not published then, and
/// nobody is asked to keep anything, even while the token is still good.
async fn an_import_that_is_given_up_does_not_go_on() {
    let world = TestEnv::start().await;
    let secrets = secrets_of_the_account(&world).await;
    let keys = Arc::new(LateKeys {
        keys: StoreKeys::new(world.new_dir(), None),
        may: Notify::new(),
        kept: AtomicBool::new(false),
    });
    let failure = json!({ "type": "m.login.failure", "reason": "user_cancelled" });
    let (signed_in, ()) = new_device_with_keys(&world, keys.clone(), async |peer, meeting| {
        to_the_secrets(&world, peer).await;
        peer.say(secrets).await;
        let importing = When::Told(Role::New, "ImportingSecrets");
        meeting.until(&importing).await;
        // The token is not taken back at once.
        let faults = world.sandbox.faults();
        faults.set(Fault::TokenPoll502 { times: 2 });
        peer.say(failure).await;
        let heard = When::Told(Role::New, "received m.login.failure");
        meeting.until(&heard).await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        keys.may.notify_one();
    })
    .await;
    assert_eq!(signed_in.unwrap_err(), Error::Peer(Reason::UserCancelled));
    assert_eq!(Arc::strong_count(&keys), 1, "the import still has them");
    assert!(!keys.kept.load(Ordering::Relaxed));
    let record = world.sandbox.record();
    let mut uploads = record.key_uploads.iter();
    assert!(uploads.all(|upload| record.bootstrap.contains(&upload.device_id)));
}

/// What the new device says of the backup when the fault is there from this moment on. The sign-in
/// succeeds.
async fn backup(fault: Fault, at: When) -> BackupState {
    let world = TestEnv::start().await;
    let misbehave = async |meeting: &Meeting| {
        meeting.until(&at).await;
        world.sandbox.faults().set(fault);
    };
    let end = world
        .sign_in_while(&Plan::shown_by(Role::New), misbehave)
        .await;
    world.sandbox.faults().clear();
    assert!(end.existing.unwrap().verified);
    assert!(
        end.told.contains(&(Role::New, "Backup".to_owned())),
        "it is reported"
    );
    let new = world.reopen_new().await;
    assert!(new.verification().await.unwrap().verified);
    assert!(new.restore_keys().await.is_err(), "it is not connected");
    end.new.unwrap().backup
}

fn assert_reported(state: &BackupState, trouble: &BackupProblem, row: &str) {
    assert_eq!(state, &BackupState::Unused(trouble.clone()));
    assert!(Row::of(row).new.contains(&trouble.to_string()), "{trouble}");
}

const START: When = When::Told(Role::New, "Checking");
const SHARED: When = When::Told(Role::Existing, "sent m.login.secrets");

async fn a_backup_of_another_version() {
    let row = "a_backup_of_another_version";
    let state = backup(Fault::BackupOtherVersion, START).await;
    assert_reported(&state, &BackupProblem::NoKey, row);
    let state = backup(Fault::BackupOtherVersion, SHARED).await;
    let other = BackupProblem::OtherVersion {
        ours: "1".to_owned(),
        current: "2".to_owned(),
    };
    assert_reported(&state, &other, row);
}

async fn a_backup_with_another_key() {
    let row = "a_backup_with_another_key";
    let state = backup(Fault::BackupOtherKey, START).await;
    assert_reported(&state, &BackupProblem::NoKey, row);
    let state = backup(Fault::BackupOtherKey, SHARED).await;
    assert_reported(&state, &BackupProblem::OtherKey, row);
}

/// It has the secrets, and is revoked a moment later: that is no success.
async fn the_new_device_is_gone_again() {
    let world = TestEnv::start().await;
    let (result, told, ()) = existing_device_against(&world, async |peer| {
        has_a_token(&world, peer).await;
        assert_eq!(peer.hear().await["type"], "m.login.secrets");
        world.sandbox.faults().set(Fault::DeviceMissingAfterSuccess);
    })
    .await;
    let error = result.unwrap_err();
    assert!(matches!(error, Error::DeviceGone(_)), "{error:?}");
    assert_told(
        &world,
        &error,
        &Row::of("the_new_device_is_gone_again").existing,
    );
    assert!(!told.contains(&(Role::Existing, "Verified".to_owned())));
}

/// The identity is another one when the secrets are to leave: they do not.
async fn the_identity_changes_in_between() {
    let world = TestEnv::start().await;
    for shown_by in BOTH {
        let reset = async |meeting: &Meeting| {
            meeting.until(&When::Told(Role::New, "Token")).await;
            world.sandbox.faults().set(Fault::WrongIdentity);
        };
        let end = world.sign_in_while(&Plan::shown_by(shown_by), reset).await;
        world.sandbox.faults().clear();
        let Err(Error::NoSecrets(trouble)) = &end.existing else {
            panic!("{:?}", end.existing)
        };
        assert_eq!(trouble.cause, Cause::Here);
        assert_eq!(
            end.new.as_ref().unwrap_err(),
            &Error::Peer(Reason::UserCancelled)
        );
        assert!(!was_told(&end, Role::Existing, "sent m.login.secrets"));
        assert_eq!(uploads(&end), 0);
        assert_failed_late(&world, &end, "the_identity_changes_in_between").await;
    }
}

/// The new device has asked what is published before the secrets arrived, and they belonged to that.
/// It asks again before it keeps anything.
async fn the_identity_changes_during_the_import() {
    let world = TestEnv::start().await;
    for shown_by in BOTH {
        let reset = async |meeting: &Meeting| {
            let importing = When::Told(Role::New, "ImportingSecrets");
            meeting.until(&importing).await;
            world.sandbox.faults().set(Fault::WrongIdentity);
        };
        let end = world.sign_in_while(&Plan::shown_by(shown_by), reset).await;
        world.sandbox.faults().clear();
        assert!(
            matches!(end.new, Err(Error::SecretsRefused(_))),
            "{:?}",
            end.new
        );
        assert!(!was_told(&end, Role::New, "KeysUploaded"));
        assert_no_new_device(&world, &end);
    }
}

each_revision![
    the_identity_changes_during_the_import,
    a_bundle_without_cross_signing,
    a_malformed_bundle,
    a_bundle_of_another_identity,
    the_keys_upload_fails,
    the_keys_upload_is_refused,
    an_import_that_is_given_up_does_not_go_on,
    a_backup_of_another_version,
    a_backup_with_another_key,
    the_identity_changes_in_between,
    the_new_device_is_gone_again,
];
