use std::time::Duration;

use matrix_qr_sandbox::Options;
use serde_json::{Value, json};

use crate::common::{FIRST, TestEnv, env, options, reply, text, world_with};

const NEW: &str = "NEWDEVICE1";

#[tokio::test]
async fn without_a_good_token_nothing() {
    let env = env().await;
    let (status, body) = reply(env.http.get(env.hs("v3/devices"))).await;
    assert_eq!(
        (status.as_u16(), &body["errcode"]),
        (401, &json!("M_MISSING_TOKEN"))
    );
    let (status, body) = env.get("nonsense", "v3/devices").await;
    assert_eq!(
        (status.as_u16(), &body["errcode"]),
        (401, &json!("M_UNKNOWN_TOKEN"))
    );
    assert_eq!(body["soft_logout"], false);
}

/// Every endpoint about the account requires an access token.
#[tokio::test]
async fn no_endpoint_forgets_to_ask() {
    let env = env().await;
    let endpoints = [
        ("GET", "v3/account/whoami"),
        ("GET", "v3/devices"),
        ("GET", "v3/devices/X"),
        ("POST", "v3/logout"),
        ("POST", "v3/keys/upload"),
        ("POST", "v3/keys/query"),
        ("POST", "v3/keys/claim"),
        ("POST", "v3/keys/device_signing/upload"),
        ("POST", "v3/keys/signatures/upload"),
        ("GET", "v3/room_keys/version"),
        ("POST", "v3/room_keys/version"),
        ("GET", "v3/room_keys/version/1"),
        ("PUT", "v3/room_keys/version/1"),
        ("GET", "v3/room_keys/keys?version=1"),
        ("PUT", "v3/room_keys/keys?version=1"),
        ("GET", "v3/room_keys/keys/r?version=1"),
        ("PUT", "v3/room_keys/keys/r?version=1"),
        ("GET", "v3/room_keys/keys/r/s?version=1"),
        ("PUT", "v3/room_keys/keys/r/s?version=1"),
        ("POST", "v3/createRoom"),
        ("GET", "v3/joined_rooms"),
        ("PUT", "v3/rooms/r/send/t/1"),
        ("GET", "v3/rooms/r/messages?dir=b"),
        ("GET", "v3/rooms/r/state"),
        ("GET", "v3/sync"),
        ("PUT", "v3/sendToDevice/t/1"),
        ("GET", "v3/user/u/account_data/t"),
        ("PUT", "v3/user/u/account_data/t"),
    ];
    for (method, path) in endpoints {
        let request = env
            .http
            .request(method.parse().unwrap(), env.hs(path))
            .json(&json!({}));
        let (status, body) = reply(request).await;
        assert_eq!(
            (status.as_u16(), &body["errcode"]),
            (401, &json!("M_MISSING_TOKEN")),
            "{method} {path}"
        );
    }
}

#[tokio::test]
async fn an_expired_token_is_a_soft_logout() {
    let env = world_with(Options {
        access_token_lifetime: Duration::ZERO,
        ..options()
    })
    .await;
    let (status, body) = env.get(&env.first().await, "v3/devices").await;
    assert_eq!(
        (status.as_u16(), &body["errcode"]),
        (401, &json!("M_UNKNOWN_TOKEN"))
    );
    assert_eq!(body["soft_logout"], true);
}

/// A session, refreshed once: `(env, client, the tokens before, the tokens now)`.
async fn refreshed() -> (TestEnv, String, Value, Value) {
    let env = env().await;
    let client_id = env.client_id().await;
    let before = env.sign_in(&client_id, NEW).await;
    let (status, now) = env
        .refresh(&client_id, &text(&before, "refresh_token"))
        .await;
    assert_eq!(status, 200);
    (env, client_id, before, now)
}

#[tokio::test]
async fn refresh_tokens_rotate() {
    let (env, client_id, before, now) = refreshed().await;
    assert_ne!(now["access_token"], before["access_token"]);
    assert_ne!(now["refresh_token"], before["refresh_token"]);
    let (_, who) = env
        .get(&text(&now, "access_token"), "v3/account/whoami")
        .await;
    assert_eq!(who["device_id"], NEW);
    let (status, body) = env
        .refresh(&client_id, &text(&before, "refresh_token"))
        .await;
    assert_eq!(
        (status.as_u16(), &body["error"]),
        (400, &json!("invalid_grant"))
    );
    let (status, body) = env
        .get(&text(&before, "access_token"), "v3/account/whoami")
        .await;
    assert_eq!(
        (status.as_u16(), &body["soft_logout"]),
        (401, &json!(true)),
        "it was replaced"
    );
}

/// The response may have been lost. As long as no client has used the new tokens, a repeat returns
/// them again.
#[tokio::test]
async fn a_refresh_can_be_repeated_until_its_outcome_is_used() {
    let (env, client_id, before, lost) = refreshed().await;
    let (status, now) = env
        .refresh(&client_id, &text(&before, "refresh_token"))
        .await;
    assert_eq!(status, 200);
    for token in [&lost, &before] {
        assert_eq!(
            env.get(&text(token, "access_token"), "v3/devices").await.0,
            401
        );
    }
    assert_eq!(
        env.refresh(&client_id, &text(&lost, "refresh_token"))
            .await
            .0,
        400
    );
    let (status, now) = env.refresh(&client_id, &text(&now, "refresh_token")).await;
    assert_eq!(status, 200);
    assert_eq!(
        env.refresh(&client_id, &text(&before, "refresh_token"))
            .await
            .0,
        400
    );
    assert_eq!(
        env.get(&text(&now, "access_token"), "v3/devices").await.0,
        200
    );
}

/// RFC 7009, section 2.2, as deployed: 200, and the session stays.
#[tokio::test]
async fn revoking_a_token_that_was_replaced_ends_nothing() {
    let (env, client_id, before, now) = refreshed().await;
    for kind in ["access_token", "refresh_token"] {
        assert_eq!(env.revoke(&client_id, &text(&before, kind)).await.0, 200);
    }
    assert_eq!(
        env.get(&text(&now, "access_token"), "v3/devices/NEWDEVICE1")
            .await
            .0,
        200
    );
    assert_eq!(env.sandbox.record().revocations, Vec::<String>::new());
}

#[tokio::test]
async fn revoking_a_token_that_has_expired_ends_nothing() {
    let env = world_with(Options {
        access_token_lifetime: Duration::ZERO,
        ..options()
    })
    .await;
    let client_id = env.client_id().await;
    let tokens = env.sign_in(&client_id, NEW).await;
    assert_eq!(
        env.revoke(&client_id, &text(&tokens, "access_token"))
            .await
            .0,
        200
    );
    assert_eq!(
        env.refresh(&client_id, &text(&tokens, "refresh_token"))
            .await
            .0,
        200
    );
}

/// The same with the form of the account page, which only that page can send.
#[tokio::test]
async fn the_account_page_removes_a_device() {
    let (env, _, _, now) = refreshed().await;
    let (_, page) = env.page(reqwest::Method::GET, "account").await;
    let (_, csrf) = page.split_once("name=\"csrf\" value=\"").unwrap();
    let csrf = csrf.split_once('"').unwrap().0;
    for (csrf, status) in [("guessed", 403), (csrf, 200)] {
        assert_eq!(
            env.get(&text(&now, "access_token"), "v3/devices").await.0,
            200
        );
        let form = env
            .http
            .post(env.issuer("account"))
            .form(&[("device", NEW), ("csrf", csrf)]);
        assert_eq!(form.send().await.unwrap().status(), status);
    }
    assert_eq!(
        env.get(&text(&now, "access_token"), "v3/devices").await.0,
        401
    );
    assert_eq!(env.sandbox.record().devices, Vec::<String>::new());
}

#[tokio::test]
async fn a_device_that_the_person_removes_has_no_session_any_more() {
    let (env, client_id, _, now) = refreshed().await;
    env.sandbox.remove_device(NEW).await.unwrap();
    assert_eq!(
        env.get(&text(&now, "access_token"), "v3/devices").await.0,
        401
    );
    let (status, body) = env.refresh(&client_id, &text(&now, "refresh_token")).await;
    assert_eq!(
        (status.as_u16(), &body["error"]),
        (400, &json!("invalid_grant"))
    );
    assert_eq!(env.sandbox.record().devices, Vec::<String>::new());
}

#[tokio::test]
async fn a_refresh_token_is_of_one_client() {
    let env = env().await;
    let first = env.sandbox.first_session(FIRST).await.unwrap();
    let other = env.client_id().await;
    let (status, body) = env.refresh(&other, &first.refresh_token).await;
    assert_eq!(
        (status.as_u16(), &body["error"]),
        (400, &json!("invalid_grant"))
    );
    assert_eq!(
        env.refresh(&first.client_id, &first.refresh_token).await.0,
        200
    );
}

#[tokio::test]
async fn revoking_either_token_removes_the_device() {
    for kind in ["access_token", "refresh_token"] {
        let env = env().await;
        let first = env.first().await;
        let client_id = env.client_id().await;
        let tokens = env.sign_in(&client_id, NEW).await;
        assert_eq!(env.revoke(&client_id, &text(&tokens, kind)).await.0, 200);
        assert_eq!(env.get(&first, "v3/devices/NEWDEVICE1").await.0, 404);
        let (status, body) = env
            .get(&text(&tokens, "access_token"), "v3/account/whoami")
            .await;
        assert_eq!(
            (status.as_u16(), &body["soft_logout"]),
            (401, &json!(false))
        );
        assert_eq!(
            env.refresh(&client_id, &text(&tokens, "refresh_token"))
                .await
                .0,
            400
        );
        assert_eq!(env.sandbox.record().revocations, [NEW]);
    }
}

#[tokio::test]
async fn only_the_tokens_own_client_revokes_it() {
    let env = env().await;
    let first = env.sandbox.first_session(FIRST).await.unwrap();
    let other = env.client_id().await;
    assert_eq!(env.revoke(&other, &first.access_token).await.0, 401);
    assert_eq!(env.get(&first.access_token, "v3/devices").await.0, 200);
    assert_eq!(
        env.revoke(&other, "unknown").await.0,
        200,
        "RFC 7009: as good as revoked"
    );
    assert_eq!(
        env.form("oauth2/revoke", &[("token", &first.access_token)])
            .await
            .0,
        401
    );
}

#[tokio::test]
async fn a_device_with_another_sign_in_stays() {
    let env = env().await;
    let client_id = env.client_id().await;
    let one = env.sign_in(&client_id, NEW).await;
    let two = env.sign_in(&client_id, NEW).await;
    env.revoke(&client_id, &text(&one, "access_token")).await;
    assert_eq!(
        env.get(&text(&two, "access_token"), "v3/devices/NEWDEVICE1")
            .await
            .0,
        200
    );
}

#[tokio::test]
async fn logout_is_a_revocation() {
    let env = env().await;
    let token = env.first().await;
    assert_eq!(env.post(&token, "v3/logout", &json!({})).await.0, 200);
    assert_eq!(env.get(&token, "v3/devices").await.0, 401);
    assert_eq!(env.sandbox.record().devices, Vec::<String>::new());
}

#[tokio::test]
async fn the_first_session_is_an_ordinary_one() {
    let env = env().await;
    let session = env.sandbox.first_session(FIRST).await.unwrap();
    let (_, body) = env.get(&session.access_token, "v3/devices").await;
    assert_eq!(body["devices"][0]["device_id"], FIRST);
    assert_eq!(env.sandbox.record().bootstrap, [FIRST]);
    assert!(env.sandbox.first_session("short").await.is_err());
    let debug = format!("{session:?}");
    assert!(!debug.contains(&session.access_token) && !debug.contains(&session.refresh_token));
}
