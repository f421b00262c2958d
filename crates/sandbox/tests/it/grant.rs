use std::time::Duration;

use matrix_qr_sandbox::{Decision, Options};
use serde_json::{Value, json};

use crate::common::{JsonResponse, TestEnv, env, options, scope, text, world_with};

const NEW: &str = "NEWDEVICE1";

fn error((status, body): &JsonResponse) -> (u16, &str) {
    (status.as_u16(), body["error"].as_str().unwrap_or_default())
}

#[tokio::test]
async fn a_grant_from_request_to_device() {
    let env = env().await;
    let first = env.first().await;
    let client_id = env.client_id().await;
    let (status, asked) = env.authorize(&client_id, &scope(NEW)).await;
    assert_eq!(status, 200);
    let (device_code, user_code) = (text(&asked, "device_code"), text(&asked, "user_code"));
    assert_eq!(asked["verification_uri"], env.issuer("link"));
    assert_eq!(
        asked["verification_uri_complete"],
        env.issuer(&format!("link?code={user_code}"))
    );
    assert_eq!(
        (&asked["expires_in"], &asked["interval"]),
        (&json!(1200), &json!(0))
    );

    assert_eq!(
        error(&env.poll(&client_id, &device_code).await),
        (400, "authorization_pending")
    );
    assert_eq!(env.sandbox.pending(), std::slice::from_ref(&user_code));
    assert_eq!(env.sandbox.next_pending().await, user_code);
    assert_eq!(env.get(&first, "v3/devices/NEWDEVICE1").await.0, 404);

    assert!(env.sandbox.decide(&user_code, Decision::Allow));
    assert!(
        !env.sandbox.decide(&user_code, Decision::Deny),
        "a decision is final"
    );
    let (status, tokens) = env.poll(&client_id, &device_code).await;
    assert_eq!(status, 200);
    assert_eq!(
        (&tokens["token_type"], &tokens["expires_in"]),
        (&json!("Bearer"), &json!(300))
    );
    assert_eq!(tokens["scope"], scope(NEW));
    assert_eq!(env.get(&first, "v3/devices/NEWDEVICE1").await.0, 200);
    let (_, who) = env
        .get(&text(&tokens, "access_token"), "v3/account/whoami")
        .await;
    assert_eq!(
        (&who["device_id"], &who["user_id"]),
        (&json!(NEW), &json!(env.sandbox.user_id()))
    );
    assert_eq!(
        error(&env.poll(&client_id, &device_code).await),
        (400, "invalid_grant")
    );
    assert_eq!(env.sandbox.record().token_polls, 3);
}

#[tokio::test]
async fn the_code_need_not_be_offered_filled_in() {
    let env = world_with(Options {
        auto_fill_code: false,
        ..options()
    })
    .await;
    let client_id = env.client_id().await;
    let (_, asked) = env.authorize(&client_id, &scope(NEW)).await;
    assert_eq!(asked.get("verification_uri_complete"), None);
}

#[tokio::test]
async fn next_pending_waits_for_a_grant() {
    let env = env().await;
    let client_id = env.client_id().await;
    let (waited, (_, user_code)) =
        tokio::join!(env.sandbox.next_pending(), env.begin(&client_id, NEW));
    assert_eq!(waited, user_code);
}

#[tokio::test]
async fn a_denied_grant_stays_denied() {
    let env = env().await;
    let client_id = env.client_id().await;
    let (device_code, user_code) = env.begin(&client_id, NEW).await;
    assert!(env.sandbox.decide(&user_code, Decision::Deny));
    for _ in 0..2 {
        assert_eq!(
            error(&env.poll(&client_id, &device_code).await),
            (400, "access_denied")
        );
    }
    assert_eq!(env.sandbox.record().devices, Vec::<String>::new());
}

#[tokio::test]
async fn an_expired_grant_can_be_neither_decided_nor_collected() {
    let env = world_with(Options {
        grant_lifetime: Duration::ZERO,
        ..options()
    })
    .await;
    let client_id = env.client_id().await;
    let (device_code, user_code) = env.begin(&client_id, NEW).await;
    assert!(!env.sandbox.decide(&user_code, Decision::Allow));
    assert_eq!(env.sandbox.pending(), Vec::<String>::new());
    assert_eq!(
        error(&env.poll(&client_id, &device_code).await),
        (400, "expired_token")
    );
}

#[tokio::test]
async fn polling_faster_than_the_interval_is_slowed_down() {
    let env = world_with(Options {
        token_interval: Duration::from_secs(60),
        ..options()
    })
    .await;
    let client_id = env.client_id().await;
    let (device_code, user_code) = env.begin(&client_id, NEW).await;
    assert_eq!(
        error(&env.poll(&client_id, &device_code).await),
        (400, "authorization_pending")
    );
    env.sandbox.decide(&user_code, Decision::Allow);
    assert_eq!(
        error(&env.poll(&client_id, &device_code).await),
        (400, "slow_down")
    );
}

#[tokio::test]
async fn a_device_code_is_of_one_client() {
    let env = env().await;
    let client_id = env.client_id().await;
    let mut other = crate::common::client_metadata();
    other["client_name"] = "Another".into();
    let (_, other) = env.register(&other).await;
    let (device_code, user_code) = env.begin(&client_id, NEW).await;
    env.sandbox.decide(&user_code, Decision::Allow);
    let stolen = env.poll(&text(&other, "client_id"), &device_code).await;
    assert_eq!(error(&stolen), (400, "invalid_grant"));
    assert_eq!(
        error(&env.poll("nobody", &device_code).await),
        (401, "invalid_client")
    );
    assert_eq!(env.poll(&client_id, &device_code).await.0, 200);
}

#[tokio::test]
async fn what_may_be_asked_for() {
    let env = env().await;
    let client_id = env.client_id().await;
    for good in [
        "urn:matrix:client:api:* urn:matrix:client:device:0123456789",
        "urn:matrix:org.matrix.msc2967.client:api:* urn:matrix:org.matrix.msc2967.client:device:a/b+c789012",
    ] {
        assert_eq!(env.authorize(&client_id, good).await.0, 200, "{good}");
    }
    for bad in [
        "",
        "urn:matrix:client:api:*",
        "urn:matrix:client:device:0123456789",
        "urn:matrix:client:api:* urn:matrix:client:device:012345678",
        "urn:matrix:client:api:* urn:matrix:client:device:0123456789 urn:matrix:client:device:1123456789",
        "urn:matrix:client:api:* urn:matrix:client:device:0123456789 urn:synapse:admin:*",
    ] {
        assert_eq!(
            error(&env.authorize(&client_id, bad).await),
            (400, "invalid_scope"),
            "{bad}"
        );
    }
    assert_eq!(
        error(&env.authorize("nobody", &scope(NEW)).await),
        (401, "invalid_client")
    );
}

#[tokio::test]
async fn malformed_requests_are_oauth_errors() {
    let env = env().await;
    let client_id = env.client_id().await;
    let missing = env
        .form("oauth2/device", &[("client_id", &client_id)])
        .await;
    assert_eq!(error(&missing), (400, "invalid_request"));
    let scope = scope(NEW);
    let twice = [
        ("client_id", client_id.as_str()),
        ("scope", &scope),
        ("scope", &scope),
    ];
    assert_eq!(
        error(&env.form("oauth2/device", &twice).await),
        (400, "invalid_request")
    );
    let password = [("grant_type", "password"), ("client_id", &client_id)];
    assert_eq!(
        error(&env.form("oauth2/token", &password).await),
        (400, "unsupported_grant_type")
    );
    let no_code = [
        ("grant_type", crate::common::DEVICE_CODE),
        ("client_id", &client_id),
    ];
    assert_eq!(
        error(&env.form("oauth2/token", &no_code).await),
        (400, "invalid_request")
    );
}

#[tokio::test]
async fn a_device_id_with_slash_and_plus_works_in_paths() {
    let env = env().await;
    let first = env.first().await;
    let client_id = env.client_id().await;
    let device_id = "a/b+c/d+e789";
    env.sign_in(&client_id, device_id).await;
    for path in [
        "v3/devices/a%2Fb%2Bc%2Fd%2Be789",
        "v3/devices/a%2Fb+c%2Fd+e789",
    ] {
        let (status, body): (_, Value) = env.get(&first, path).await;
        assert_eq!(
            (status.as_u16(), &body["device_id"]),
            (200, &json!(device_id)),
            "{path}"
        );
    }
}

/// A response that no cache may store.
#[tokio::test]
async fn token_answers_are_not_stored() {
    let env: TestEnv = env().await;
    let fields = [("grant_type", "password"), ("client_id", "x")];
    let response = env
        .http
        .post(env.issuer("oauth2/token"))
        .form(&fields)
        .send()
        .await
        .unwrap();
    assert_eq!(response.headers()["cache-control"], "no-store");
}
