//! Keys that are not those of the new device, and a holder that fails: nothing is left.

use matrix_qr_protocol::{
    error::{Cause, Error},
    revision::{Revision, Role},
};

use crate::{
    account::{FIRST, OwnKeysAccount},
    holder::{Mistake, OwnKeys},
};

const ONE_TIME_KEY: &str = "a one-time key or a fallback key is malformed";

#[tokio::test]
async fn keys_that_are_not_those_of_the_device_are_not_published() {
    let cases = [
        (Mistake::OtherUser, "for another account"),
        (Mistake::OtherDevice, "for another device"),
        (Mistake::NoMegolm, "do not support end-to-end encryption"),
        (Mistake::NoIdentityKey, "an identity key is missing"),
        (Mistake::Unsigned, "the device did not sign them"),
        (Mistake::SignedByAnother, "the device did not sign them"),
        (Mistake::ChangedAfterwards, "the device did not sign them"),
        (Mistake::NotAnObject, "malformed"),
        (Mistake::UnsignedOneTimeKey, ONE_TIME_KEY),
        (Mistake::UnsignedFallbackKey, ONE_TIME_KEY),
        (Mistake::OneTimeKeyIsAnotherObject, ONE_TIME_KEY),
        (Mistake::OneTimeKeyOfAnotherAlgorithm, ONE_TIME_KEY),
        (Mistake::FallbackKeyIsNotMarked, ONE_TIME_KEY),
        (Mistake::NoKeys, "the library has no keys"),
    ];
    let account = OwnKeysAccount::start().await;
    for (mistake, why) in cases {
        assert_undone(&account, mistake, why).await;
        let uploads = account.sandbox.record().key_uploads;
        assert!(
            uploads.iter().all(|upload| upload.device_id == FIRST),
            "{mistake:?}"
        );
    }
}

#[tokio::test]
async fn a_device_whose_keys_are_not_kept_is_signed_out_again() {
    let account = OwnKeysAccount::start().await;
    assert_undone(&account, Mistake::NotKept, "the library has no keys").await;
    assert_eq!(account.sandbox.record().unsigned_moments, 0);
}

/// The sign-in fails for this reason, on this side, and its device is gone.
async fn assert_undone(account: &OwnKeysAccount, mistake: Mistake, why: &str) {
    let end = account
        .sign_in(Revision::Msc4108, Role::New, OwnKeys::with(mistake))
        .await;
    let error = end.new.unwrap_err();
    assert!(
        matches!(&error, Error::NotSetUp(_)),
        "{mistake:?}: {error:?}"
    );
    assert!(error.to_string().contains(why), "{mistake:?}: {error}");
    assert_eq!(error.cause(), Cause::Here);
    assert!(!end.keys.has_kept(), "{mistake:?}");
    assert!(
        end.existing.is_err(),
        "{mistake:?}: the other device is told"
    );
    assert_eq!(account.sandbox.record().devices, [FIRST], "{mistake:?}");
    assert!(!account.new_directory().exists(), "{mistake:?}");
}
