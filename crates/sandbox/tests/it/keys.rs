use matrix_qr_sandbox::RecordedUpload;
use serde_json::{Value, json};

use crate::common::{FIRST, IdentitySigners, JsonResponse, Signer, TestEnv, env, text};

const NEW: &str = "NEWDEVICE1";

/// An account before a sign-in by QR code: a first device that its cross-signing identity has
/// signed.
struct SignedAccount {
    env: TestEnv,
    token: String,
    identity: IdentitySigners,
    device: Signer,
}

async fn account() -> SignedAccount {
    let env = env().await;
    let token = env.first().await;
    let user_id = env.sandbox.user_id();
    let (identity, device) = (
        IdentitySigners::new(&user_id),
        Signer::device(&user_id, FIRST),
    );
    let mut keys = device.device_keys();
    assert_eq!(
        env.post(&token, "v3/keys/upload", &json!({ "device_keys": keys }))
            .await
            .0,
        200
    );
    let mut upload = identity.upload();
    device.sign(&mut upload["master_key"]);
    assert_eq!(
        env.post(&token, "v3/keys/device_signing/upload", &upload)
            .await
            .0,
        200
    );
    identity.self_signing.sign(&mut keys);
    let signed = json!({ &user_id: { FIRST: keys } });
    let (_, body) = env.post(&token, "v3/keys/signatures/upload", &signed).await;
    assert_eq!(body, json!({ "failures": {} }));
    SignedAccount {
        env,
        token,
        identity,
        device,
    }
}

impl SignedAccount {
    async fn query(&self) -> Value {
        let user_id = self.env.sandbox.user_id();
        let (status, body) = self
            .env
            .post(
                &self.token,
                "v3/keys/query",
                &json!({ "device_keys": { user_id: [] } }),
            )
            .await;
        assert_eq!(status, 200);
        body
    }

    /// A new device that is signed in, with its access token.
    async fn new_device(&self) -> (Signer, String) {
        let client_id = self.env.client_id().await;
        let tokens = self.env.sign_in(&client_id, NEW).await;
        (
            Signer::device(&self.env.sandbox.user_id(), NEW),
            text(&tokens, "access_token"),
        )
    }
}

fn errcode((status, body): &JsonResponse) -> (u16, &str) {
    (
        status.as_u16(),
        body["errcode"].as_str().unwrap_or_default(),
    )
}

#[tokio::test]
async fn what_is_published_is_what_was_signed() {
    let account = account().await;
    let user_id = account.env.sandbox.user_id();
    let found = account.query().await;
    let own = &found["device_keys"][&user_id][FIRST];
    assert_eq!(
        own["keys"][format!("ed25519:{FIRST}")],
        account.device.public()
    );
    let self_signing = format!("ed25519:{}", account.identity.self_signing.public());
    assert!(own["signatures"][&user_id][self_signing].is_string());
    assert!(own["unsigned"]["device_display_name"].is_string());
    for (field, key) in [
        ("master_keys", &account.identity.master),
        ("self_signing_keys", &account.identity.self_signing),
        ("user_signing_keys", &account.identity.user_signing),
    ] {
        let id = format!("ed25519:{}", key.public());
        assert_eq!(found[field][&user_id]["keys"][id], key.public(), "{field}");
    }
    let some = json!({ "device_keys": { &user_id: ["OTHER"], "@bob:example": [] } });
    let (_, body) = account
        .env
        .post(&account.token, "v3/keys/query", &some)
        .await;
    assert_eq!(body["device_keys"], json!({ user_id: {} }));
}

#[tokio::test]
async fn one_upload_with_both_signatures_is_recorded_as_such() {
    let account = account().await;
    let (device, token) = account.new_device().await;
    let mut keys = device.device_keys();
    account.identity.self_signing.sign(&mut keys);
    let upload = json!({ "device_keys": keys });
    assert_eq!(
        account.env.post(&token, "v3/keys/upload", &upload).await.0,
        200
    );
    let record = account.env.sandbox.record();
    assert_eq!(record.unsigned_moments, 0);
    let of_new: Vec<&RecordedUpload> = record
        .key_uploads
        .iter()
        .filter(|upload| upload.device_id == NEW)
        .collect();
    assert_eq!(of_new.len(), 1);
    assert!(of_new[0].accepted && of_new[0].has_device_keys);
    assert!(of_new[0].has_device_signature && of_new[0].has_self_signing_signature);
    assert_eq!(record.bootstrap, [FIRST]);
}

#[tokio::test]
async fn an_upload_without_the_self_signing_key_is_an_unsigned_moment() {
    let account = account().await;
    let (device, token) = account.new_device().await;
    let mut keys = device.device_keys();
    let upload = json!({ "device_keys": keys });
    assert_eq!(
        account.env.post(&token, "v3/keys/upload", &upload).await.0,
        200
    );
    let record = account.env.sandbox.record();
    assert_eq!(record.unsigned_moments, 1);
    assert!(
        !record
            .key_uploads
            .last()
            .unwrap()
            .has_self_signing_signature
    );

    // Signed later. The device was unverified before, and that is recorded.
    account.identity.self_signing.sign(&mut keys);
    let signed = json!({ account.env.sandbox.user_id(): { NEW: keys } });
    account
        .env
        .post(&account.token, "v3/keys/signatures/upload", &signed)
        .await;
    let upload = json!({ "device_keys": device.device_keys() });
    account.env.post(&token, "v3/keys/upload", &upload).await;
    assert_eq!(
        account.env.sandbox.record().unsigned_moments,
        1,
        "a repeated upload keeps the signature"
    );
}

#[tokio::test]
async fn device_keys_that_are_not_right_are_refused() {
    let account = account().await;
    let (device, token) = account.new_device().await;
    let user_id = account.env.sandbox.user_id();
    let good = device.device_keys();
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut keys = good.clone();
        change(&mut keys);
        keys
    };
    let signature = format!("ed25519:{NEW}");
    let stranger = Signer::cross_signing(&user_id);
    let other_device = Signer::device(&user_id, "SOMEOTHERONE").device_keys();
    let short = |keys: &mut Value| {
        keys["keys"][format!("curve25519:{NEW}")] = "AAAA".into();
        device.sign(keys);
    };
    let fraction = |keys: &mut Value| keys["extra"] = json!(0.5);
    for (bad, expected) in [
        (
            changed(&|keys| keys["algorithms"] = json!(["tampered"])),
            "M_INVALID_SIGNATURE",
        ),
        (
            changed(&|keys| keys["signatures"][&user_id][&signature] = "nonsense".into()),
            "M_INVALID_SIGNATURE",
        ),
        (
            changed(&|keys| keys["signatures"] = json!({})),
            "M_INVALID_SIGNATURE",
        ),
        (changed(&|keys| stranger.sign(keys)), "M_INVALID_SIGNATURE"),
        (
            changed(&|keys| keys["user_id"] = "@bob:example".into()),
            "M_INVALID_PARAM",
        ),
        (changed(&short), "M_INVALID_PARAM"),
        (changed(&fraction), "M_BAD_JSON"),
        (other_device, "M_INVALID_PARAM"),
    ] {
        let upload = json!({ "device_keys": bad });
        let answer = account.env.post(&token, "v3/keys/upload", &upload).await;
        assert_eq!(errcode(&answer), (400, expected), "{bad}");
    }
    let record = account.env.sandbox.record();
    assert!(
        record
            .key_uploads
            .iter()
            .all(|upload| upload.device_id != NEW || !upload.accepted)
    );
    let found = account.query().await;
    assert_eq!(found["device_keys"][&user_id].as_object().unwrap().len(), 1);
}

#[tokio::test]
async fn a_bad_signature_of_the_self_signing_key_is_refused() {
    let account = account().await;
    let (device, token) = account.new_device().await;
    let user_id = account.env.sandbox.user_id();
    let mut keys = device.device_keys();
    let id = format!("ed25519:{}", account.identity.self_signing.public());
    keys["signatures"][&user_id][id] =
        keys["signatures"][&user_id][format!("ed25519:{NEW}")].clone();
    let answer = account
        .env
        .post(&token, "v3/keys/upload", &json!({ "device_keys": keys }))
        .await;
    assert_eq!(errcode(&answer), (400, "M_INVALID_SIGNATURE"));
}

#[tokio::test]
async fn identity_keys_do_not_change() {
    let account = account().await;
    let same = json!({ "device_keys": account.device.device_keys() });
    assert_eq!(
        account
            .env
            .post(&account.token, "v3/keys/upload", &same)
            .await
            .0,
        200
    );
    let other = Signer::device(&account.env.sandbox.user_id(), FIRST);
    let upload = json!({ "device_keys": other.device_keys() });
    let answer = account
        .env
        .post(&account.token, "v3/keys/upload", &upload)
        .await;
    assert_eq!(errcode(&answer), (400, "M_INVALID_PARAM"));
}

#[tokio::test]
async fn one_time_keys_are_given_away_once_then_the_fallback_key() {
    let account = account().await;
    let user_id = account.env.sandbox.user_id();
    let (key, fallback) = (
        account.device.one_time_key(false),
        account.device.one_time_key(true),
    );
    let upload = json!({
        "one_time_keys": { "signed_curve25519:AAAAAQ": key },
        "fallback_keys": { "signed_curve25519:AAAAAg": fallback },
    });
    let (_, body) = account
        .env
        .post(&account.token, "v3/keys/upload", &upload)
        .await;
    assert_eq!(
        body,
        json!({ "one_time_key_counts": { "signed_curve25519": 1 } })
    );
    let (_, sync) = account.env.get(&account.token, "v3/sync").await;
    assert_eq!(
        sync["device_unused_fallback_key_types"],
        json!(["signed_curve25519"])
    );

    let claim = json!({ "one_time_keys": { &user_id: { FIRST: "signed_curve25519", "OTHER": "signed_curve25519" } } });
    for expected in [
        json!({ "signed_curve25519:AAAAAQ": key }),
        json!({ "signed_curve25519:AAAAAg": fallback }),
    ] {
        let (_, body) = account
            .env
            .post(&account.token, "v3/keys/claim", &claim)
            .await;
        assert_eq!(
            body["one_time_keys"],
            json!({ &user_id: { FIRST: expected } })
        );
    }
    let (_, sync) = account.env.get(&account.token, "v3/sync").await;
    assert_eq!(
        sync["device_one_time_keys_count"],
        json!({ "signed_curve25519": 0 })
    );
    assert_eq!(sync["device_unused_fallback_key_types"], json!([]));
}

#[tokio::test]
async fn one_time_keys_that_are_not_right_are_refused() {
    let account = account().await;
    let good = account.device.one_time_key(false);
    let mut tampered = good.clone();
    tampered["key"] = account.identity.master.public().into();
    let stranger = Signer::device(&account.env.sandbox.user_id(), FIRST).one_time_key(false);
    let keys = |id: &str, key: &Value| json!({ "one_time_keys": { id: key } });
    for (upload, expected) in [
        (
            keys("signed_curve25519:A", &tampered),
            "M_INVALID_SIGNATURE",
        ),
        (
            keys("signed_curve25519:A", &stranger),
            "M_INVALID_SIGNATURE",
        ),
        (
            keys("signed_curve25519:A", &json!({ "key": good["key"] })),
            "M_INVALID_SIGNATURE",
        ),
        (keys("signed_curve25519:A", &json!({})), "M_BAD_JSON"),
        (keys("curve25519:A", &good["key"]), "M_INVALID_PARAM"),
        (
            json!({ "fallback_keys": { "signed_curve25519:A": good } }),
            "M_INVALID_PARAM",
        ),
    ] {
        let answer = account
            .env
            .post(&account.token, "v3/keys/upload", &upload)
            .await;
        assert_eq!(errcode(&answer), (400, expected), "{upload}");
    }
    for _ in 0..2 {
        let upload = keys("signed_curve25519:A", &good);
        assert_eq!(
            account
                .env
                .post(&account.token, "v3/keys/upload", &upload)
                .await
                .0,
            200
        );
    }
    let mut other = json!({ "key": account.identity.master.public() });
    account.device.sign(&mut other);
    let upload = keys("signed_curve25519:A", &other);
    let answer = account
        .env
        .post(&account.token, "v3/keys/upload", &upload)
        .await;
    assert_eq!(
        errcode(&answer),
        (400, "M_INVALID_PARAM"),
        "the id is taken by another key"
    );
}

#[tokio::test]
async fn a_new_device_has_no_one_time_keys_before_its_own() {
    let account = account().await;
    let (device, token) = account.new_device().await;
    let upload = json!({ "one_time_keys": { "signed_curve25519:A": device.one_time_key(false) } });
    let answer = account.env.post(&token, "v3/keys/upload", &upload).await;
    assert_eq!(errcode(&answer), (400, "M_INVALID_PARAM"));
}

#[tokio::test]
async fn an_identity_that_is_not_right_is_refused() {
    let env = env().await;
    let token = env.first().await;
    let user_id = env.sandbox.user_id();
    let identity = IdentitySigners::new(&user_id);
    let stranger = Signer::cross_signing(&user_id);
    let changed = |field: &str, value: Value| {
        let mut upload = identity.upload();
        upload[field] = value;
        upload
    };
    let mut misnamed = identity.master.published("master", None);
    misnamed["keys"] = json!({ "ed25519:other": identity.master.public() });
    let mut theirs = identity.master.published("master", None);
    theirs["user_id"] = "@bob:example".into();
    for (upload, expected) in [
        (
            changed("self_signing_key", stranger.published("self_signing", None)),
            "M_INVALID_SIGNATURE",
        ),
        (
            changed(
                "user_signing_key",
                stranger.published("user_signing", Some(&stranger)),
            ),
            "M_INVALID_SIGNATURE",
        ),
        (
            changed("master_key", stranger.published("master", None)),
            "M_INVALID_SIGNATURE",
        ),
        (
            changed(
                "master_key",
                identity.master.published("self_signing", None),
            ),
            "M_INVALID_PARAM",
        ),
        (changed("master_key", misnamed), "M_INVALID_PARAM"),
        (changed("master_key", theirs), "M_INVALID_PARAM"),
        (changed("master_key", Value::Null), "M_INVALID_PARAM"),
        (
            changed(
                "master_key",
                identity.master.published("master", Some(&stranger)),
            ),
            "M_INVALID_SIGNATURE",
        ),
    ] {
        let answer = env
            .post(&token, "v3/keys/device_signing/upload", &upload)
            .await;
        assert_eq!(errcode(&answer), (400, expected), "{upload}");
    }
    let query = json!({ "device_keys": { user_id: [] } });
    assert_eq!(
        env.post(&token, "v3/keys/query", &query)
            .await
            .1
            .get("master_keys"),
        None
    );
}

#[tokio::test]
async fn an_identity_is_not_replaced() {
    let account = account().await;
    let path = "v3/keys/device_signing/upload";
    let other = IdentitySigners::new(&account.env.sandbox.user_id());
    let answer = account
        .env
        .post(&account.token, path, &other.upload())
        .await;
    assert_eq!(errcode(&answer), (403, "M_FORBIDDEN"));
    let another_part = json!({
        "self_signing_key": other.self_signing.published("self_signing", Some(&account.identity.master)),
    });
    let answer = account.env.post(&account.token, path, &another_part).await;
    assert_eq!(errcode(&answer), (403, "M_FORBIDDEN"));
    assert_eq!(
        account
            .env
            .post(&account.token, path, &account.identity.upload())
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn signatures_that_are_not_right_fail_each_on_its_own() {
    let account = account().await;
    let user_id = account.env.sandbox.user_id();
    let mut tampered = account.device.device_keys();
    tampered["algorithms"] = json!([]);
    account.device.sign(&mut tampered);
    account.identity.self_signing.sign(&mut tampered);
    let mut forged = account.identity.master.published("master", None);
    let id = format!("ed25519:{FIRST}");
    forged["signatures"] = json!({ &user_id: { id: "AAAA" } });
    let master = account.identity.master.public();
    let upload = json!({ &user_id: { FIRST: tampered, &master: forged, "OTHER": {} }, "@bob:example": { "X": {} } });
    let (status, body) = account
        .env
        .post(&account.token, "v3/keys/signatures/upload", &upload)
        .await;
    assert_eq!(status, 200);
    let failures = &body["failures"];
    assert_eq!(failures[&user_id][FIRST]["errcode"], "M_INVALID_SIGNATURE");
    assert_eq!(
        failures[&user_id][&master]["errcode"],
        "M_INVALID_SIGNATURE"
    );
    assert_eq!(failures[&user_id]["OTHER"]["errcode"], "M_NOT_FOUND");
    assert_eq!(failures["@bob:example"]["X"]["errcode"], "M_NOT_FOUND");
}

#[tokio::test]
async fn a_revoked_device_takes_its_keys_along() {
    let account = account().await;
    let (device, token) = account.new_device().await;
    let mut keys = device.device_keys();
    account.identity.self_signing.sign(&mut keys);
    account
        .env
        .post(&token, "v3/keys/upload", &json!({ "device_keys": keys }))
        .await;
    account.env.post(&token, "v3/logout", &json!({})).await;
    let found = account.query().await;
    assert_eq!(
        found["device_keys"][account.env.sandbox.user_id()]
            .as_object()
            .unwrap()
            .len(),
        1
    );
}
