use std::time::Duration;

use matrix_qr_sandbox::{Fault, LateServer};
use serde_json::{Value, json};

use crate::common::{
    FIRST, IdentitySigners, JsonResponse, Signer, TestEnv, client_metadata, env, faulty, reply,
    scope, text,
};

const NEW: &str = "NEWDEVICE1";

fn errcode((status, body): &JsonResponse) -> (u16, &str) {
    (
        status.as_u16(),
        body["errcode"].as_str().unwrap_or_default(),
    )
}

async fn metadata(env: &TestEnv) -> Value {
    reply(env.http.get(env.hs("v1/auth_metadata"))).await.1
}

/// The response to the first poll of a new grant.
async fn poll_error(env: &TestEnv) -> String {
    let client_id = env.client_id().await;
    let (device_code, _) = env.begin(&client_id, NEW).await;
    text(&env.poll(&client_id, &device_code).await.1, "error")
}

#[tokio::test]
async fn no_oauth() {
    let env = faulty(Fault::NoOauth).await;
    for path in ["v1/auth_metadata", "v1/auth_issuer"] {
        assert_eq!(
            errcode(&reply(env.http.get(env.hs(path))).await),
            (404, "M_UNRECOGNIZED")
        );
        let path = path.replace("v1", "unstable/org.matrix.msc2965");
        assert_eq!(
            errcode(&reply(env.http.get(env.hs(&path))).await),
            (404, "M_UNRECOGNIZED")
        );
    }
    let openid = env
        .http
        .get(env.issuer(".well-known/openid-configuration"))
        .send()
        .await
        .unwrap();
    assert_eq!(openid.status(), 404);
    env.sandbox.faults().unset(&Fault::NoOauth);
    assert!(metadata(&env).await["issuer"].is_string());
}

#[tokio::test]
async fn no_device_grant() {
    let metadata = metadata(&faulty(Fault::NoDeviceGrant).await).await;
    assert_eq!(metadata.get("device_authorization_endpoint"), None);
    assert_eq!(
        metadata["grant_types_supported"],
        json!(["authorization_code", "refresh_token"])
    );
}

/// The homeserver does not know about it.
#[tokio::test]
async fn device_grant_disabled() {
    let env = faulty(Fault::DeviceGrantDisabled).await;
    assert!(metadata(&env).await["device_authorization_endpoint"].is_string());
    let own = reply(env.http.get(env.issuer(".well-known/openid-configuration")))
        .await
        .1;
    assert_eq!(own.get("device_authorization_endpoint"), None);
    let (status, body) = env.authorize(&env.client_id().await, &scope(NEW)).await;
    assert_eq!(
        (status.as_u16(), text(&body, "error").as_str()),
        (400, "unauthorized_client")
    );
}

#[tokio::test]
async fn no_registration() {
    let metadata = metadata(&faulty(Fault::NoRegistration).await).await;
    assert_eq!(metadata.get("registration_endpoint"), None);
    assert!(metadata["device_authorization_endpoint"].is_string());
}

#[tokio::test]
async fn devices_that_are_not_what_they_are() {
    let env = faulty(Fault::DeviceIdTaken).await;
    let token = env.first().await;
    let (status, body) = env.get(&token, "v3/devices/NOBODYATALL").await;
    assert_eq!(
        (status.as_u16(), body),
        (200, json!({ "device_id": "NOBODYATALL" }))
    );

    env.sandbox.faults().clear();
    env.sandbox.faults().set(Fault::DeviceMissingAfterSuccess);
    let client_id = env.client_id().await;
    env.sign_in(&client_id, NEW).await;
    assert_eq!(
        errcode(&env.get(&token, "v3/devices/NEWDEVICE1").await),
        (404, "M_NOT_FOUND")
    );

    env.sandbox.faults().clear();
    assert_eq!(env.get(&token, "v3/devices/NEWDEVICE1").await.0, 200);
    env.sandbox.faults().set(Fault::DevicesError);
    assert_eq!(
        errcode(&env.get(&token, "v3/devices/NEWDEVICE1").await),
        (500, "M_UNKNOWN")
    );
}

#[tokio::test]
async fn a_device_names_itself_where_it_may() {
    let env = faulty(Fault::DeviceNameRefused).await;
    let token = env.first().await;
    let (path, name) = (
        format!("v3/devices/{FIRST}"),
        json!({ "display_name": "The attic" }),
    );
    assert_eq!(
        errcode(&env.put(&token, &path, &name).await),
        (403, "M_FORBIDDEN")
    );
    env.sandbox.faults().clear();
    assert_eq!(env.put(&token, &path, &name).await.0, 200);
    assert_eq!(env.get(&token, &path).await.1["display_name"], "The attic");
    assert_eq!(env.sandbox.record().device_names[FIRST], "The attic");
    let nobody = env.put(&token, "v3/devices/NOBODYATALL", &name).await;
    assert_eq!(errcode(&nobody), (404, "M_NOT_FOUND"));
}

#[tokio::test]
async fn devices_hang() {
    let env = faulty(Fault::DevicesHang).await;
    let token = env.first().await;
    tokio::select! {
        answer = env.get(&token, "v3/devices/X") => panic!("answered: {answer:?}"),
        (status, _) = env.get(&token, "v3/account/whoami") => assert_eq!(status, 200, "the rest answers"),
    }
}

#[tokio::test]
async fn verification_uris() {
    for (fault, scheme) in [
        (Fault::VerificationUriNotHttps, "http://not-https.example/"),
        (Fault::VerificationUriScript, "javascript:"),
        (
            Fault::VerificationUriElsewhere,
            "https://id.elsewhere.example/",
        ),
    ] {
        let env = faulty(fault).await;
        let client_id = env.client_id().await;
        let (_, body) = env.authorize(&client_id, &scope(NEW)).await;
        for field in ["verification_uri", "verification_uri_complete"] {
            assert!(text(&body, field).starts_with(scheme), "{body}");
        }
    }
}

#[tokio::test]
async fn outcomes_of_a_poll() {
    assert_eq!(
        poll_error(&faulty(Fault::ConsentDenied).await).await,
        "access_denied"
    );
    assert_eq!(
        poll_error(&faulty(Fault::AuthorizationExpired).await).await,
        "expired_token"
    );
    assert_eq!(
        poll_error(&faulty(Fault::SlowDown { times: 1 }).await).await,
        "slow_down"
    );
}

#[tokio::test]
async fn counted_faults_end() {
    let env = faulty(Fault::TokenPoll502 { times: 2 }).await;
    let client_id = env.client_id().await;
    let (device_code, _) = env.begin(&client_id, NEW).await;
    for _ in 0..2 {
        let fields = [("grant_type", "x")];
        let response = env
            .http
            .post(env.issuer("oauth2/token"))
            .form(&fields)
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 502);
        assert_eq!(
            response.headers()["content-type"],
            "text/html; charset=utf-8"
        );
        assert!(
            response
                .text()
                .await
                .unwrap()
                .contains("matrix-qr sandbox: for tests and demos only")
        );
    }
    assert_eq!(
        env.poll(&client_id, &device_code).await.1["error"],
        "authorization_pending"
    );
}

#[tokio::test]
async fn invalid_scope_once() {
    let env = faulty(Fault::InvalidScopeOnce).await;
    let client_id = env.client_id().await;
    assert_eq!(
        env.authorize(&client_id, &scope(NEW)).await.1["error"],
        "invalid_scope"
    );
    let unstable = scope(NEW).replace("urn:matrix:client", "urn:matrix:org.matrix.msc2967.client");
    assert_eq!(env.authorize(&client_id, &unstable).await.0, 200);
}

#[tokio::test]
async fn wrong_device() {
    let env = faulty(Fault::WrongDevice).await;
    let (_, body) = env.get(&env.first().await, "v3/account/whoami").await;
    assert_ne!(body["device_id"], FIRST);
}

#[tokio::test]
async fn wrong_identity_is_another_one_that_is_whole() {
    let env = env().await;
    let token = env.first().await;
    let user_id = env.sandbox.user_id();
    let identity = IdentitySigners::new(&user_id);
    env.post(&token, "v3/keys/device_signing/upload", &identity.upload())
        .await;
    env.sandbox.faults().set(Fault::WrongIdentity);
    let query = json!({ "device_keys": { &user_id: [] } });
    let (_, body) = env.post(&token, "v3/keys/query", &query).await;
    let master = body["master_keys"][&user_id]["keys"]
        .as_object()
        .unwrap()
        .values()
        .next()
        .unwrap()
        .clone();
    assert_ne!(master, identity.master.public());
    let master_id = format!("ed25519:{}", master.as_str().unwrap());
    for field in ["self_signing_keys", "user_signing_keys"] {
        let mut key = body[field][&user_id].clone();
        let signature = text(&key["signatures"][&user_id], &master_id);
        key.as_object_mut().unwrap().remove("signatures");
        let public = vodozemac::Ed25519PublicKey::from_base64(master.as_str().unwrap()).unwrap();
        let signature = vodozemac::Ed25519Signature::from_base64(&signature).unwrap();
        public
            .verify(serde_json::to_string(&key).unwrap().as_bytes(), &signature)
            .unwrap();
    }
}

#[tokio::test]
async fn key_uploads_fail_and_are_recorded() {
    for (fault, expected) in [
        (Fault::KeysUploadFails, (500, "M_UNKNOWN")),
        (Fault::KeysUploadRefused, (400, "M_INVALID_PARAM")),
    ] {
        let env = faulty(fault).await;
        let token = env.first().await;
        let device = Signer::device(&env.sandbox.user_id(), FIRST);
        let upload = json!({ "device_keys": device.device_keys() });
        assert_eq!(
            errcode(&env.post(&token, "v3/keys/upload", &upload).await),
            expected
        );
        let record = env.sandbox.record();
        assert_eq!(record.key_uploads.len(), 1);
        assert!(record.key_uploads[0].has_device_signature && !record.key_uploads[0].accepted);
        let query = json!({ "device_keys": { env.sandbox.user_id(): [] } });
        let (_, body) = env.post(&token, "v3/keys/query", &query).await;
        assert_eq!(body["device_keys"][env.sandbox.user_id()], json!({}));
    }
}

#[tokio::test]
async fn another_backup() {
    let env = env().await;
    let token = env.first().await;
    let key = "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE";
    let version = json!({ "algorithm": "m.megolm_backup.v1.curve25519-aes-sha2", "auth_data": { "public_key": key } });
    env.post(&token, "v3/room_keys/version", &version).await;
    env.sandbox.faults().set(Fault::BackupOtherVersion);
    assert_eq!(
        env.get(&token, "v3/room_keys/version").await.1["version"],
        "2"
    );
    env.sandbox.faults().clear();
    env.sandbox.faults().set(Fault::BackupOtherKey);
    let (_, body) = env.get(&token, "v3/room_keys/version").await;
    assert_ne!(body["auth_data"]["public_key"], key);
    vodozemac::Curve25519PublicKey::from_base64(&text(&body["auth_data"], "public_key")).unwrap();
    env.sandbox.faults().set(Fault::BackupDeleted);
    for path in ["version", "version/1", "keys?version=1"] {
        let path = &format!("v3/room_keys/{path}");
        let (status, body) = env.get(&token, path).await;
        assert_eq!(
            (status.as_u16(), &body["errcode"]),
            (404, &json!("M_NOT_FOUND"))
        );
    }
}

#[tokio::test]
async fn late_answers() {
    let late = |server, delay| Fault::LateAnswers { server, delay };
    let hour = Duration::from_secs(3600);
    let env = faulty(late(LateServer::Homeserver, hour)).await;
    let metadata = client_metadata();
    tokio::select! {
        answer = reply(env.http.get(env.hs("versions"))) => panic!("answered: {answer:?}"),
        (status, _) = env.register(&metadata) => assert_eq!(status, 201, "the rest is not late"),
    }
    env.sandbox.faults().clear();
    env.sandbox
        .faults()
        .set(late(LateServer::All, Duration::from_millis(500)));
    let versions = || reply(env.http.get(env.hs("versions")));
    let create = || env.http.post(env.sandbox.rendezvous()).send();
    assert_eq!(versions().await.0, 200, "late, but answered");
    let (one, other, created) = tokio::join!(versions(), env.register(&metadata), create());
    assert_eq!((one.0.as_u16(), other.0.as_u16()), (200, 201));
    created.unwrap();
    let record = env.sandbox.record();
    let mut late: Vec<_> = record
        .late_answers
        .iter()
        .map(|late| (late.server, late.request.as_str()))
        .collect();
    late.sort_unstable();
    assert_eq!(
        late,
        [
            ("authorization", "POST /oauth2/registration"),
            ("homeserver", "GET /_matrix/client/versions"),
            ("homeserver", "GET /_matrix/client/versions"),
            ("rendezvous", "POST /_matrix/client/v1/rendezvous"),
        ]
    );
    assert_eq!(record.answers_in_a_row().len(), 2, "three at the same time");
}

/// Every fault needs a test above.
#[test]
fn every_fault_is_tried() {
    let tests = [include_str!("faults.rs"), include_str!("rendezvous.rs")].concat();
    for known in Fault::all() {
        let variant = format!("{:?}", known.fault);
        let variant = variant.split([' ', '{']).next().unwrap();
        assert!(tests.contains(&format!("Fault::{variant}")), "{variant}");
    }
}

#[tokio::test]
async fn a_locked_account_refreshes_and_is_refused() {
    let env = env().await;
    let first = env.sandbox.first_session(FIRST).await.unwrap();
    env.sandbox.faults().set(Fault::AccountLocked);
    let (status, fresh) = env.refresh(&first.client_id, &first.refresh_token).await;
    assert_eq!(status, 200);
    let answer = env
        .get(&text(&fresh, "access_token"), "v3/account/whoami")
        .await;
    assert_eq!(errcode(&answer), (401, "M_UNKNOWN_TOKEN"));
}

#[tokio::test]
async fn a_revocation_fails_or_does_nothing() {
    for (fault, status) in [
        (Fault::RevocationFails, 503),
        (Fault::RevocationIgnored, 200),
    ] {
        let env = faulty(fault).await;
        let first = env.sandbox.first_session(FIRST).await.unwrap();
        assert_eq!(
            env.revoke(&first.client_id, &first.refresh_token).await.0,
            status
        );
        assert_eq!(env.get(&first.access_token, "v3/devices").await.0, 200);
    }
}

/// Only at the homeserver: the old issuer still serves its metadata.
#[tokio::test]
async fn the_homeserver_names_another_issuer() {
    let env = faulty(Fault::OtherIssuer).await;
    assert_ne!(
        metadata(&env).await["issuer"],
        env.sandbox.issuer().as_str()
    );
    let (_, own) = reply(env.http.get(env.issuer(".well-known/openid-configuration"))).await;
    assert_eq!(own["issuer"], env.sandbox.issuer().as_str());
}

#[tokio::test]
async fn an_upload_of_keys_may_hang() {
    let env = faulty(Fault::KeysUploadHangs).await;
    let token = env.first().await;
    let upload = env
        .http
        .post(env.hs("v3/keys/upload"))
        .bearer_auth(token)
        .json(&json!({}));
    assert!(
        upload
            .timeout(Duration::from_millis(200))
            .send()
            .await
            .is_err()
    );
    assert_eq!(env.sandbox.record().key_uploads.len(), 0);
}
