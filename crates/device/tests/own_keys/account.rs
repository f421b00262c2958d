//! An account whose first device holds its keys itself, and the people at both devices.

use std::{path::PathBuf, sync::Arc, time::Duration};

use matrix_qr_device::{
    Device, DeviceName, GrantOptions, Granted, OwnDevice, RendezvousAt, Showing, SignInOptions,
    SignedIn, Start,
    http::Policy,
    keys::KeyHolder,
    oauth::Client,
    secret::Secret,
    session::{SessionDir, StoredSession, UserSession},
    sign_in,
};
use matrix_qr_protocol::{
    error::Error,
    homeserver::HomeserverAddress,
    login::message::{Backup, CrossSigning, SecretKey, SecretText, Secrets},
    revision::{Dialect, Revision, Role},
};
use matrix_qr_sandbox::{Fault, FirstSession, Options, Sandbox};
use serde_json::{Value, json};
use tempfile::TempDir;
use vodozemac::{
    Curve25519PublicKey, Curve25519SecretKey, Ed25519SecretKey, base64_encode,
    megolm::{GroupSession, InboundGroupSession, MegolmMessage, SessionConfig},
    pk_encryption::PkEncryption,
};

use crate::{
    holder::{OwnKeys, signed},
    meeting::{Meeting, Plan, When},
};

pub(crate) const FIRST: &str = "FIRSTDEVICE";
pub(crate) const OLD_MESSAGE: &str = "an old message";
const ROOM: &str = "!room:example.org";

pub(crate) struct OwnKeysAccount {
    pub(crate) sandbox: Sandbox,
    pub(crate) existing: Device<OwnKeys>,
    /// The room key in the backup, in the form of an export.
    pub(crate) room_key: Value,
    /// Encrypted with it.
    pub(crate) old_message: MegolmMessage,
    private: PrivateKeys,
    session: FirstSession,
    directories: TempDir,
}

/// What came of a sign-in, and who holds the new device's keys.
pub(crate) struct OwnKeysEnd<K> {
    pub(crate) new: Result<SignedIn, Error>,
    pub(crate) existing: Result<Granted, Error>,
    pub(crate) keys: K,
}

struct PrivateKeys {
    cross_signing: [[u8; 32]; 3],
    backup: [u8; 32],
}

impl PrivateKeys {
    fn new() -> Self {
        let key = || *Ed25519SecretKey::new().to_bytes();
        Self {
            cross_signing: [key(), key(), key()],
            backup: *Curve25519SecretKey::new().to_bytes(),
        }
    }

    fn secrets(&self) -> Secrets {
        let [master_key, self_signing_key, user_signing_key] =
            self.cross_signing.map(|key| SecretKey::new(&key));
        Secrets {
            cross_signing: CrossSigning {
                master_key,
                self_signing_key,
                user_signing_key,
            },
            backup: Some(Backup {
                algorithm: "m.megolm_backup.v1.curve25519-aes-sha2".to_owned(),
                key: SecretText::new(base64_encode(self.backup)),
                backup_version: "1".to_owned(),
            }),
        }
    }

    fn backup_public(&self) -> Curve25519PublicKey {
        Curve25519PublicKey::from(&Curve25519SecretKey::from_slice(&self.backup))
    }
}

impl OwnKeysAccount {
    pub(crate) async fn start() -> Self {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let session = sandbox.first_session(FIRST).await.unwrap();
        let (private, directories) = (PrivateKeys::new(), tempfile::tempdir().unwrap());
        let keys = OwnKeys::of_existing_device([private.secrets()]);
        let api = Api {
            sandbox: &sandbox,
            session: &session,
        };
        api.set_up(&private, &keys).await;
        let (room_key, old_message) = api.back_up(&private).await;
        let directory = directories.path().join("existing");
        store(&sandbox, &session, &directory);
        let existing = Device::with_keys(&directory, Policy::HttpsOrLoopback, keys)
            .await
            .unwrap();
        Self {
            sandbox,
            existing,
            room_key,
            old_message,
            private,
            session,
            directories,
        }
    }

    pub(crate) fn secrets(&self) -> Secrets {
        self.private.secrets()
    }

    /// The account's first device, with another holder.
    pub(crate) async fn existing_with(&self, keys: OwnKeys) -> Device<OwnKeys> {
        let directory = tempfile::tempdir_in(self.directories.path())
            .unwrap()
            .keep()
            .join("copy");
        store(&self.sandbox, &self.session, &directory);
        Device::with_keys(&directory, Policy::HttpsOrLoopback, keys)
            .await
            .unwrap()
    }

    pub(crate) fn new_directory(&self) -> PathBuf {
        self.directories.path().join("new")
    }

    pub(crate) fn new_session(&self) -> StoredSession {
        SessionDir::new(self.new_directory()).load().unwrap()
    }

    /// The new device, opened from disk.
    pub(crate) async fn reopened<K: KeyHolder>(&self, keys: K) -> Device<K> {
        let directory = self.new_directory();
        Device::with_keys(&directory, Policy::HttpsOrLoopback, keys)
            .await
            .unwrap()
    }

    pub(crate) async fn sign_in<K: KeyHolder>(
        &self,
        revision: Revision,
        shown_by: Role,
        keys: K,
    ) -> OwnKeysEnd<K> {
        let directory = self.new_directory();
        Box::pin(self.meet(&self.existing, directory, revision, shown_by, keys, None)).await
    }

    /// While the servers misbehave in this way, from this moment on.
    pub(crate) async fn sign_in_with_fault(&self, fault: Fault, at: When) -> OwnKeysEnd<OwnKeys> {
        let (directory, keys) = (self.new_directory(), OwnKeys::default());
        let (revision, shown_by) = (Revision::Msc4108, Role::New);
        let fault = Some((at, fault));
        let meet = self.meet(&self.existing, directory, revision, shown_by, keys, fault);
        let end = Box::pin(meet).await;
        self.sandbox.faults().clear();
        end
    }

    /// With the help of this device.
    pub(crate) async fn sign_in_with<K: KeyHolder>(
        &self,
        existing: &Device<K>,
        name: &str,
    ) -> OwnKeysEnd<OwnKeys> {
        let directory = self.directories.path().join(name);
        let keys = OwnKeys::default();
        let (revision, shown_by) = (Revision::Msc4108, Role::Existing);
        Box::pin(self.meet(existing, directory, revision, shown_by, keys, None)).await
    }

    async fn meet<E: KeyHolder, K: KeyHolder>(
        &self,
        existing: &Device<E>,
        directory: PathBuf,
        revision: Revision,
        shown_by: Role,
        keys: K,
        fault: Option<(When, Fault)>,
    ) -> OwnKeysEnd<K> {
        let (plan, meeting) = (Plan::shown_by(shown_by), Meeting::new());
        let showing = Showing::Only(revision);
        let options = SignInOptions {
            directory,
            policy: Policy::HttpsOrLoopback,
            dialect: Dialect::default(),
            showing,
            client: Client::default(),
            user: None,
            name: DeviceName::parse("its keys are its own").unwrap(),
        };
        let start = async |role| match role == shown_by {
            true => Ok(Start::Show(RendezvousAt::Homeserver(self.homeserver()))),
            false => meeting.scan(None).await,
        };
        let keys = Arc::new(keys);
        let new = async {
            let person = meeting.robot(Role::New, &plan, &self.sandbox);
            let start = start(Role::New).await?;
            let signed_in = sign_in(&options, start, &person, keys.clone()).await;
            signed_in.inspect_err(|_| meeting.end())
        };
        let granted = async {
            let person = meeting.robot(Role::Existing, &plan, &self.sandbox);
            let options = GrantOptions {
                showing,
                ..GrantOptions::default()
            };
            let own = OwnDevice::ask(&person).await?;
            let granted = existing
                .grant(own, start(Role::Existing).await?, options, &person)
                .await;
            granted.inspect_err(|_| meeting.end())
        };
        let misbehave = async {
            if let Some((at, fault)) = fault {
                meeting.until(&at).await;
                self.sandbox.faults().set(fault);
            }
            std::future::pending().await
        };
        let both = async {
            tokio::select! {
                ends = async { tokio::join!(new, granted) } => ends,
                () = misbehave => unreachable!(),
            }
        };
        let (new, existing) = tokio::time::timeout(Duration::from_secs(120), both)
            .await
            .unwrap();
        let keys = Arc::try_unwrap(keys).ok().expect("the sign-in is over");
        OwnKeysEnd {
            new,
            existing,
            keys,
        }
    }

    fn homeserver(&self) -> HomeserverAddress {
        HomeserverAddress::parse(self.sandbox.homeserver().as_str()).unwrap()
    }
}

/// What a client of the first device would ask the homeserver for.
struct Api<'a> {
    sandbox: &'a Sandbox,
    session: &'a FirstSession,
}

impl Api<'_> {
    /// Publishes the identity, the first device, and a backup.
    async fn set_up(&self, private: &PrivateKeys, keys: &OwnKeys) {
        let user_id = self.session.user_id.as_str();
        let [master, self_signing, user_signing] = private
            .cross_signing
            .map(|key| Ed25519SecretKey::from_slice(&key));
        let public = |key: &Ed25519SecretKey, usage: &str| {
            let public = key.public_key().to_base64();
            let keys = json!({ format!("ed25519:{public}"): public });
            json!({ "user_id": user_id, "usage": [usage], "keys": keys })
        };
        let master_id = master.public_key().to_base64();
        let by_master = |json| {
            let sign = |text: &str| master.sign(text.as_bytes()).to_base64();
            signed(json, user_id, &master_id, sign)
        };
        let identity = json!({
            "master_key": public(&master, "master"),
            "self_signing_key": by_master(public(&self_signing, "self_signing")),
            "user_signing_key": by_master(public(&user_signing, "user_signing")),
        });
        self.send("POST", "keys/device_signing/upload", identity)
            .await;
        self.send("POST", "keys/upload", keys.upload(user_id, FIRST))
            .await;
        let backup = json!({
            "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2",
            "auth_data": { "public_key": private.backup_public().to_base64() },
        });
        let made = self.send("POST", "room_keys/version", backup).await;
        assert_eq!(made["version"], "1");
    }

    /// Puts one room key and one unreadable entry into the backup.
    async fn back_up(&self, private: &PrivateKeys) -> (Value, MegolmMessage) {
        let mut session = GroupSession::new(SessionConfig::version_1());
        let received = InboundGroupSession::new(&session.session_key(), SessionConfig::version_1());
        let session_key = received.export_at_first_known_index().to_base64();
        let sender_key = private.backup_public().to_base64();
        let key = json!({
            "algorithm": "m.megolm.v1.aes-sha2",
            "sender_key": sender_key,
            "session_key": session_key,
            "sender_claimed_keys": { "ed25519": sender_key },
            "forwarding_curve25519_key_chain": [],
        });
        let encrypted = PkEncryption::from(private.backup_public())
            .encrypt(key.to_string().as_bytes())
            .unwrap();
        let entry = |ciphertext: Vec<u8>| {
            json!({
                "first_message_index": 0, "forwarded_count": 0, "is_verified": true,
                "session_data": {
                    "ephemeral": encrypted.ephemeral_key.to_base64(),
                    "ciphertext": base64_encode(ciphertext),
                    "mac": base64_encode(&encrypted.mac),
                },
            })
        };
        let session_id = session.session_id();
        let sessions = json!({
            &session_id: entry(encrypted.ciphertext.clone()),
            "damaged": entry(vec![0; 32]),
        });
        let rooms = json!({ "rooms": { ROOM: { "sessions": sessions } } });
        self.send("PUT", "room_keys/keys?version=1", rooms).await;
        let mut key = key;
        key["room_id"] = json!(ROOM);
        key["session_id"] = json!(session_id);
        (key, session.encrypt(OLD_MESSAGE))
    }

    async fn send(&self, method: &str, path: &str, body: Value) -> Value {
        let path = format!("/_matrix/client/v3/{path}");
        let url = self.sandbox.homeserver().join(&path).unwrap();
        let request = reqwest::Client::new().request(method.parse().unwrap(), url);
        let request = request.bearer_auth(&self.session.access_token).json(&body);
        let answer = request.send().await.unwrap();
        assert!(
            answer.status().is_success(),
            "{method} {path}: {}",
            answer.status()
        );
        answer.json().await.unwrap()
    }
}

fn store(sandbox: &Sandbox, session: &FirstSession, directory: &std::path::Path) {
    let stored = StoredSession {
        homeserver: sandbox.homeserver().clone(),
        issuer: sandbox.issuer().clone(),
        account_management_uri: None,
        client_id: session.client_id.clone(),
        expires_at: None,
        user: UserSession {
            user_id: session.user_id.parse().unwrap(),
            device_id: session.device_id.as_str().into(),
            access_token: Secret::new(session.access_token.clone()),
            refresh_token: Some(Secret::new(session.refresh_token.clone())),
        },
    };
    let directory = SessionDir::new(directory);
    let _lock = directory.create().unwrap();
    directory.save(&stored).unwrap();
}
