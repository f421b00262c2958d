//! A holder that does not have the account's keys, or other ones at the end than at the beginning.

use matrix_qr_protocol::{
    error::Error,
    login::message::{SecretKey, Secrets},
};

use crate::{
    account::{FIRST, OwnKeysAccount},
    holder::OwnKeys,
};

#[tokio::test]
async fn a_holder_without_the_accounts_keys_signs_nobody_in() {
    let account = OwnKeysAccount::start().await;
    let right = account.secrets();
    for secrets in [vec![], vec![with_another_key(&right)]] {
        let keys = OwnKeys::of_existing_device(secrets);
        let device = account.existing_with(keys).await;
        let refused = account
            .sign_in_with(&device, "new")
            .await
            .existing
            .unwrap_err();
        assert!(matches!(refused, Error::NoSecrets(_)), "{refused:?}");
        assert_eq!(device.keys().asked_for_secrets(), 1);
        let record = account.sandbox.record();
        assert!(
            record.rendezvous_requests.is_empty(),
            "before there is a session"
        );
    }
}

#[tokio::test]
async fn keys_that_change_in_the_middle_are_not_sent() {
    let account = OwnKeysAccount::start().await;
    let right = account.secrets();
    let changed = with_another_key(&right);
    let keys = OwnKeys::of_existing_device([right, changed]);
    let device = account.existing_with(keys).await;
    let end = account.sign_in_with(&device, "new").await;
    assert!(
        matches!(end.existing, Err(Error::NoSecrets(_))),
        "{:?}",
        end.existing
    );
    assert_eq!(device.keys().asked_for_secrets(), 2);
    assert!(end.new.is_err());
    assert_eq!(account.sandbox.record().devices, [FIRST]);
}

#[tokio::test]
async fn a_key_of_another_backup_is_not_sent() {
    let account = OwnKeysAccount::start().await;
    let mut secrets = account.secrets();
    secrets.backup.as_mut().unwrap().backup_version = "another".to_owned();
    let device = account
        .existing_with(OwnKeys::of_existing_device([secrets]))
        .await;
    let end = account.sign_in_with(&device, "new").await;
    assert!(end.existing.unwrap().verified);
    let kept = end.keys.kept().secrets;
    assert_eq!(kept.backup, None);
    assert_eq!(kept.cross_signing, account.secrets().cross_signing);
}

fn with_another_key(secrets: &Secrets) -> Secrets {
    let mut secrets = secrets.clone();
    secrets.cross_signing.user_signing_key = SecretKey::new(&[7; 32]);
    secrets
}
