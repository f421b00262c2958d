//! A client of an OAuth server: registration, codes, tokens, and their end.

use std::collections::VecDeque;

use crate::server::{Reply, Server, http};
use matrix_qr_device::DeviceName;
use matrix_qr_device::discovery::{DiscoveryError, ServerMetadata};
use matrix_qr_device::oauth::{Client, OAuth, OAuthError, TokenOutcome, Tokens};
use matrix_qr_device::secret::Secret;
use matrix_qr_protocol::error::ToUserError;
use serde_json::{Value, json};

fn metadata(server: &Server) -> ServerMetadata {
    ServerMetadata {
        issuer: server.url.clone(),
        token_endpoint: server.at("/token"),
        registration_endpoint: Some(server.at("/register")),
        revocation_endpoint: Some(server.at("/revoke")),
        device_authorization_endpoint: Some(server.at("/device")),
        account_management_uri: None,
        grant_types_supported: None,
        scopes_supported: None,
    }
}

/// A server that gives these answers in turn, and a client of it.
async fn client(script: Vec<Reply>) -> (Server, OAuth) {
    let mut script = VecDeque::from(script);
    let server =
        Server::start(move |_| script.pop_front().unwrap_or_else(|| Reply::html(500))).await;
    let oauth = OAuth::resume(http(), metadata(&server), "client".to_owned());
    (server, oauth)
}

fn refusal(code: &str) -> Reply {
    Reply::json(
        400,
        json!({ "error": code, "error_description": "why\u{1b} not; obey" }),
    )
}

fn codes(uri: &str, complete: Option<&str>) -> Reply {
    Reply::json(200, codes_json(uri, complete))
}

fn codes_json(uri: &str, complete: Option<&str>) -> Value {
    json!({
        "device_code": "device-code-1", "user_code": "ABCDEF", "expires_in": 60, "interval": 1,
        "verification_uri": uri, "verification_uri_complete": complete,
    })
}

fn granted(access: &str, refresh: Option<&str>) -> Reply {
    let body = json!({ "access_token": access, "refresh_token": refresh, "token_type": "Bearer", "expires_in": 300 });
    Reply::json(200, body)
}

fn tokens() -> Tokens {
    Tokens {
        access_token: Secret::new("access-1"),
        refresh_token: Some(Secret::new("refresh-1")),
        expires_in: None,
    }
}

#[tokio::test]
async fn a_dynamic_client_registers() {
    let server =
        Server::start(|_| Reply::json(201, json!({ "client_id": "new-client", "x": 1 }))).await;
    let oauth = OAuth::connect(http(), metadata(&server), &Client::default())
        .await
        .unwrap();
    assert_eq!(oauth.client_id(), "new-client");
    assert_eq!(server.lines(), ["POST /register"]);
    let sent: Value = serde_json::from_slice(&server.asked()[0].body).unwrap();
    let expected = json!({
        "client_name": "matrix-qr",
        "client_uri": "https://github.com/matrix-qr/matrix-qr",
        "application_type": "native",
        "token_endpoint_auth_method": "none",
        "grant_types": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
        "response_types": [],
    });
    assert_eq!(sent, expected);
}

#[tokio::test]
async fn a_registered_client_does_not() {
    let server = Server::start(|_| Reply::html(500)).await;
    let client = Client::Registered("static-client".to_owned());
    let oauth = OAuth::connect(http(), metadata(&server), &client)
        .await
        .unwrap();
    assert_eq!(
        (oauth.client_id(), server.lines().len()),
        ("static-client", 0)
    );
}

#[tokio::test]
async fn registration_can_fail() {
    let register = |reply: Reply| async move {
        let server = Server::start(move |_| reply.clone()).await;
        OAuth::connect(http(), metadata(&server), &Client::default())
            .await
            .unwrap_err()
    };
    let error = register(refusal("invalid_client_metadata")).await;
    assert_eq!(
        error.advice(),
        "Ask its administrator for a client ID and give it with --client-id."
    );
    let OAuthError::NotRegistered {
        error, description, ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(
        (error.as_str(), description.as_deref()),
        ("invalid_client_metadata", Some("why\u{fffd} not; obey"))
    );
    assert!(matches!(
        register(Reply::html(502)).await,
        OAuthError::Unavailable { status: 502, .. }
    ));
    assert!(matches!(
        register(Reply::json(201, json!({}))).await,
        OAuthError::Malformed { .. }
    ));
    assert!(matches!(
        register(Reply::json(201, json!({ "client_id": "" }))).await,
        OAuthError::Malformed { .. }
    ));
    assert!(matches!(
        register(Reply::json(404, json!({}))).await,
        OAuthError::Malformed { .. }
    ));

    let server = Server::start(|_| Reply::html(500)).await;
    let without = ServerMetadata {
        registration_endpoint: None,
        ..metadata(&server)
    };
    let error = OAuth::connect(http(), without, &Client::default())
        .await
        .unwrap_err();
    assert!(
        matches!(error, OAuthError::NoRegistration { .. }),
        "{error:?}"
    );
    assert!(
        error
            .advice()
            .contains("client ID and give it with --client-id"),
        "{error}"
    );
}

/// A client ID that is given and registration point at each other.
#[tokio::test]
async fn a_client_id_that_is_not_known_is_the_commands() {
    let authorize = |client: Client, code: &'static str| async move {
        let server = Server::start(move |asked| match asked.path.as_str() {
            "/register" => Reply::json(201, json!({ "client_id": "new-client" })),
            _ => refusal(code),
        })
        .await;
        let oauth = OAuth::connect(http(), metadata(&server), &client)
            .await
            .unwrap();
        oauth.authorize_device("DEVICE").await.unwrap_err()
    };
    let given = || Client::Registered("of-old".to_owned());
    for code in ["invalid_client", "unauthorized_client"] {
        let error = authorize(given(), code).await;
        assert!(
            matches!(error, OAuthError::UnknownClient { .. }),
            "{error:?}"
        );
        assert!(
            error
                .advice()
                .starts_with("Check --client-id with its administrator, or leave it out"),
            "{error}"
        );
        assert!(matches!(
            authorize(Client::default(), code).await,
            OAuthError::Refused { .. }
        ));
    }
    assert!(matches!(
        authorize(given(), "invalid_scope").await,
        OAuthError::Refused { .. }
    ));
}

/// A page of a proxy is not the authorization server's word; whether to come back depends on its
/// status.
#[tokio::test]
async fn a_page_that_forbids_is_not_for_later() {
    for (status, later) in [(403, false), (404, false), (429, true), (503, true)] {
        let server = Server::start(move |_| Reply::html(status)).await;
        let error = OAuth::connect(http(), metadata(&server), &Client::default())
            .await
            .unwrap_err();
        let expected = if later {
            "Try again later."
        } else {
            "Tell its administrator."
        };
        assert_eq!(error.advice(), expected, "{error}");
    }
}

#[tokio::test]
async fn the_codes_come_with_the_stable_scopes() {
    let (server, oauth) = client(vec![codes(
        "HTTPS://A.example/link",
        Some("https://a.example/link?code=ABCDEF"),
    )])
    .await;
    let authorization = oauth.authorize_device("DEVICEIDDEVICEID").await.unwrap();
    assert_eq!(authorization.user_code(), "ABCDEF");
    let link = authorization.link();
    assert_eq!(link.verification_uri.as_str(), "https://a.example/link");
    assert_eq!(
        link.to_open().as_str(),
        "https://a.example/link?code=ABCDEF"
    );
    assert_eq!(
        (
            authorization.expires_in().as_secs(),
            authorization.interval().as_secs()
        ),
        (60, 1)
    );
    let asked = &server.asked()[0];
    assert_eq!(format!("{} {}", asked.method, asked.path), "POST /device");
    assert_eq!(
        asked.header("user-agent").unwrap(),
        concat!("matrix-qr/", env!("CARGO_PKG_VERSION"))
    );
    assert_eq!(asked.field("client_id").unwrap(), "client");
    assert_eq!(
        asked.field("scope").unwrap(),
        "urn:matrix:client:api:* urn:matrix:client:device:DEVICEIDDEVICEID"
    );
}

/// What the device is called goes into one request, with which the consent begins, and into no
/// other.
#[tokio::test]
async fn the_device_is_named_where_the_consent_begins() {
    let server = Server::start(|asked| match asked.path.as_str() {
        "/register" => Reply::json(201, json!({ "client_id": "new-client" })),
        "/device" => codes("https://a.example/", None),
        "/token" => granted("access-1", Some("refresh-1")),
        _ => Reply::new(200, &[], ""),
    })
    .await;
    let name = DeviceName::parse("Käthe's (1)").unwrap();
    let oauth = OAuth::connect(http(), metadata(&server), &Client::default())
        .await
        .unwrap()
        .on_device(&name);
    let authorization = oauth.authorize_device("DEVICE").await.unwrap();
    assert!(matches!(
        oauth.await_token(&authorization).await,
        TokenOutcome::Granted(_)
    ));
    oauth.refresh(&Secret::new("refresh-1")).await.unwrap();
    oauth.revoke(&tokens()).await.unwrap();
    let usual = concat!("matrix-qr/", env!("CARGO_PKG_VERSION"));
    for asked in server.asked() {
        let agent = asked.header("user-agent").unwrap();
        match asked.path.as_str() {
            "/device" => assert_eq!(agent, format!("{usual} (K-the's -1-; Linux)")),
            _ => assert_eq!(agent, usual, "{}", asked.path),
        }
    }
}

#[tokio::test]
async fn openid_is_asked_for_where_it_is_advertised() {
    let server = Server::start(|_| codes("https://a.example/", None)).await;
    let scopes = Some(vec!["openid".to_owned(), "email".to_owned()]);
    let metadata = ServerMetadata {
        scopes_supported: scopes,
        ..metadata(&server)
    };
    let oauth = OAuth::resume(http(), metadata, "client".to_owned());
    let authorization = oauth.authorize_device("DEVICE").await.unwrap();
    assert_eq!(authorization.link().verification_uri_complete, None);
    let scope = server.asked()[0].field("scope").unwrap();
    assert_eq!(
        scope,
        "openid urn:matrix:client:api:* urn:matrix:client:device:DEVICE"
    );
}

#[tokio::test]
async fn the_unstable_scopes_are_tried_once_and_only_for_invalid_scope() {
    let (server, oauth) = client(vec![
        refusal("invalid_scope"),
        codes("https://a.example/", None),
    ])
    .await;
    oauth.authorize_device("DEVICE").await.unwrap();
    let scope = server.asked()[1].field("scope").unwrap();
    let unstable = "urn:matrix:org.matrix.msc2967.client";
    assert_eq!(scope, format!("{unstable}:api:* {unstable}:device:DEVICE"));

    let (server, oauth) = client(vec![refusal("invalid_scope"), refusal("invalid_scope")]).await;
    let error = oauth.authorize_device("DEVICE").await.unwrap_err();
    assert!(
        matches!(error, OAuthError::Refused { ref error, .. } if error == "invalid_scope"),
        "{error:?}"
    );
    assert_eq!(server.count("POST"), 2);

    let (server, oauth) = client(vec![
        refusal("invalid_client"),
        codes("https://a.example/", None),
    ])
    .await;
    assert!(oauth.authorize_device("DEVICE").await.is_err());
    assert_eq!(server.count("POST"), 1);
}

#[tokio::test]
async fn codes_that_are_of_no_use_are_refused() {
    let long = format!("https://a.example/{}", "x".repeat(1100));
    // Each of these letters becomes six characters in what is sent.
    let grows = format!("https://a.example/{}", "é".repeat(400));
    let with = |field: &str, value: Value| {
        let mut json = codes_json("https://a.example/", None);
        json[field] = value;
        Reply::json(200, json)
    };
    let replies = [
        codes("not a URL", None),
        codes("https://a.example/", Some("not a URL")),
        codes(&long, None),
        codes(&grows, None),
        with("user_code", "".into()),
        with("user_code", "AB\u{1b}[2J".into()),
        with("user_code", "AB\u{202e}CD".into()),
        with("user_code", "AB\u{2028}CD".into()),
        with("user_code", "x".repeat(65).into()),
        with("device_code", Value::Null),
        with("expires_in", "soon".into()),
    ];
    for reply in replies {
        let (_server, oauth) = client(vec![reply.clone()]).await;
        let error = oauth.authorize_device("DEVICE").await.unwrap_err();
        assert!(
            matches!(error, OAuthError::Malformed { .. }),
            "{reply:?}: {error:?}"
        );
        assert!(!format!("{error} {error:?}").contains("device-code-1"));
    }
}

/// A person is to open them: what no request may go to is no link either. One of the two is enough.
#[tokio::test]
async fn a_link_that_must_not_be_opened_is_refused() {
    let good = "https://a.example/";
    for uri in [
        "javascript:alert(1)",
        "http://a.example/",
        "data:text/html,hello",
        "file:///etc/passwd",
        "intent://a.example/#Intent;scheme=https;end",
    ] {
        for reply in [codes(uri, Some(good)), codes(good, Some(uri))] {
            let (_server, oauth) = client(vec![reply]).await;
            let error = oauth.authorize_device("DEVICE").await.unwrap_err();
            let why = "its verification URI is not an https link";
            assert!(
                matches!(error, OAuthError::Malformed { why: this, .. } if this == why),
                "{uri}: {error:?}"
            );
            assert!(!format!("{error} {error:?}").contains(uri));
        }
    }
}

/// An answer that is not taken for its name alone could be the one with the token.
#[tokio::test]
async fn json_is_read_whatever_it_is_called() {
    for name in ["text/html", "text/plain; charset=utf-8", "", "nonsense"] {
        let called = |reply: Reply| match reply {
            Reply::Answer { status, body, .. } => {
                Reply::new(status, &[("Content-Type", name)], body)
            }
            reply => reply,
        };
        let script = [
            codes("https://a.example/", None),
            refusal("authorization_pending"),
            granted("access-1", None),
        ];
        let (_server, oauth) = client(script.map(called).into()).await;
        let authorization = oauth.authorize_device("DEVICE").await.unwrap();
        let outcome = oauth.await_token(&authorization).await;
        assert!(matches!(outcome, TokenOutcome::Granted(_)), "{outcome:?}");
    }
}

#[tokio::test]
async fn without_the_grant_nothing_is_asked() {
    let server = Server::start(|_| Reply::html(500)).await;
    let without = ServerMetadata {
        device_authorization_endpoint: None,
        ..metadata(&server)
    };
    let error = OAuth::resume(http(), without, "client".to_owned())
        .authorize_device("DEVICE")
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            OAuthError::Discovery(DiscoveryError::NoDeviceGrant { .. })
        ),
        "{error:?}"
    );
    assert_eq!(server.lines().len(), 0);
}

/// Over a real connection; the outcomes and the pauses are tested with a clock of their own beside
/// the code.
#[tokio::test]
async fn a_token_comes_through_error_pages_and_lost_connections() {
    let script = vec![
        codes("https://a.example/", None),
        refusal("authorization_pending"),
        Reply::html(502),
        Reply::Close,
        Reply::html(403),
        granted("access-1", Some("refresh-1")),
    ];
    let (server, oauth) = client(script).await;
    let authorization = oauth.authorize_device("DEVICE").await.unwrap();
    let outcome = oauth.await_token(&authorization).await;
    let TokenOutcome::Granted(granted) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(
        (granted.access_token, granted.refresh_token),
        (tokens().access_token, tokens().refresh_token)
    );
    for asked in &server.asked()[1..] {
        assert_eq!(asked.path, "/token");
        assert_eq!(
            asked.field("grant_type").unwrap(),
            "urn:ietf:params:oauth:grant-type:device_code"
        );
        assert_eq!(asked.field("device_code").unwrap(), "device-code-1");
        assert_eq!(asked.field("client_id").unwrap(), "client");
    }
    assert_eq!(server.count("POST"), 6);
}

#[tokio::test]
async fn a_refresh_brings_new_tokens() {
    let (server, oauth) = client(vec![
        granted("access-2", Some("refresh-2")),
        granted("access-3", None),
    ])
    .await;
    let fresh = oauth.refresh(&Secret::new("refresh-1")).await.unwrap();
    assert_eq!(
        (
            fresh.access_token.expose(),
            fresh.refresh_token.unwrap().expose()
        ),
        ("access-2", "refresh-2")
    );
    let asked = &server.asked()[0];
    assert_eq!(asked.field("grant_type").unwrap(), "refresh_token");
    assert_eq!(asked.field("refresh_token").unwrap(), "refresh-1");
    assert_eq!(asked.field("client_id").unwrap(), "client");
    // A server that does not rotate: the old one stays good.
    let fresh = oauth.refresh(&Secret::new("refresh-2")).await.unwrap();
    assert_eq!(
        (
            fresh.access_token.expose(),
            fresh.refresh_token.unwrap().expose()
        ),
        ("access-3", "refresh-2")
    );
}

#[tokio::test]
async fn a_refresh_is_not_repeated() {
    for reply in [refusal("invalid_grant"), Reply::html(502), Reply::Close] {
        let (server, oauth) = client(vec![reply.clone()]).await;
        let error = oauth.refresh(&Secret::new("refresh-1")).await.unwrap_err();
        assert_eq!(
            error.is_transient(),
            !matches!(error, OAuthError::Refused { .. }),
            "{reply:?}: {error:?}"
        );
        assert_eq!(server.count("POST"), 1);
        assert!(!format!("{error} {error:?}").contains("refresh-1"));
    }
}

fn revoked(server: &Server) -> Vec<(String, String)> {
    let asked = server.asked().into_iter();
    asked
        .map(|asked| {
            (
                asked.field("token_type_hint").unwrap(),
                asked.field("token").unwrap(),
            )
        })
        .collect()
}

fn pair(hint: &str, token: &str) -> (String, String) {
    (hint.to_owned(), token.to_owned())
}

#[tokio::test]
async fn the_refresh_token_is_revoked_first() {
    let (server, oauth) = client(vec![Reply::new(200, &[], ""), Reply::new(200, &[], "")]).await;
    oauth.revoke(&tokens()).await.unwrap();
    assert_eq!(
        revoked(&server),
        [
            pair("refresh_token", "refresh-1"),
            pair("access_token", "access-1")
        ]
    );
    assert_eq!(server.asked()[0].field("client_id").unwrap(), "client");
    assert_eq!(server.lines()[0], "POST /revoke");
}

#[tokio::test]
async fn a_revocation_survives_a_moment_of_trouble() {
    let fine = || Reply::new(200, &[], "");
    let (server, oauth) = client(vec![
        Reply::Close,
        Reply::html(503),
        fine(),
        Reply::html(429),
        fine(),
    ])
    .await;
    oauth.revoke(&tokens()).await.unwrap();
    assert_eq!(server.count("POST"), 5);
}

#[tokio::test]
async fn a_revocation_that_fails_says_so_and_still_ends_what_it_can() {
    let (server, oauth) = client(vec![refusal("invalid_client"), Reply::new(200, &[], "")]).await;
    let error = oauth.revoke(&tokens()).await.unwrap_err();
    assert!(matches!(error, OAuthError::Refused { .. }), "{error:?}");
    assert!(!format!("{error} {error:?}").contains("refresh-1"));
    assert_eq!(revoked(&server)[1], pair("access_token", "access-1"));

    let (server, oauth) = client(vec![]).await;
    let error = oauth.revoke(&tokens()).await.unwrap_err();
    assert!(
        matches!(error, OAuthError::Unavailable { status: 500, .. }),
        "{error:?}"
    );
    assert_eq!(server.count("POST"), 6);

    let without = ServerMetadata {
        revocation_endpoint: None,
        ..metadata(&server)
    };
    let error = OAuth::resume(http(), without, "client".to_owned())
        .revoke(&tokens())
        .await
        .unwrap_err();
    assert!(
        matches!(error, OAuthError::NoRevocation { .. }),
        "{error:?}"
    );
}
