use serde_json::{Value, json};

use crate::common::{DEVICE_CODE, client_metadata, env};

#[tokio::test]
async fn what_is_registered_is_what_was_understood() {
    let env = env().await;
    let (status, mut body) = env.register(&client_metadata()).await;
    assert_eq!(status, 201);
    let client_id = body["client_id"].take();
    assert!(client_id.as_str().unwrap().len() >= 16);
    let expected = json!({
        "client_id": null,
        "client_name": "A new device",
        "client_uri": "https://client.example/about",
        "tos_uri": "https://client.example/tos",
        "grant_types": [DEVICE_CODE, "refresh_token"],
        "response_types": [],
        "token_endpoint_auth_method": "none",
    });
    assert_eq!(body, expected);
    let (_, again) = env.register(&client_metadata()).await;
    assert_eq!(again["client_id"], client_id);
}

#[tokio::test]
async fn links_may_be_on_a_subdomain() {
    let env = env().await;
    let mut metadata = client_metadata();
    metadata["logo_uri"] = "https://static.client.example:8443/logo.png".into();
    assert_eq!(env.register(&metadata).await.0, 201);
}

#[tokio::test]
async fn what_breaks_a_rule_is_refused() {
    let env = env().await;
    let rules: [(&str, Value); 13] = [
        ("client_uri", Value::Null),
        ("client_uri", "http://client.example/".into()),
        ("client_uri", "https://localhost/".into()),
        ("client_uri", "https://app.localhost/".into()),
        ("client_uri", "https://127.0.0.1/".into()),
        ("client_uri", "https://user@client.example/".into()),
        ("client_uri", "not a url".into()),
        ("tos_uri", "https://elsewhere.example/".into()),
        ("policy_uri", "https://notclient.example/".into()),
        ("logo_uri", "http://client.example/".into()),
        ("token_endpoint_auth_method", "client_secret_basic".into()),
        ("grant_types", json!(["refresh_token"])),
        ("client_name", "n".repeat(201).into()),
    ];
    for (field, value) in rules {
        let mut metadata = client_metadata();
        metadata[field] = value.clone();
        let (status, body) = env.register(&metadata).await;
        let error = (status.as_u16(), body["error"].as_str());
        assert_eq!(
            error,
            (400, Some("invalid_client_metadata")),
            "{field}: {value}"
        );
    }
}
