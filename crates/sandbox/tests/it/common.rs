//! A sandbox, a client for it, and a device that signs with another library than the server uses to
//! verify.

use std::time::Duration;

use matrix_qr_sandbox::{Decision, Fault, Options, Sandbox};
use reqwest::{Client, Method, RequestBuilder, StatusCode, redirect::Policy};
use serde_json::{Value, json};
use vodozemac::Ed25519SecretKey;

pub const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub const FIRST: &str = "FIRSTDEVICE";

/// The status and the JSON of a response.
pub type JsonResponse = (StatusCode, Value);

pub struct TestEnv {
    pub sandbox: Sandbox,
    pub http: Client,
}

/// Without a time between polls, because a test needs none.
pub fn options() -> Options {
    Options {
        token_interval: Duration::ZERO,
        ..Options::default()
    }
}

pub async fn env() -> TestEnv {
    world_with(options()).await
}

pub async fn world_with(options: Options) -> TestEnv {
    around(Sandbox::start(options).await.unwrap())
}

pub fn around(sandbox: Sandbox) -> TestEnv {
    let http = Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .build()
        .unwrap();
    TestEnv { sandbox, http }
}

pub async fn faulty(fault: Fault) -> TestEnv {
    let env = env().await;
    env.sandbox.faults().set(fault);
    env
}

pub async fn reply(request: RequestBuilder) -> JsonResponse {
    let response = request.send().await.unwrap();
    let status = response.status();
    (status, response.json().await.unwrap_or(Value::Null))
}

pub fn scope(device_id: &str) -> String {
    format!("openid urn:matrix:client:api:* urn:matrix:client:device:{device_id}")
}

pub fn client_metadata() -> Value {
    json!({
        "client_name": "A new device",
        "client_uri": "https://client.example/about",
        "tos_uri": "https://client.example/tos",
        "policy_uri": null,
        "grant_types": [DEVICE_CODE, "refresh_token", "authorization_code"],
        "token_endpoint_auth_method": "none",
    })
}

impl TestEnv {
    pub fn hs(&self, path: &str) -> String {
        format!("{}_matrix/client/{path}", self.sandbox.homeserver())
    }

    pub fn issuer(&self, path: &str) -> String {
        format!("{}{path}", self.sandbox.issuer())
    }

    pub async fn get(&self, token: &str, path: &str) -> JsonResponse {
        reply(self.http.get(self.hs(path)).bearer_auth(token)).await
    }

    pub async fn post(&self, token: &str, path: &str, body: &Value) -> JsonResponse {
        reply(self.http.post(self.hs(path)).bearer_auth(token).json(body)).await
    }

    pub async fn put(&self, token: &str, path: &str, body: &Value) -> JsonResponse {
        reply(self.http.put(self.hs(path)).bearer_auth(token).json(body)).await
    }

    pub async fn first(&self) -> String {
        self.sandbox
            .first_session(FIRST)
            .await
            .unwrap()
            .access_token
    }

    pub async fn form(&self, path: &str, fields: &[(&str, &str)]) -> JsonResponse {
        reply(self.http.post(self.issuer(path)).form(fields)).await
    }

    pub async fn register(&self, metadata: &Value) -> JsonResponse {
        reply(
            self.http
                .post(self.issuer("oauth2/registration"))
                .json(metadata),
        )
        .await
    }

    pub async fn client_id(&self) -> String {
        let (status, body) = self.register(&client_metadata()).await;
        assert_eq!(status, 201, "{body}");
        text(&body, "client_id")
    }

    pub async fn authorize(&self, client_id: &str, scope: &str) -> JsonResponse {
        self.form(
            "oauth2/device",
            &[("client_id", client_id), ("scope", scope)],
        )
        .await
    }

    pub async fn poll(&self, client_id: &str, device_code: &str) -> JsonResponse {
        let fields = [
            ("grant_type", DEVICE_CODE),
            ("client_id", client_id),
            ("device_code", device_code),
        ];
        self.form("oauth2/token", &fields).await
    }

    pub async fn refresh(&self, client_id: &str, token: &str) -> JsonResponse {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", client_id),
            ("refresh_token", token),
        ];
        self.form("oauth2/token", &fields).await
    }

    pub async fn revoke(&self, client_id: &str, token: &str) -> JsonResponse {
        self.form(
            "oauth2/revoke",
            &[("client_id", client_id), ("token", token)],
        )
        .await
    }

    /// A device code and its user code.
    pub async fn begin(&self, client_id: &str, device_id: &str) -> (String, String) {
        let (status, body) = self.authorize(client_id, &scope(device_id)).await;
        assert_eq!(status, 200, "{body}");
        (text(&body, "device_code"), text(&body, "user_code"))
    }

    /// The whole grant. Returns the token response.
    pub async fn sign_in(&self, client_id: &str, device_id: &str) -> Value {
        let (device_code, user_code) = self.begin(client_id, device_id).await;
        assert!(self.sandbox.decide(&user_code, Decision::Allow));
        let (status, body) = self.poll(client_id, &device_code).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    pub async fn page(&self, method: Method, path: &str) -> (StatusCode, String) {
        let response = self
            .http
            .request(method, self.issuer(path))
            .send()
            .await
            .unwrap();
        (response.status(), response.text().await.unwrap())
    }
}

pub fn text(body: &Value, field: &str) -> String {
    body[field]
        .as_str()
        .unwrap_or_else(|| panic!("{field} in {body}"))
        .to_owned()
}

/// A key that signs JSON for a user, under an ID.
pub struct Signer {
    pub secret: Ed25519SecretKey,
    pub user_id: String,
    /// Without `ed25519:`.
    pub name: String,
}

impl Signer {
    pub fn device(user_id: &str, device_id: &str) -> Self {
        Self {
            secret: Ed25519SecretKey::new(),
            user_id: user_id.to_owned(),
            name: device_id.to_owned(),
        }
    }

    /// A cross-signing key, whose ID is the public key.
    pub fn cross_signing(user_id: &str) -> Self {
        let secret = Ed25519SecretKey::new();
        let name = secret.public_key().to_base64();
        Self {
            secret,
            user_id: user_id.to_owned(),
            name,
        }
    }

    pub fn public(&self) -> String {
        self.secret.public_key().to_base64()
    }

    /// `serde_json` sorts keys and writes no spaces: with ASCII and integers that is canonical
    /// JSON.
    pub fn sign(&self, object: &mut Value) {
        let mut bare = object.clone();
        bare.as_object_mut().unwrap().remove("signatures");
        bare.as_object_mut().unwrap().remove("unsigned");
        let signature = self
            .secret
            .sign(serde_json::to_string(&bare).unwrap().as_bytes())
            .to_base64();
        object["signatures"][&self.user_id][format!("ed25519:{}", self.name)] = signature.into();
    }

    /// The keys of this device, with its own signature.
    pub fn device_keys(&self) -> Value {
        let curve25519 = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";
        let mut keys = json!({
            "algorithms": ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"],
            "device_id": self.name,
            "user_id": self.user_id,
            "keys": {
                format!("curve25519:{}", self.name): curve25519,
                format!("ed25519:{}", self.name): self.public(),
            },
        });
        self.sign(&mut keys);
        keys
    }

    /// A one-time key of this device.
    pub fn one_time_key(&self, fallback: bool) -> Value {
        let mut key = json!({ "key": self.public() });
        if fallback {
            key["fallback"] = true.into();
        }
        self.sign(&mut key);
        key
    }

    /// The public form of this cross-signing key.
    pub fn published(&self, usage: &str, master: Option<&Signer>) -> Value {
        let id = format!("ed25519:{}", self.public());
        let mut key =
            json!({ "user_id": self.user_id, "usage": [usage], "keys": { id: self.public() } });
        if let Some(master) = master {
            master.sign(&mut key);
        }
        key
    }
}

/// A cross-signing identity.
pub struct IdentitySigners {
    pub master: Signer,
    pub self_signing: Signer,
    pub user_signing: Signer,
}

impl IdentitySigners {
    pub fn new(user_id: &str) -> Self {
        let [master, self_signing, user_signing] = [(); 3].map(|()| Signer::cross_signing(user_id));
        Self {
            master,
            self_signing,
            user_signing,
        }
    }

    pub fn upload(&self) -> Value {
        json!({
            "master_key": self.master.published("master", None),
            "self_signing_key": self.self_signing.published("self_signing", Some(&self.master)),
            "user_signing_key": self.user_signing.published("user_signing", Some(&self.master)),
        })
    }
}
