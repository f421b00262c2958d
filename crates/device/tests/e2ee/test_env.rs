//! The sandbox, the proxy, and devices with a directory each.

use std::time::Duration;

use matrix_qr_device::{
    client_server_api::Homeserver,
    encryption::Encryption,
    first_device,
    http::{Http, Policy},
    keys::{
        self, CrossSigningError, ExportedSecrets, HeldIdentity, ImportError, Imported,
        KeyHolder as _, UnpublishedDevice,
    },
    secret::Secret,
};
use matrix_qr_protocol::login::{VerificationOutcome, message::Secrets};
use matrix_qr_sandbox::{Options, Sandbox};
use ruma::{
    DeviceId, OwnedUserId,
    api::{IncomingResponse as _, client::keys::get_keys},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::proxy::Proxy;

pub(crate) const KEYS_QUERY: &str = "POST /_matrix/client/v3/keys/query";
pub(crate) const KEYS_UPLOAD: &str = "POST /_matrix/client/v3/keys/upload";
pub(crate) const BACKUP_VERSION: &str = "GET /_matrix/client/v3/room_keys/version";
pub(crate) const BACKUP_KEYS: &str = "GET /_matrix/client/v3/room_keys/keys";

pub(crate) struct TestEnv {
    pub(crate) sandbox: Sandbox,
    pub(crate) proxy: Proxy,
    dirs: TempDir,
}

pub(crate) struct EncryptedDevice {
    pub(crate) homeserver: Homeserver,
    pub(crate) encryption: Encryption,
}

impl TestEnv {
    pub(crate) async fn start() -> Self {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        let proxy = Proxy::start(sandbox.homeserver().clone()).await;
        Self {
            sandbox,
            proxy,
            dirs: tempfile::tempdir().unwrap(),
        }
    }

    /// A world with an account whose first device is set up.
    pub(crate) async fn with_first_device() -> (Self, EncryptedDevice) {
        let world = Self::start().await;
        let first = world.device("FIRSTDEVICE").await;
        first_device::set_up(&first.homeserver, &first.encryption)
            .await
            .unwrap();
        (world, first)
    }

    /// Signed in, with an empty store.
    pub(crate) async fn device(&self, id: &str) -> EncryptedDevice {
        EncryptedDevice {
            homeserver: self.homeserver(id).await,
            encryption: self.encryption(id).await,
        }
    }

    pub(crate) async fn homeserver(&self, device: &str) -> Homeserver {
        let session = self.sandbox.first_session(device).await.unwrap();
        self.homeserver_with(Secret::new(session.access_token))
    }

    pub(crate) fn homeserver_with(&self, token: Secret) -> Homeserver {
        Homeserver::new(
            Http::new(Policy::HttpsOrLoopback).unwrap(),
            self.proxy.url.clone(),
            token,
        )
    }

    /// Opens a device's store: a new one, or the one that was there.
    pub(crate) async fn encryption(&self, device: &str) -> Encryption {
        Encryption::open(
            &self.dir(device),
            &self.user_id(),
            <&DeviceId>::from(device),
            None,
        )
        .await
        .unwrap()
    }

    pub(crate) fn dir(&self, device: &str) -> std::path::PathBuf {
        self.dirs.path().join(device)
    }

    pub(crate) fn user_id(&self) -> OwnedUserId {
        self.sandbox.user_id().parse().unwrap()
    }

    /// What `/keys/query` publishes, asked for by somebody else.
    pub(crate) async fn published(&self) -> get_keys::v3::Response {
        let token = self
            .sandbox
            .first_session("ONLOOKERDEVICE")
            .await
            .unwrap()
            .access_token;
        let answer = reqwest::Client::new()
            .post(
                self.sandbox
                    .homeserver()
                    .join("/_matrix/client/v3/keys/query")
                    .unwrap(),
            )
            .bearer_auth(token)
            .json(&json!({ "device_keys": { self.user_id().as_str(): [] } }))
            .send()
            .await
            .unwrap();
        let body = answer.bytes().await.unwrap().to_vec();
        get_keys::v3::Response::try_from_http_response(http::Response::new(body)).unwrap()
    }

    /// Changes what `/keys/query` publishes.
    pub(crate) fn publish(&self, mut change: impl FnMut(&mut Value) + Send + 'static) {
        self.proxy.meddle(move |request, answer| {
            if request == KEYS_QUERY {
                change(&mut answer.body);
            }
        });
    }

    /// How many requests of this kind the proxy passed on.
    pub(crate) fn count(&self, request: &str) -> usize {
        self.proxy.bodies(request).len()
    }
}

/// The steps of a sign-in, with a store of matrix-sdk-crypto as the holder of the keys.
pub(crate) trait SignInSteps {
    async fn check_cross_signing(&self, at: &Homeserver) -> Result<String, CrossSigningError>;
    async fn export_bundle(&self, at: &Homeserver) -> Result<ExportedSecrets, CrossSigningError>;
    async fn import_bundle(
        &self,
        at: &Homeserver,
        secrets: &Secrets,
    ) -> Result<Imported, ImportError>;
    async fn await_verified(&self, at: &Homeserver, device: &DeviceId, within: Duration) -> bool;
}

impl SignInSteps for Encryption {
    async fn check_cross_signing(&self, at: &Homeserver) -> Result<String, CrossSigningError> {
        keys::check_cross_signing(self, at, self.user_id()).await
    }

    async fn export_bundle(&self, at: &Homeserver) -> Result<ExportedSecrets, CrossSigningError> {
        keys::export_secrets(self, at, self.user_id()).await
    }

    async fn import_bundle(
        &self,
        at: &Homeserver,
        secrets: &Secrets,
    ) -> Result<Imported, ImportError> {
        let device = UnpublishedDevice {
            user_id: self.user_id(),
            device_id: self.device_id(),
            homeserver: at,
            expires_at: None,
        };
        keys::take_secrets(self, device, secrets.clone()).await
    }

    async fn await_verified(&self, at: &Homeserver, device: &DeviceId, within: Duration) -> bool {
        let held = HeldIdentity::of(&self.secrets().await.unwrap().cross_signing);
        keys::await_verified(at, self.user_id(), &held, device, within).await
            == VerificationOutcome::Verified
    }
}

impl EncryptedDevice {
    pub(crate) async fn bundle(&self) -> Secrets {
        self.encryption
            .export_bundle(&self.homeserver)
            .await
            .unwrap()
            .secrets
    }
}
