use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::common::{TestEnv, client_metadata, env, scope, text};

const NEW: &str = "NEWDEVICE1";
const BANNER: &str = "matrix-qr sandbox: for tests and demos only";

/// The value of the hidden field.
fn hidden(page: &str, name: &str) -> String {
    let (_, rest) = page
        .split_once(&format!("name=\"{name}\" value=\""))
        .unwrap();
    rest.split_once('"').unwrap().0.to_owned()
}

async fn answer(env: &TestEnv, fields: &[(&str, &str)]) -> (StatusCode, String) {
    let response = env
        .http
        .post(env.issuer("link"))
        .form(fields)
        .send()
        .await
        .unwrap();
    (response.status(), response.text().await.unwrap())
}

#[tokio::test]
async fn a_person_allows_with_forms_alone() {
    let env = env().await;
    let client_id = env.client_id().await;
    let (device_code, user_code) = env.begin(&client_id, NEW).await;

    let (status, page) = env.page(Method::GET, "link").await;
    assert_eq!(status, 200);
    assert!(page.contains("id=\"code\" name=\"code\"") && page.contains(BANNER));
    let typed = format!(
        "link?code={}-{}",
        &user_code[..3].to_lowercase(),
        &user_code[3..]
    );
    let (status, page) = env.page(Method::GET, &typed).await;
    assert_eq!(status, 200);
    let user_id = env.sandbox.user_id();
    for shown in [
        "A new device",
        "client.example",
        &user_code,
        "Another device",
        &user_id,
        NEW,
        BANNER,
    ] {
        assert!(page.contains(shown), "{shown} in {page}");
    }
    assert!(page.contains("id=\"allow\" name=\"action\" value=\"allow\""));
    assert!(page.contains("id=\"deny\" name=\"action\" value=\"deny\""));

    let csrf = hidden(&page, "csrf");
    let fields = [
        ("code", hidden(&page, "code")),
        ("csrf", csrf),
        ("action", "allow".to_owned()),
    ];
    let fields = fields
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    let (status, page) = answer(&env, &fields).await;
    assert_eq!(status, 200);
    assert!(page.contains("id=\"result\"") && page.contains("Allowed"));
    assert_eq!(env.poll(&client_id, &device_code).await.0, 200);
    assert_eq!(answer(&env, &fields).await.0, 404, "a form works once");
}

/// As matrix-authentication-service derives it from the device authorization request.
#[tokio::test]
async fn a_device_is_called_after_its_user_agent() {
    let env = env().await;
    let client_id = env.client_id().await;
    for (agent, name) in [
        ("matrix-qr/1 (The attic; Linux)", "The attic"),
        ("matrix-qr/1", "Unknown device"),
        ("matrix-qr/1 (one part)", "Unknown device"),
        ("<b>/1 (<b>; Linux)", "&lt;b&gt;"),
    ] {
        let form = [("client_id", client_id.as_str()), ("scope", &scope(NEW))];
        let request = env
            .http
            .post(env.issuer("oauth2/device"))
            .header("user-agent", agent)
            .form(&form);
        let codes = request
            .send()
            .await
            .unwrap()
            .json::<serde_json::Value>()
            .await
            .unwrap();
        let (_, page) = env
            .page(
                Method::GET,
                &format!("link?code={}", text(&codes, "user_code")),
            )
            .await;
        assert!(
            page.contains(&format!("id=\"device-name\">{name}<")),
            "{agent}: {page}"
        );
    }
}

#[tokio::test]
async fn a_person_denies() {
    let env = env().await;
    let client_id = env.client_id().await;
    let (device_code, user_code) = env.begin(&client_id, NEW).await;
    let (_, page) = env
        .page(Method::GET, &format!("link?code={user_code}"))
        .await;
    let csrf = hidden(&page, "csrf");
    let (status, page) = answer(
        &env,
        &[("code", &user_code), ("csrf", &csrf), ("action", "deny")],
    )
    .await;
    assert_eq!(status, 200);
    assert!(page.contains("id=\"result\"") && page.contains("Denied"));
    assert_eq!(
        env.poll(&client_id, &device_code).await.1["error"],
        "access_denied"
    );
}

#[tokio::test]
async fn a_form_from_elsewhere_changes_nothing() {
    let env = env().await;
    let client_id = env.client_id().await;
    let (_, user_code) = env.begin(&client_id, NEW).await;
    let (_, page) = env
        .page(Method::GET, &format!("link?code={user_code}"))
        .await;
    let csrf = hidden(&page, "csrf");
    assert_eq!(
        answer(
            &env,
            &[("code", &user_code), ("csrf", "guess"), ("action", "allow")]
        )
        .await
        .0,
        403
    );
    assert_eq!(
        answer(&env, &[("code", &user_code), ("action", "allow")])
            .await
            .0,
        403
    );
    assert_eq!(
        answer(
            &env,
            &[("code", &user_code), ("csrf", &csrf), ("action", "maybe")]
        )
        .await
        .0,
        403
    );
    let fields = [
        ("code", user_code.as_str()),
        ("csrf", &csrf),
        ("action", "allow"),
    ];
    let cross = env
        .http
        .post(env.issuer("link"))
        .header("sec-fetch-site", "cross-site")
        .form(&fields);
    assert_eq!(cross.send().await.unwrap().status(), 403);
    assert_eq!(env.sandbox.pending(), std::slice::from_ref(&user_code));
}

#[tokio::test]
async fn a_code_that_nobody_waits_under_asks_again() {
    let env = env().await;
    let (status, page) = env.page(Method::GET, "link?code=BCDFGH").await;
    assert_eq!(status, 404);
    assert!(page.contains("id=\"result\"") && page.contains("id=\"code\""));
}

#[tokio::test]
async fn what_the_client_calls_itself_is_text() {
    let env = env().await;
    let mut metadata = client_metadata();
    metadata["client_name"] = "<script>alert('x')</script>\"&".into();
    let (_, client) = env.register(&metadata).await;
    let (status, asked) = env
        .authorize(&text(&client, "client_id"), &scope("NEW'DEVICE&1"))
        .await;
    assert_eq!(status, 200);
    let (_, page) = env
        .page(
            Method::GET,
            &format!("link?code={}", text(&asked, "user_code")),
        )
        .await;
    assert!(!page.contains("<script"), "{page}");
    assert!(page.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;"));
    assert!(page.contains("NEW&#39;DEVICE&amp;1"));
}

#[tokio::test]
async fn pages_run_nothing_and_cannot_be_framed() {
    let env = env().await;
    for path in ["link", "link?code=BCDFGH", "authorize"] {
        let response = env.http.get(env.issuer(path)).send().await.unwrap();
        let headers = response.headers().clone();
        let policy = headers["content-security-policy"].to_str().unwrap();
        for rule in [
            "default-src 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ] {
            assert!(policy.contains(rule), "{rule}");
        }
        assert_eq!(headers["x-frame-options"], "DENY");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
        assert!(response.text().await.unwrap().contains(BANNER));
    }
    let style = env.http.get(env.issuer("style.css")).send().await.unwrap();
    assert_eq!(style.headers()["content-type"], "text/css; charset=utf-8");
}

#[tokio::test]
async fn a_body_that_is_too_large_is_not_read() {
    let env = env().await;
    let body = json!({ "client_name": "n".repeat(100_000) });
    assert_eq!(env.register(&body).await.0, 400);
}
