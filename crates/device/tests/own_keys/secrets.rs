//! The new device takes the secrets: those that are not the account's, and a homeserver that fails
//! or lies.

use matrix_qr_device::{
    UserId,
    client_server_api::Homeserver,
    http::{Http, Policy},
    keys::{
        BackupProblem, BackupState, BundleRefused, CrossSigningKey, ImportError, Imported,
        UnpublishedDevice, take_secrets,
    },
    secret::Secret,
};
use matrix_qr_protocol::{
    error::{Cause, Error},
    login::message::{Backup, CrossSigning, SecretKey, SecretText, Secrets},
    revision::Role,
};
use matrix_qr_sandbox::Fault;
use serde_json::{Value, json};
use vodozemac::base64_encode;

use crate::{
    account::{FIRST, OwnKeysAccount, OwnKeysEnd},
    holder::OwnKeys,
    meeting::When,
    proxy::Proxy,
};

const KEYS_QUERY: &str = "POST /_matrix/client/v3/keys/query";
const KEYS_UPLOAD: &str = "POST /_matrix/client/v3/keys/upload";
const START: When = When::Told(Role::New, "Checking");
const IMPORTING: When = When::Told(Role::New, "ImportingSecrets");
const SHARED: When = When::Told(Role::Existing, "sent m.login.secrets");

/// An account whose homeserver is behind a proxy, for devices that have a token and nothing else.
struct SecretsEnv {
    account: OwnKeysAccount,
    proxy: Proxy,
}

impl SecretsEnv {
    async fn start() -> Self {
        let account = OwnKeysAccount::start().await;
        let proxy = Proxy::start(account.sandbox.homeserver().clone()).await;
        Self { account, proxy }
    }

    async fn take(
        &self,
        keys: &OwnKeys,
        id: &str,
        secrets: Secrets,
    ) -> Result<Imported, ImportError> {
        let session = self.account.sandbox.first_session(id).await.unwrap();
        let homeserver = Homeserver::new(
            Http::new(Policy::HttpsOrLoopback).unwrap(),
            self.proxy.url.clone(),
            Secret::new(session.access_token),
        );
        let device = UnpublishedDevice {
            user_id: &UserId::parse(session.user_id).unwrap(),
            device_id: id.into(),
            homeserver: &homeserver,
            expires_at: None,
        };
        take_secrets(keys, device, secrets).await
    }

    /// Nothing is published, and nothing is kept.
    async fn assert_refused(&self, id: &str, secrets: Secrets, why: BundleRefused) {
        let keys = OwnKeys::default();
        let refused = self.take(&keys, id, secrets).await;
        assert_eq!(refused, Err(why.into()), "{id}");
        assert!(!keys.has_kept(), "{id}");
        assert!(self.proxy.bodies(KEYS_UPLOAD).is_empty(), "{id}");
    }

    /// Changes what the homeserver publishes.
    fn publish(&self, mut change: impl FnMut(&mut Value) + Send + 'static) {
        self.proxy.meddle(move |request, answer| {
            if request == KEYS_QUERY {
                change(&mut answer.body);
            }
        });
    }
}

/// Changes a part of secrets that would be right.
type Change<T> = fn(&mut T);

#[tokio::test]
async fn each_private_key_must_be_the_published_one() {
    let env = SecretsEnv::start().await;
    let changes: [(CrossSigningKey, Change<CrossSigning>); 3] = [
        (CrossSigningKey::Master, |keys| keys.master_key = other()),
        (CrossSigningKey::SelfSigning, |keys| {
            keys.self_signing_key = other();
        }),
        (CrossSigningKey::UserSigning, |keys| {
            keys.user_signing_key = other();
        }),
    ];
    for (which, change) in changes {
        let mut secrets = env.account.secrets();
        change(&mut secrets.cross_signing);
        let id = format!("NEWDEVICE-{which:?}");
        env.assert_refused(&id, secrets, BundleRefused::Mismatch(which))
            .await;
    }
}

#[tokio::test]
async fn the_published_identity_must_be_there_and_signed_by_its_master_key() {
    let env = SecretsEnv::start().await;
    let secrets = env.account.secrets();
    let names = ["master_keys", "self_signing_keys", "user_signing_keys"];
    env.publish(move |keys| names.iter().for_each(|name| keys[name] = json!({})));
    let none = BundleRefused::NotPublished(CrossSigningKey::Master);
    env.assert_refused("NEWDEVICEONE", secrets.clone(), none)
        .await;
    for name in ["self_signing_keys", "user_signing_keys"] {
        let user_id = env.account.sandbox.user_id().to_owned();
        env.publish(move |keys| keys[name][&user_id]["signatures"] = json!({}));
        let id = format!("NEWDEVICE-{name}");
        env.assert_refused(&id, secrets.clone(), BundleRefused::InvalidIdentity)
            .await;
    }
    env.proxy.behave();
    env.account.sandbox.faults().set(Fault::WrongIdentity);
    let another = BundleRefused::Mismatch(CrossSigningKey::Master);
    env.assert_refused("NEWDEVICETWO", secrets, another).await;
}

#[tokio::test]
async fn an_identity_that_changes_during_the_upload_is_refused() {
    let account = OwnKeysAccount::start().await;
    let end = account
        .sign_in_with_fault(Fault::WrongIdentity, IMPORTING)
        .await;
    assert!(
        matches!(end.new, Err(Error::SecretsRefused(_))),
        "{:?}",
        end.new
    );
    assert_undone(&account, &end);
}

#[tokio::test]
async fn an_upload_that_fails_leaves_nothing() {
    for (fault, tries) in [(Fault::KeysUploadFails, 4), (Fault::KeysUploadRefused, 1)] {
        let account = OwnKeysAccount::start().await;
        let end = account.sign_in_with_fault(fault, START).await;
        let error = end.new.as_ref().unwrap_err();
        assert!(matches!(error, Error::NotSetUp(_)), "{error:?}");
        assert_eq!(error.cause(), Cause::Homeserver);
        assert_undone(&account, &end);
        let uploads = account.sandbox.record().key_uploads;
        let new = uploads.iter().filter(|upload| upload.device_id != FIRST);
        assert_eq!(new.count(), tries);
    }
}

#[tokio::test]
async fn an_upload_whose_answer_is_lost_is_repeated_word_for_word() {
    let env = SecretsEnv::start().await;
    let mut uploads = 0;
    env.proxy.meddle(move |request, answer| {
        uploads += usize::from(request == KEYS_UPLOAD);
        if request == KEYS_UPLOAD && uploads == 1 {
            answer.status = 502;
        }
    });
    let keys = OwnKeys::default();
    env.take(&keys, "NEWDEVICE1", env.account.secrets())
        .await
        .unwrap();
    let bodies = env.proxy.bodies(KEYS_UPLOAD);
    assert_eq!(bodies.len(), 2);
    assert_eq!(bodies[0], bodies[1]);
    assert_eq!(keys.kept().secrets, env.account.secrets());
}

#[tokio::test]
async fn a_backup_that_the_secrets_do_not_open_is_not_kept() {
    let other_version = |ours: &str, current: &str| BackupProblem::OtherVersion {
        ours: ours.to_owned(),
        current: current.to_owned(),
    };
    let changes: [(Change<Backup>, BackupProblem); 5] = [
        (
            |backup| backup.algorithm = "m.another".to_owned(),
            BackupProblem::UnknownAlgorithm,
        ),
        (
            |backup| backup.key = SecretText::new("no base64".to_owned()),
            BackupProblem::MalformedKey,
        ),
        (
            |backup| backup.key = SecretText::new(base64_encode([7; 32])),
            BackupProblem::OtherKey,
        ),
        (
            |backup| backup.backup_version = "two words".to_owned(),
            BackupProblem::MalformedVersion,
        ),
        (
            |backup| backup.backup_version = "2".to_owned(),
            other_version("2", "1"),
        ),
    ];
    let env = SecretsEnv::start().await;
    for (number, (change, problem)) in changes.into_iter().enumerate() {
        let mut secrets = env.account.secrets();
        change(secrets.backup.as_mut().unwrap());
        let (keys, id) = (OwnKeys::default(), format!("NEWDEVICE-{number}"));
        let imported = env.take(&keys, &id, secrets).await.unwrap();
        assert_unused(&env.account, &keys, &imported.backup, problem);
    }
    // The secrets were right when they were sent.
    for (fault, problem) in [
        (Fault::BackupOtherVersion, other_version("1", "2")),
        (Fault::BackupOtherKey, BackupProblem::OtherKey),
    ] {
        let account = OwnKeysAccount::start().await;
        let end = account.sign_in_with_fault(fault, SHARED).await;
        assert!(end.existing.unwrap().verified);
        assert_unused(&account, &end.keys, &end.new.unwrap().backup, problem);
    }
}

fn other() -> SecretKey {
    SecretKey::new(&[7; 32])
}

/// The device is signed in without the backup.
fn assert_unused(
    account: &OwnKeysAccount,
    keys: &OwnKeys,
    state: &BackupState,
    why: BackupProblem,
) {
    assert_eq!(state, &BackupState::Unused(why.clone()));
    let kept = keys.kept().secrets;
    assert_eq!(kept.backup, None, "{why}");
    assert_eq!(kept.cross_signing, account.secrets().cross_signing, "{why}");
}

/// The other device is told, the token is revoked, and nothing is kept.
fn assert_undone(account: &OwnKeysAccount, end: &OwnKeysEnd<OwnKeys>) {
    assert!(end.existing.is_err(), "{:?}", end.existing);
    assert!(!end.keys.has_kept());
    let record = account.sandbox.record();
    assert_eq!(record.devices, [FIRST]);
    assert_eq!(record.revocations.len(), 1);
    assert_eq!(record.unsigned_moments, 0);
    assert!(!account.new_directory().exists());
}
