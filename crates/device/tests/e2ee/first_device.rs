//! The account's first device.

use matrix_qr_device::first_device::{self, FirstDeviceError};

use crate::test_env::{KEYS_UPLOAD, SignInSteps as _, TestEnv};

#[tokio::test]
async fn sets_the_account_up() {
    let (world, first) = TestEnv::with_first_device().await;
    let record = world.sandbox.record();
    let [upload] = record.key_uploads.as_slice() else {
        panic!("one upload: {:?}", record.key_uploads)
    };
    assert!(upload.accepted && upload.has_device_signature && upload.has_self_signing_signature);
    assert_eq!(record.backup_version.as_deref(), Some("1"));

    let identity = first
        .encryption
        .check_cross_signing(&first.homeserver)
        .await
        .unwrap();
    let verification = first
        .encryption
        .verification(&first.homeserver)
        .await
        .unwrap();
    assert_eq!(identity, verification.master_key);
    assert!(verification.verified);
    assert_eq!(verification.signatures.len(), 2);
    assert!(
        verification
            .signatures
            .contains(&"ed25519:FIRSTDEVICE".to_owned())
    );
}

/// Synapse 1.163 answers `M_INVALID_SIGNATURE` for a master key that comes with its own signature,
/// too.
#[tokio::test]
async fn the_master_key_comes_with_the_devices_signature_alone() {
    let (world, first) = TestEnv::with_first_device().await;
    let uploads = world
        .proxy
        .bodies("POST /_matrix/client/v3/keys/signatures/upload");
    let [upload] = uploads.as_slice() else {
        panic!("one upload: {uploads:?}")
    };
    let upload: serde_json::Value = serde_json::from_slice(upload).unwrap();
    let user = world.user_id();
    let master = upload[user.as_str()]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap();
    let signatures: Vec<_> = master["signatures"][user.as_str()]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(signatures, ["ed25519:FIRSTDEVICE"]);
    drop(first);
}

#[tokio::test]
async fn is_the_first_only_once() {
    let (world, first) = TestEnv::with_first_device().await;
    let again = first_device::set_up(&first.homeserver, &first.encryption).await;
    assert_eq!(again, Err(FirstDeviceError::NotFirst));
    let second = world.device("SECONDDEVICE").await;
    let second = first_device::set_up(&second.homeserver, &second.encryption).await;
    assert_eq!(second, Err(FirstDeviceError::NotFirst));
    assert_eq!(world.count(KEYS_UPLOAD), 1);
}

#[tokio::test]
async fn sends_messages_and_reads_them() {
    let (_world, first) = TestEnv::with_first_device().await;
    let texts = ["one", "two", "three"];
    let room = first_device::send_messages(&first.homeserver, &first.encryption, &texts)
        .await
        .unwrap();
    let read = first_device::latest_messages(&first.homeserver, &first.encryption, &room)
        .await
        .unwrap();
    assert_eq!(read, texts);
    assert_eq!(
        first_device::back_up(&first.homeserver, &first.encryption).await,
        Ok(1)
    );
    assert_eq!(
        first_device::back_up(&first.homeserver, &first.encryption).await,
        Ok(0)
    );
}
