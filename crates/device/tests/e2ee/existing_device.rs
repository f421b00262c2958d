//! The existing device: may it sign another one in, and what does it give away.

use std::time::Duration;

use matrix_qr_device::{
    client_server_api::HomeserverError,
    encryption::Encryption,
    keys::{BackupProblem, CrossSigningError, CrossSigningKey},
};
use matrix_qr_protocol::login::message::SecretKey;
use matrix_qr_sandbox::Fault;
use matrix_sdk_crypto::{
    OlmMachine, store::types::CrossSigningKeyExport, vodozemac::Ed25519SecretKey,
};
use matrix_sdk_sqlite::SqliteCryptoStore;
use ruma::{DeviceId, TransactionId};
use serde_json::{Value, json};

use crate::test_env::{BACKUP_VERSION, EncryptedDevice, KEYS_QUERY, SignInSteps as _, TestEnv};

const KEYS: [(CrossSigningKey, &str); 3] = [
    (CrossSigningKey::Master, "master_keys"),
    (CrossSigningKey::SelfSigning, "self_signing_keys"),
    (CrossSigningKey::UserSigning, "user_signing_keys"),
];

#[tokio::test]
async fn the_check_speaks_to_keys_query_only() {
    let (world, first) = TestEnv::with_first_device().await;
    world.proxy.forget();
    first
        .encryption
        .check_cross_signing(&first.homeserver)
        .await
        .unwrap();
    assert_eq!(world.proxy.seen(), [KEYS_QUERY]);
}

#[tokio::test]
async fn a_device_without_keys_is_refused_and_asks_nobody() {
    let (world, _first) = TestEnv::with_first_device().await;
    let other = world.device("OTHERDEVICE").await;
    world.proxy.forget();
    let refused = other
        .encryption
        .check_cross_signing(&other.homeserver)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        CrossSigningError::Missing(KEYS.map(|(key, _)| key).to_vec())
    );
    assert!(
        refused
            .to_string()
            .contains("private master and self-signing and user-signing key"),
        "{refused}"
    );
    assert!(world.proxy.seen().is_empty());
}

#[tokio::test]
async fn each_missing_private_key_is_named() {
    let (world, first) = TestEnv::with_first_device().await;
    for (number, (missing, _)) in KEYS.into_iter().enumerate() {
        let id = format!("OTHERDEVICE{number}");
        let other = EncryptedDevice {
            homeserver: world.homeserver(&id).await,
            encryption: with_two_keys(&world, &first, (&id, missing)).await,
        };
        world.proxy.forget();
        let refused = other
            .encryption
            .check_cross_signing(&other.homeserver)
            .await
            .unwrap_err();
        assert_eq!(refused, CrossSigningError::Missing(vec![missing]));
        assert!(
            refused
                .to_string()
                .contains(&format!("private {missing} key")),
            "{refused}"
        );
        assert!(
            world.proxy.seen().is_empty(),
            "refused before anybody is asked"
        );
        let exported = other
            .encryption
            .export_bundle(&other.homeserver)
            .await
            .unwrap_err();
        assert_eq!(exported, CrossSigningError::Missing(vec![missing]));
    }
}

/// A store as a device has it that got only two of the keys.
async fn with_two_keys(
    world: &TestEnv,
    first: &EncryptedDevice,
    (id, missing): (&str, CrossSigningKey),
) -> Encryption {
    let bundle = first.bundle().await;
    let unless_missing =
        |which, key: &SecretKey| (which != missing).then(|| key.to_base64().to_string());
    let export = CrossSigningKeyExport {
        master_key: unless_missing(CrossSigningKey::Master, &bundle.cross_signing.master_key),
        self_signing_key: unless_missing(
            CrossSigningKey::SelfSigning,
            &bundle.cross_signing.self_signing_key,
        ),
        user_signing_key: unless_missing(
            CrossSigningKey::UserSigning,
            &bundle.cross_signing.user_signing_key,
        ),
    };
    let store = SqliteCryptoStore::open(world.dir(id), None).await.unwrap();
    let machine = OlmMachine::with_store(&world.user_id(), <&DeviceId>::from(id), store, None)
        .await
        .unwrap();
    machine
        .mark_request_as_sent(&TransactionId::new(), &world.published().await)
        .await
        .unwrap();
    machine.import_cross_signing_keys(export).await.unwrap();
    drop(machine);
    world.encryption(id).await
}

#[tokio::test]
async fn each_key_that_differs_from_the_published_one_is_named() {
    let (world, first) = TestEnv::with_first_device().await;
    let user = world.user_id();
    for (differs, field) in KEYS {
        let user = user.clone();
        world.publish(move |keys| replace_key(&mut keys[field][user.as_str()]));
        let refused = first
            .encryption
            .check_cross_signing(&first.homeserver)
            .await
            .unwrap_err();
        assert_eq!(refused, CrossSigningError::Mismatch(differs));
        let refused = first
            .encryption
            .export_bundle(&first.homeserver)
            .await
            .unwrap_err();
        assert_eq!(refused, CrossSigningError::Mismatch(differs));
        let own = first.encryption.device_id();
        let seen =
            first
                .encryption
                .await_verified(&first.homeserver, own, Duration::from_millis(500));
        assert!(!seen.await);
    }
}

/// Another key, in the same form.
fn replace_key(key: &mut Value) {
    let other = Ed25519SecretKey::new().public_key().to_base64();
    key["keys"] = json!({ format!("ed25519:{other}"): other });
}

#[tokio::test]
async fn each_key_that_is_not_published_is_named() {
    let (world, first) = TestEnv::with_first_device().await;
    for (missing, field) in KEYS {
        world.publish(move |keys| keys[field] = json!({}));
        let refused = first
            .encryption
            .check_cross_signing(&first.homeserver)
            .await
            .unwrap_err();
        assert_eq!(refused, CrossSigningError::NotPublished(missing));
        let refused = first
            .encryption
            .export_bundle(&first.homeserver)
            .await
            .unwrap_err();
        assert_eq!(refused, CrossSigningError::NotPublished(missing));
    }
}

#[tokio::test]
async fn a_subkey_that_the_master_key_did_not_sign_is_not_published() {
    let (world, first) = TestEnv::with_first_device().await;
    let user = world.user_id();
    for (unsigned, field) in KEYS.into_iter().skip(1) {
        let (user, other_user) = (user.clone(), user.clone());
        world.publish(move |keys| keys[field][user.as_str()]["signatures"] = json!({}));
        let refused = first
            .encryption
            .check_cross_signing(&first.homeserver)
            .await
            .unwrap_err();
        assert_eq!(
            refused,
            CrossSigningError::NotPublished(unsigned),
            "no signature"
        );

        let other_field = if field == KEYS[1].1 {
            KEYS[2].1
        } else {
            KEYS[1].1
        };
        world.publish(move |keys| {
            let others = keys[other_field][other_user.as_str()]["signatures"].clone();
            keys[field][other_user.as_str()]["signatures"] = others;
        });
        let refused = first
            .encryption
            .check_cross_signing(&first.homeserver)
            .await
            .unwrap_err();
        assert_eq!(
            refused,
            CrossSigningError::NotPublished(unsigned),
            "the signature of the other subkey"
        );
    }
}

#[tokio::test]
async fn a_second_key_beside_the_right_one_is_a_mismatch() {
    let (world, first) = TestEnv::with_first_device().await;
    let user = world.user_id();
    world.publish(move |keys| {
        let other = Ed25519SecretKey::new().public_key().to_base64();
        keys["master_keys"][user.as_str()]["keys"][format!("ed25519:{other}")] = json!(other);
    });
    let refused = first
        .encryption
        .check_cross_signing(&first.homeserver)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        CrossSigningError::Mismatch(CrossSigningKey::Master)
    );
}

#[tokio::test]
async fn a_homeserver_that_shows_another_identity_once_does_not_cost_us_our_keys() {
    let (world, first) = TestEnv::with_first_device().await;
    world.sandbox.faults().set(Fault::WrongIdentity);
    let refused = first
        .encryption
        .check_cross_signing(&first.homeserver)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        CrossSigningError::Mismatch(CrossSigningKey::Master)
    );
    assert!(
        first
            .encryption
            .verification(&first.homeserver)
            .await
            .is_err()
    );
    world.sandbox.faults().clear();
    first
        .encryption
        .check_cross_signing(&first.homeserver)
        .await
        .unwrap();
}

#[tokio::test]
async fn trouble_with_the_homeserver_is_not_a_missing_key() {
    let (world, first) = TestEnv::with_first_device().await;
    world.proxy.meddle(|_, answer| answer.status = 403);
    let refused = first
        .encryption
        .check_cross_signing(&first.homeserver)
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        CrossSigningError::Homeserver(HomeserverError::NotMatrix { status: 403 })
    );
}

#[tokio::test]
async fn the_bundle_holds_the_three_keys_and_the_backup() {
    let (_world, first) = TestEnv::with_first_device().await;
    let exported = first
        .encryption
        .export_bundle(&first.homeserver)
        .await
        .unwrap();
    assert_eq!(exported.without_backup, None);
    let backup = exported.secrets.backup.as_ref().unwrap();
    assert_eq!(
        (backup.algorithm.as_str(), backup.backup_version.as_str()),
        ("m.megolm_backup.v1.curve25519-aes-sha2", "1")
    );
    let master =
        Ed25519SecretKey::from_base64(&exported.secrets.cross_signing.master_key.to_base64())
            .unwrap();
    let identity = first
        .encryption
        .check_cross_signing(&first.homeserver)
        .await
        .unwrap();
    assert_eq!(master.public_key().to_base64(), identity);
}

#[tokio::test]
async fn a_backup_that_is_not_the_current_one_is_left_out_and_reported() {
    let (world, first) = TestEnv::with_first_device().await;
    let export = async || {
        first
            .encryption
            .export_bundle(&first.homeserver)
            .await
            .unwrap()
    };

    world.sandbox.faults().set(Fault::BackupOtherVersion);
    let exported = export().await;
    assert_eq!(exported.secrets.backup, None);
    let other = BackupProblem::OtherVersion {
        ours: "1".to_owned(),
        current: "2".to_owned(),
    };
    assert_eq!(exported.without_backup, Some(other));

    world.sandbox.faults().clear();
    world.sandbox.faults().set(Fault::BackupOtherKey);
    assert_eq!(export().await.without_backup, Some(BackupProblem::OtherKey));
    world.sandbox.faults().clear();

    world.proxy.meddle(|request, answer| {
        if request == BACKUP_VERSION {
            *answer = crate::proxy::Answer {
                status: 403,
                body: json!({ "errcode": "M_FORBIDDEN" }),
            };
        }
    });
    let exported = export().await;
    assert_eq!(exported.secrets.backup, None);
    assert!(matches!(
        exported.without_backup,
        Some(BackupProblem::Unchecked(_))
    ));
}

#[tokio::test]
async fn secrets_do_not_print() {
    let (_world, first) = TestEnv::with_first_device().await;
    let exported = first
        .encryption
        .export_bundle(&first.homeserver)
        .await
        .unwrap();
    let printed = format!("{exported:?} {:?} {:?}", first.encryption, first.homeserver);
    assert_eq!(printed.matches("[redacted]").count(), 3 + 1 + 1 + 1);
    for secret in crate::logs::secrets(&exported.secrets) {
        assert!(!printed.contains(&secret));
    }
}
