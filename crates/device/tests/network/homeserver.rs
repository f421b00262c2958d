//! What a homeserver says of the session, against one that says what a test wants.

use matrix_qr_device::{
    client_server_api::{Homeserver, HomeserverError, WhoAmI},
    secret::Secret,
};
use serde_json::{Value, json};

use crate::server::{Reply, Server, http};

async fn whoami(answer: Value) -> Result<WhoAmI, HomeserverError> {
    let server = Server::start(move |_| Reply::json(200, answer.clone())).await;
    Homeserver::new(http(), server.url.clone(), Secret::new("token"))
        .whoami()
        .await
}

/// They are shown to people, and handed to programs.
#[tokio::test]
async fn names_that_the_specification_does_not_allow_are_refused() {
    let user = |user_id: &str| whoami(json!({ "user_id": user_id, "device_id": "DEVICE" }));
    let long = format!("@{}:a.example", "x".repeat(250));
    for bad in [
        "@al\u{1b}[2Jice:a.example",
        "@al\nice:a.example",
        "@al\u{202e}ice:a.example",
        "@al\u{2028}ice:a.example",
        "@al ice:a.example",
        "@al\u{200b}ice:a.example",
        "@:a.example",
        "@alice:a.example:99999",
        "@alice:a\u{1b}.example",
        "alice",
        "",
        &long,
    ] {
        let error = user(bad).await.unwrap_err();
        assert!(
            matches!(error, HomeserverError::Malformed { .. }),
            "{bad:?}: {error:?}"
        );
    }
    for good in [
        "@alice:a.example",
        "@Alice!{}~:a.example:8448",
        "@a=2fb/c+d:[::1]",
    ] {
        assert_eq!(user(good).await.unwrap().user_id, good);
    }
    let long = "x".repeat(256);
    for bad in ["", "a b", "a\u{1b}[2J", "a\u{202e}", &long] {
        let answer = json!({ "user_id": "@alice:a.example", "device_id": bad });
        let error = whoami(answer).await.unwrap_err();
        assert!(
            matches!(error, HomeserverError::Malformed { .. }),
            "{bad:?}: {error:?}"
        );
    }
}

/// More seconds than a clock can hold.
#[tokio::test]
async fn a_server_cannot_ask_for_an_eternity() {
    for headers in [
        &[("Retry-After", "18446744073709551615")][..],
        &[("Retry-After", "9223372036854775807")],
        &[],
    ] {
        let limit = json!({ "errcode": "M_LIMIT_EXCEEDED", "retry_after_ms": u64::MAX });
        let reply = Reply::new(429, headers, limit.to_string());
        let server = Server::start(move |_| reply.clone()).await;
        let error = Homeserver::new(http(), server.url.clone(), Secret::new("token"))
            .whoami()
            .await
            .unwrap_err();
        assert!(
            matches!(error, HomeserverError::RateLimited { .. }),
            "{error:?}"
        );
        assert_eq!(server.lines().len(), 1, "it is not asked again");
    }
}
