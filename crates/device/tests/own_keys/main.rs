//! Sign-ins of devices whose keys a caller holds: with vodozemac and nothing else, on both sides.
//! Built without matrix-sdk-crypto, too (`--no-default-features`).

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod account;
/// The example, which is a holder of keys, too.
#[path = "../../examples/own_keys.rs"]
mod example;
mod existing_device;
mod holder;
#[path = "../sign_in/meeting.rs"]
mod meeting;
mod new_device;
#[path = "../e2ee/proxy.rs"]
mod proxy;
mod secrets;

use matrix_qr_device::keys::KeyHolder as _;
use matrix_qr_protocol::revision::{Revision, Role};
use ruma::OneTimeKeyAlgorithm;
use vodozemac::megolm::{ExportedSessionKey, InboundGroupSession, SessionConfig};

use crate::{
    account::{FIRST, OLD_MESSAGE, OwnKeysAccount},
    holder::OwnKeys,
};

const EACH_WAY: [(Revision, Role); 4] = [
    (Revision::Msc4108, Role::New),
    (Revision::Msc4108, Role::Existing),
    (Revision::Msc4388, Role::New),
    (Revision::Msc4388, Role::Existing),
];

#[tokio::test]
async fn a_device_with_keys_of_its_own_is_signed_in_by_another_one() {
    for (revision, shown_by) in EACH_WAY {
        let account = OwnKeysAccount::start().await;
        let end = account
            .sign_in(revision, shown_by, OwnKeys::default())
            .await;
        let (signed_in, granted) = (end.new.unwrap(), end.existing.unwrap());
        assert!(granted.verified);

        let record = account.sandbox.record();
        let uploads = record.key_uploads.iter();
        let uploads: Vec<_> = uploads
            .filter(|one| one.device_id == signed_in.device_id)
            .collect();
        let [upload] = uploads.as_slice() else {
            panic!("one upload: {uploads:?}")
        };
        assert!(upload.accepted && upload.has_device_keys);
        assert!(upload.has_device_signature && upload.has_self_signing_signature);
        assert_eq!(record.unsigned_moments, 0);

        let kept = end.keys.kept();
        assert_eq!(kept.user_id.as_str(), account.sandbox.user_id());
        assert_eq!(kept.device_id.as_str(), signed_in.device_id);
        assert_eq!(kept.secrets, account.secrets());
        let signed_curve25519 = OneTimeKeyAlgorithm::SignedCurve25519;
        let count = kept.one_time_key_counts.get(&signed_curve25519).copied();
        assert_eq!(count, Some(holder::ONE_TIME_KEYS.into()));
        let session = account.new_session();
        assert_eq!(kept.access_token, session.user.access_token);
        assert_eq!(kept.expires_at, session.expires_at);
    }
}

#[tokio::test]
async fn the_keys_of_the_example_are_those_of_a_verified_device() {
    let account = OwnKeysAccount::start().await;
    let end = account
        .sign_in(Revision::Msc4108, Role::New, example::MyKeys::default())
        .await;
    assert!(end.existing.unwrap().verified);
    let signed_in = end.new.unwrap();
    let next = account.reopened(end.keys).await;
    assert_eq!(next.keys().secrets().await.unwrap(), account.secrets());
    let uploads = account.sandbox.record().key_uploads;
    let uploads = uploads
        .iter()
        .filter(|one| one.device_id == signed_in.device_id);
    assert_eq!(uploads.count(), 1);
}

#[tokio::test]
async fn it_reads_old_messages_and_signs_in_the_next_device() {
    let account = OwnKeysAccount::start().await;
    let end = account
        .sign_in(Revision::Msc4108, Role::New, OwnKeys::default())
        .await;
    let first = end.new.unwrap();
    let device = account.reopened(end.keys).await;

    let mut backup = device.backed_up_room_keys().await.unwrap();
    let room_keys = backup.next().await.unwrap();
    assert!(backup.next().await.is_none());
    assert_eq!((room_keys.len(), backup.undecryptable()), (1, 1));
    assert_eq!(backup.outdated, None);
    let key = serde_json::to_value(&room_keys[0]).unwrap();
    assert_eq!(key["room_id"], account.room_key["room_id"]);
    assert_eq!(key["session_id"], account.room_key["session_id"]);
    assert_eq!(
        key["sender_claimed_keys"],
        account.room_key["sender_claimed_keys"]
    );
    let session_key = ExportedSessionKey::from_base64(key["session_key"].as_str().unwrap());
    let config = SessionConfig::version_1();
    let mut session = InboundGroupSession::import(&session_key.unwrap(), config);
    let message = session.decrypt(&account.old_message).unwrap();
    assert_eq!(message.plaintext, OLD_MESSAGE.as_bytes());

    let next = account.sign_in_with(&device, "next").await;
    assert!(next.existing.unwrap().verified);
    let next = next.new.unwrap();
    let devices = account.sandbox.record().devices;
    for id in [FIRST, &first.device_id, &next.device_id] {
        assert!(devices.iter().any(|one| one == id), "{id}: {devices:?}");
    }
    device.log_out().await.unwrap();
    assert!(!account.new_directory().exists());
    assert!(!account.sandbox.record().devices.contains(&first.device_id));
}
