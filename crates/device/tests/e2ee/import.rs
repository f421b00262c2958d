//! The new device takes the bundle.

use std::time::Duration;

use matrix_qr_device::{
    client_server_api::HomeserverError,
    keys::{BackupState, BundleRefused, CrossSigningError, CrossSigningKey, ImportError},
};
use matrix_qr_protocol::login::message::{CrossSigning, SecretKey};
use matrix_qr_sandbox::Fault;
use matrix_sdk_crypto::{OlmMachine, store::types::CrossSigningKeyExport};
use matrix_sdk_sqlite::SqliteCryptoStore;
use ruma::{DeviceId, TransactionId};
use serde_json::json;

use crate::test_env::{EncryptedDevice, KEYS_UPLOAD, SignInSteps as _, TestEnv};

const NEW: &str = "NEWDEVICE01";

#[tokio::test]
async fn one_upload_with_both_signatures_and_it_is_verified() {
    let (world, first) = TestEnv::with_first_device().await;
    let new = world.device(NEW).await;
    let bundle = first.bundle().await;
    let imported = new
        .encryption
        .import_bundle(&new.homeserver, &bundle)
        .await
        .unwrap();
    assert_eq!(
        imported.backup,
        BackupState::Connected {
            version: "1".to_owned()
        }
    );

    let record = world.sandbox.record();
    let uploads: Vec<_> = record
        .key_uploads
        .iter()
        .filter(|upload| upload.device_id == NEW)
        .collect();
    let [upload] = uploads.as_slice() else {
        panic!("one upload: {uploads:?}")
    };
    assert!(upload.accepted && upload.has_device_keys);
    assert!(upload.has_device_signature && upload.has_self_signing_signature);
    assert_eq!(record.unsigned_moments, 0);

    let verification = new.encryption.verification(&new.homeserver).await.unwrap();
    assert!(verification.verified);
    assert_eq!(verification.signatures.len(), 2);
    assert_eq!(verification.master_key, imported.master_key);
    let seen = first.encryption.await_verified(
        &first.homeserver,
        new.encryption.device_id(),
        Duration::from_secs(5),
    );
    assert!(seen.await);
}

#[tokio::test]
async fn it_is_still_verified_when_the_store_is_opened_again() {
    let (world, first) = TestEnv::with_first_device().await;
    let EncryptedDevice {
        homeserver,
        encryption,
    } = world.device(NEW).await;
    encryption
        .import_bundle(&homeserver, &first.bundle().await)
        .await
        .unwrap();
    drop(encryption);
    let again = world.encryption(NEW).await;
    assert!(again.verification(&homeserver).await.unwrap().verified);
    again.check_cross_signing(&homeserver).await.unwrap();
    assert_eq!(
        again.export_bundle(&homeserver).await.unwrap().secrets,
        first.bundle().await
    );
}

/// Met with matrix-sdk 0.19.1, which opens this store and believes it.
#[tokio::test]
async fn its_own_store_says_that_it_is_verified() {
    let (world, first) = TestEnv::with_first_device().await;
    let EncryptedDevice {
        homeserver,
        encryption,
    } = world.device(NEW).await;
    encryption
        .import_bundle(&homeserver, &first.bundle().await)
        .await
        .unwrap();
    drop(encryption);
    let store = SqliteCryptoStore::open(world.dir(NEW), None).await.unwrap();
    let (user, id) = (world.user_id(), <&DeviceId>::from(NEW));
    let machine = OlmMachine::with_store(&user, id, store, None)
        .await
        .unwrap();
    let own = machine.get_device(&user, id, None).await.unwrap().unwrap();
    assert!(own.is_cross_signed_by_owner() && own.is_verified());
}

#[tokio::test]
async fn each_wrong_key_is_refused_and_nothing_is_kept() {
    let (world, first) = TestEnv::with_first_device().await;
    let right = first.bundle().await;
    let wrong = SecretKey::from_base64("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8").unwrap();
    let with = |change: fn(&mut CrossSigning, SecretKey)| {
        let mut bundle = right.clone();
        change(&mut bundle.cross_signing, wrong.clone());
        bundle
    };
    let bundles = [
        (
            CrossSigningKey::Master,
            with(|keys, wrong| keys.master_key = wrong),
        ),
        (
            CrossSigningKey::SelfSigning,
            with(|keys, wrong| keys.self_signing_key = wrong),
        ),
        (
            CrossSigningKey::UserSigning,
            with(|keys, wrong| keys.user_signing_key = wrong),
        ),
    ];
    for (number, (which, bundle)) in bundles.into_iter().enumerate() {
        let id = format!("NEWDEVICE{number}");
        let new = world.device(&id).await;
        let refused = new.encryption.import_bundle(&new.homeserver, &bundle).await;
        assert_eq!(refused, Err(BundleRefused::Mismatch(which).into()));
        assert_holds_nothing(&world, &id, new).await;
    }
    assert_eq!(world.count(KEYS_UPLOAD), 1, "the first device's");
}

/// Not in memory, and not on disk.
async fn assert_holds_nothing(
    world: &TestEnv,
    id: &str,
    EncryptedDevice {
        homeserver,
        encryption,
    }: EncryptedDevice,
) {
    let missing = |error: CrossSigningError| matches!(error, CrossSigningError::Missing(keys) if keys.len() == 3);
    assert!(missing(
        encryption
            .check_cross_signing(&homeserver)
            .await
            .unwrap_err()
    ));
    drop(encryption);
    let again = world.encryption(id).await;
    assert!(missing(
        again.check_cross_signing(&homeserver).await.unwrap_err()
    ));
    assert!(again.restore_keys(&homeserver).await.is_err());
}

#[tokio::test]
async fn without_a_published_identity_it_is_refused() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    let new = world.device(NEW).await;
    world.publish(|keys| {
        for field in ["master_keys", "self_signing_keys", "user_signing_keys"] {
            keys[field] = json!({});
        }
    });
    let refused = new.encryption.import_bundle(&new.homeserver, &bundle).await;
    assert_eq!(
        refused,
        Err(BundleRefused::NotPublished(CrossSigningKey::Master).into())
    );
    assert_holds_nothing(&world, NEW, new).await;
    assert_eq!(world.count(KEYS_UPLOAD), 1);
}

#[tokio::test]
async fn an_identity_that_its_master_key_did_not_sign_is_refused() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    let new = world.device(NEW).await;
    let user = world.user_id();
    world.publish(move |keys| keys["self_signing_keys"][user.as_str()]["signatures"] = json!({}));
    let refused = new.encryption.import_bundle(&new.homeserver, &bundle).await;
    assert_eq!(refused, Err(BundleRefused::InvalidIdentity.into()));
    assert_holds_nothing(&world, NEW, new).await;
    assert_eq!(world.count(KEYS_UPLOAD), 1);
}

#[tokio::test]
async fn another_identity_is_refused() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    let new = world.device(NEW).await;
    world.sandbox.faults().set(Fault::WrongIdentity);
    let refused = new.encryption.import_bundle(&new.homeserver, &bundle).await;
    assert_eq!(
        refused,
        Err(BundleRefused::Mismatch(CrossSigningKey::Master).into())
    );
    assert_holds_nothing(&world, NEW, new).await;
}

#[tokio::test]
async fn an_upload_that_fails_for_good_is_an_error() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    for (fault, status, tries) in [
        (Fault::KeysUploadFails, 500, 4),
        (Fault::KeysUploadRefused, 400, 1),
    ] {
        let new = world.device(&format!("NEWDEVICE{status}")).await;
        world.sandbox.faults().set(fault);
        world.proxy.forget();
        let failed = new.encryption.import_bundle(&new.homeserver, &bundle).await;
        world.sandbox.faults().clear();
        assert!(
            matches!(&failed, Err(ImportError::Upload(HomeserverError::Matrix { status: this, .. })) if *this == status),
            "{failed:?}"
        );
        assert_eq!(world.count(KEYS_UPLOAD), tries);
    }
}

#[tokio::test]
async fn an_upload_whose_answer_is_lost_is_repeated_word_for_word() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    let new = world.device(NEW).await;
    world.proxy.forget();
    let mut uploads = 0;
    world.proxy.meddle(move |request, answer| {
        uploads += usize::from(request == KEYS_UPLOAD);
        if request == KEYS_UPLOAD && uploads == 1 {
            answer.status = 502;
        }
    });
    new.encryption
        .import_bundle(&new.homeserver, &bundle)
        .await
        .unwrap();
    let bodies = world.proxy.bodies(KEYS_UPLOAD);
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    assert!(
        new.encryption
            .verification(&new.homeserver)
            .await
            .unwrap()
            .verified
    );
}

#[tokio::test]
async fn a_second_import_does_not_upload_again() {
    let (world, first) = TestEnv::with_first_device().await;
    let new = world.device(NEW).await;
    let bundle = first.bundle().await;
    new.encryption
        .import_bundle(&new.homeserver, &bundle)
        .await
        .unwrap();
    let again = new.encryption.import_bundle(&new.homeserver, &bundle).await;
    assert!(matches!(again, Err(ImportError::KeyHolder(_))), "{again:?}");
    assert_eq!(
        world.count(KEYS_UPLOAD),
        2,
        "the first device's and the one of the import"
    );
}

#[tokio::test]
async fn a_device_that_is_not_there_or_not_signed_is_not_verified() {
    let (world, first) = TestEnv::with_first_device().await;
    let new = world.device(NEW).await;
    let soon = Duration::from_millis(500);
    let device = new.encryption.device_id();
    assert!(
        !first
            .encryption
            .await_verified(&first.homeserver, device, soon)
            .await,
        "no keys yet"
    );

    new.encryption
        .import_bundle(&new.homeserver, &first.bundle().await)
        .await
        .unwrap();
    let user = world.user_id();
    world.publish(move |keys| {
        let signatures = &mut keys["device_keys"][user.as_str()][NEW]["signatures"][user.as_str()];
        signatures
            .as_object_mut()
            .unwrap()
            .retain(|id, _| id == &format!("ed25519:{NEW}"));
    });
    assert!(
        !first
            .encryption
            .await_verified(&first.homeserver, device, soon)
            .await,
        "signature gone"
    );
    let own_view = new.encryption.verification(&new.homeserver).await.unwrap();
    assert!(!own_view.verified);
    assert_eq!(own_view.signatures, [format!("ed25519:{NEW}")]);
}

#[tokio::test]
async fn the_keys_of_another_under_our_name_are_not_verified() {
    let (world, first) = TestEnv::with_first_device().await;
    let new = world.device(NEW).await;
    new.encryption
        .import_bundle(&new.homeserver, &first.bundle().await)
        .await
        .unwrap();
    let user = world.user_id();
    world.publish(move |keys| {
        let others = keys["device_keys"][user.as_str()][NEW].take();
        keys["device_keys"][user.as_str()] = json!({ "FIRSTDEVICE": others });
    });
    let soon = Duration::from_millis(500);
    assert!(
        !first
            .encryption
            .verification(&first.homeserver)
            .await
            .unwrap()
            .verified
    );
    assert!(
        !first
            .encryption
            .await_verified(&first.homeserver, first.encryption.device_id(), soon)
            .await
    );
}

/// Whoever has the self-signing key can sign any keys under our name: they are not ours for that.
#[tokio::test]
async fn other_keys_under_our_name_are_not_verified_even_when_signed() {
    let (world, first) = TestEnv::with_first_device().await;
    let bundle = first.bundle().await;
    let double = OlmMachine::new(&world.user_id(), first.encryption.device_id()).await;
    let published = world.published().await;
    double
        .mark_request_as_sent(&TransactionId::new(), &published)
        .await
        .unwrap();
    let export = CrossSigningKeyExport {
        master_key: Some(bundle.cross_signing.master_key.to_base64().to_string()),
        self_signing_key: Some(
            bundle
                .cross_signing
                .self_signing_key
                .to_base64()
                .to_string(),
        ),
        user_signing_key: Some(
            bundle
                .cross_signing
                .user_signing_key
                .to_base64()
                .to_string(),
        ),
    };
    assert!(
        double
            .import_cross_signing_keys(export)
            .await
            .unwrap()
            .is_complete()
    );
    let (_, upload) = double.upload_device_keys().await.unwrap().unwrap();
    let others = serde_json::to_value(upload.device_keys.unwrap()).unwrap();
    let user = world.user_id();
    world.publish(move |keys| keys["device_keys"][user.as_str()]["FIRSTDEVICE"] = others.clone());
    let verification = first
        .encryption
        .verification(&first.homeserver)
        .await
        .unwrap();
    assert!(!verification.verified, "{verification:?}");
}
