//! The sandbox in front of Synapse, with a fake Synapse that implements only what an authorization
//! server calls.

use std::{
    io,
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{Path, Query, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use matrix_qr_sandbox::{Decision, Fault, Options, Sandbox, Synapse};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;
use zeroize::Zeroizing;

use crate::common::{self, FIRST, JsonResponse, TestEnv, options, reply, text};

const SECRET: &str = "between the two of us";
const NEW: &str = "NEW/DEVICE+1";

/// Responds like Synapse 1.163. It records the calls, and can be made to fail.
#[derive(Clone, Default)]
struct Fake(Arc<Mutex<Inner>>);

#[derive(Default)]
struct Inner {
    calls: Vec<(String, Value)>,
    is_broken: bool,
    issuer: Option<Url>,
}

impl Fake {
    async fn start(&self) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!(
            "http://localhost:{}/",
            listener.local_addr().unwrap().port()
        );
        let app = Router::new()
            .route("/_synapse/mas/{call}", post(tell).get(query))
            .route("/_matrix/client/v1/auth_metadata", get(auth_metadata))
            .with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        url.parse().unwrap()
    }

    /// The calls since the last time.
    fn calls(&self) -> Vec<(String, Value)> {
        std::mem::take(&mut self.0.lock().unwrap().calls)
    }

    fn break_down(&self, is_broken: bool) {
        self.0.lock().unwrap().is_broken = is_broken;
    }
}

/// The response to a call without the secret, and to every call while it fails.
fn refusal(fake: &Fake, headers: &HeaderMap) -> Option<Response> {
    let bearer = headers
        .get("authorization")
        .map(|value| value.to_str().unwrap());
    let error =
        json!({ "errcode": "M_UNKNOWN", "error": "This endpoint must only be called by MAS" });
    if bearer != Some("Bearer between the two of us") {
        return Some((StatusCode::FORBIDDEN, Json(error)).into_response());
    }
    fake.0
        .lock()
        .unwrap()
        .is_broken
        .then(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

async fn tell(
    State(fake): State<Fake>,
    Path(call): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Response {
    if let Some(refusal) = refusal(&fake, &headers) {
        return refusal;
    }
    let status = match call.as_str() {
        "provision_user" | "upsert_device" => StatusCode::CREATED,
        "delete_device" => StatusCode::NO_CONTENT,
        _ => StatusCode::NOT_FOUND,
    };
    fake.0.lock().unwrap().calls.push((call, body));
    (status, Json(json!({}))).into_response()
}

async fn query(
    State(fake): State<Fake>,
    Path(call): Path<String>,
    Query(query): Query<Value>,
    headers: HeaderMap,
) -> Response {
    if let Some(refusal) = refusal(&fake, &headers) {
        return refusal;
    }
    assert_eq!(call, "query_user");
    let localpart = query["localpart"].as_str().unwrap();
    let user_id = format!("@{localpart}:fake.example:8448");
    Json(json!({ "user_id": user_id, "is_deactivated": false })).into_response()
}

async fn auth_metadata(State(fake): State<Fake>) -> Response {
    match &fake.0.lock().unwrap().issuer {
        Some(issuer) => Json(json!({ "issuer": issuer, "more": "fields" })).into_response(),
        None => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

fn synapse(homeserver: Url, secret: &str) -> Synapse {
    Synapse::new(homeserver, Zeroizing::new(secret.to_owned())).unwrap()
}

/// Synapse's configuration names the issuer before it is started, so the test chooses a free port.
async fn start(fake: &Fake, options: Options) -> io::Result<Sandbox> {
    loop {
        let probe = TcpListener::bind("127.0.0.1:0").await?;
        let oauth_port = probe.local_addr()?.port();
        drop(probe);
        fake.0.lock().unwrap().issuer = format!("http://127.0.0.1:{oauth_port}").parse().ok();
        match Sandbox::start(Options {
            oauth_port,
            ..options.clone()
        })
        .await
        {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            outcome => return outcome,
        }
    }
}

async fn in_front_of_fake(options: Options) -> (TestEnv, Fake) {
    let fake = Fake::default();
    let synapse = Some(synapse(fake.start().await, SECRET));
    let sandbox = start(&fake, Options { synapse, ..options }).await.unwrap();
    (common::around(sandbox), fake)
}

impl TestEnv {
    async fn introspect(&self, secret: &str, token: &str) -> JsonResponse {
        let form = [("token", token), ("token_type_hint", "access_token")];
        reply(
            self.http
                .post(self.issuer("oauth2/introspect"))
                .bearer_auth(secret)
                .form(&form),
        )
        .await
    }

    async fn is_active(&self, token: &str) -> bool {
        let (status, body) = self.introspect(SECRET, token).await;
        assert_eq!(status, 200);
        body["active"].as_bool().unwrap()
    }
}

fn device(call: &str, id: &str, name: Option<&str>) -> (String, Value) {
    let mut body = json!({ "localpart": "alice", "device_id": id });
    if let Some(name) = name {
        body["display_name"] = name.into();
    }
    (call.to_owned(), body)
}

#[tokio::test]
async fn the_account_is_made_on_the_synapse_and_named_after_it() {
    let (env, fake) = in_front_of_fake(options()).await;
    assert_eq!(
        fake.calls(),
        [("provision_user".to_owned(), json!({ "localpart": "alice" }))]
    );
    assert_eq!(env.sandbox.user_id(), "@alice:fake.example:8448");
    assert_eq!(env.sandbox.server_name(), "fake.example:8448");
    assert_eq!(env.sandbox.homeserver().domain(), Some("localhost"));
}

#[tokio::test]
async fn beside_a_synapse_there_is_a_rendezvous_service_and_no_homeserver() {
    let (env, _fake) = in_front_of_fake(options()).await;
    let rendezvous = env.sandbox.rendezvous();
    let create = env
        .http
        .post(rendezvous.clone())
        .header("content-type", "text/plain")
        .body("hello");
    assert_eq!(create.send().await.unwrap().status(), 201);
    assert_eq!(env.sandbox.record().rendezvous_requests["POST"], 1);
    for path in [
        "/_matrix/client/v3/devices",
        "/_matrix/client/v1/auth_metadata",
        "/.well-known/matrix/client",
    ] {
        let answer = env
            .http
            .get(rendezvous.join(path).unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn the_first_sessions_device_is_told_before_its_token_works() {
    let (env, fake) = in_front_of_fake(options()).await;
    fake.calls();
    let first = env.sandbox.first_session(FIRST).await.unwrap();
    assert_eq!(
        fake.calls(),
        [device(
            "upsert_device",
            FIRST,
            Some("The sandbox's first device")
        )]
    );
    assert_eq!(first.user_id, "@alice:fake.example:8448");
    assert_eq!(env.sandbox.record().devices, [FIRST]);

    fake.break_down(true);
    let refused = env.sandbox.first_session("OTHERDEVICE").await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Synapse answered 500 to upsert_device: its log says why"
    );
    assert_eq!(env.sandbox.record().devices, [FIRST]);
}

#[tokio::test]
async fn introspection_says_whose_token_it_is_and_for_how_long() {
    let (env, _fake) = in_front_of_fake(options()).await;
    let first = env.sandbox.first_session(FIRST).await.unwrap();
    let (status, body) = env.introspect(SECRET, &first.access_token).await;
    assert_eq!((status.as_u16(), &body["active"]), (200, &json!(true)));
    assert_eq!(body["username"], "alice");
    assert_eq!(body["sub"], "@alice:fake.example:8448");
    assert_eq!(body["device_id"], FIRST);
    assert_eq!(body["scope"], common::scope(FIRST));
    // Not more than the remaining time: some of the 300 seconds have passed.
    assert!(
        (200..300).contains(&body["expires_in"].as_u64().unwrap()),
        "{body}"
    );
}

#[tokio::test]
async fn what_is_no_live_access_token_is_inactive_and_nothing_more_is_said() {
    let (env, _fake) = in_front_of_fake(options()).await;
    let first = env.sandbox.first_session(FIRST).await.unwrap();
    for dead in [first.refresh_token.as_str(), "nonsense", ""] {
        let (status, body) = env.introspect(SECRET, dead).await;
        assert_eq!((status.as_u16(), body), (200, json!({ "active": false })));
    }
    let expiring = Options {
        access_token_lifetime: Duration::ZERO,
        ..options()
    };
    let (env, _fake) = in_front_of_fake(expiring).await;
    let expired = env.sandbox.first_session(FIRST).await.unwrap();
    assert!(!env.is_active(&expired.access_token).await);
}

#[tokio::test]
async fn only_who_has_the_secret_may_introspect() {
    let (env, _fake) = in_front_of_fake(options()).await;
    let token = env.sandbox.first_session(FIRST).await.unwrap().access_token;
    for guess in ["", "between the two of u", "between the two of us!", &token] {
        let (status, body) = env.introspect(guess, &token).await;
        assert_eq!(
            (status.as_u16(), &body["error"]),
            (401, &json!("invalid_client")),
            "{guess}"
        );
    }
    let nobody = env
        .http
        .post(env.issuer("oauth2/introspect"))
        .form(&[("token", &token)]);
    assert_eq!(reply(nobody).await.0, 401);
    assert!(env.is_active(&token).await);

    let without_synapse = common::env().await;
    let token = without_synapse.first().await;
    for guess in ["", SECRET] {
        assert_eq!(without_synapse.introspect(guess, &token).await.0, 401);
    }
}

#[tokio::test]
async fn a_device_is_told_when_it_is_allowed_and_not_before() {
    let (env, fake) = in_front_of_fake(options()).await;
    let client_id = env.client_id().await;
    let (device_code, user_code) = env.begin(&client_id, NEW).await;
    assert_eq!(
        env.poll(&client_id, &device_code).await.1["error"],
        "authorization_pending"
    );
    assert_eq!(fake.calls().len(), 1, "only the account was made");
    assert!(env.sandbox.decide(&user_code, Decision::Allow));
    let (status, tokens) = env.poll(&client_id, &device_code).await;
    assert_eq!(status, 200);
    assert_eq!(
        fake.calls(),
        [device("upsert_device", NEW, Some("A new device"))]
    );
    assert!(env.is_active(&text(&tokens, "access_token")).await);
    assert_eq!(env.sandbox.record().devices, [NEW]);
}

#[tokio::test]
async fn a_device_that_is_denied_is_never_told() {
    let (env, fake) = in_front_of_fake(options()).await;
    let client_id = env.client_id().await;
    env.sandbox.faults().set(Fault::ConsentDenied);
    let (device_code, _) = env.begin(&client_id, NEW).await;
    assert_eq!(
        env.poll(&client_id, &device_code).await.1["error"],
        "access_denied"
    );
    assert_eq!(fake.calls().len(), 1, "only the account was made");
}

#[tokio::test]
async fn where_the_synapse_cannot_be_told_the_code_is_not_used_up() {
    let (env, fake) = in_front_of_fake(options()).await;
    let client_id = env.client_id().await;
    let (device_code, user_code) = env.begin(&client_id, NEW).await;
    env.sandbox.decide(&user_code, Decision::Allow);
    fake.break_down(true);
    let (status, body) = env.poll(&client_id, &device_code).await;
    assert_eq!(
        (status.as_u16(), &body["error"]),
        (503, &json!("temporarily_unavailable"))
    );
    assert_eq!(env.sandbox.record().devices, Vec::<String>::new());
    fake.break_down(false);
    assert_eq!(env.poll(&client_id, &device_code).await.0, 200);
}

#[tokio::test]
async fn a_refresh_changes_the_token_and_not_the_device() {
    let (env, fake) = in_front_of_fake(options()).await;
    let first = env.sandbox.first_session(FIRST).await.unwrap();
    fake.calls();
    let (_, fresh) = env.refresh(&first.client_id, &first.refresh_token).await;
    assert!(env.is_active(&text(&fresh, "access_token")).await);
    assert_eq!(fake.calls(), []);
}

#[tokio::test]
async fn a_revoked_device_is_deleted_with_its_last_session() {
    let (env, fake) = in_front_of_fake(options()).await;
    let client_id = env.client_id().await;
    let [one, two] = [
        env.sign_in(&client_id, NEW).await,
        env.sign_in(&client_id, NEW).await,
    ];
    let [one, two] = [text(&one, "access_token"), text(&two, "refresh_token")];
    fake.calls();
    assert_eq!(env.revoke(&client_id, &one).await.0, 200);
    assert_eq!(fake.calls(), []);
    assert!(!env.is_active(&one).await);
    assert_eq!(env.revoke(&client_id, &two).await.0, 200);
    assert_eq!(fake.calls(), [device("delete_device", NEW, None)]);
    assert_eq!(env.sandbox.record().devices, Vec::<String>::new());
    assert_eq!(env.revoke(&client_id, &two).await.0, 200);
    assert_eq!(fake.calls(), []);
}

/// RFC 7009, "Error Response": after a 503 the client must assume that the token still exists, and
/// may retry.
#[tokio::test]
async fn where_the_synapse_cannot_be_told_nothing_is_revoked() {
    let (env, fake) = in_front_of_fake(options()).await;
    let client_id = env.client_id().await;
    let token = text(&env.sign_in(&client_id, NEW).await, "access_token");
    fake.break_down(true);
    let (status, body) = env.revoke(&client_id, &token).await;
    assert_eq!(
        (status.as_u16(), &body["error"]),
        (503, &json!("temporarily_unavailable"))
    );
    assert!(env.is_active(&token).await);
    fake.break_down(false);
    fake.calls();
    assert_eq!(env.revoke(&client_id, &token).await.0, 200);
    assert_eq!(fake.calls(), [device("delete_device", NEW, None)]);
    assert!(!env.is_active(&token).await);
}

#[tokio::test]
async fn only_the_tokens_own_client_deletes_the_device() {
    let (env, fake) = in_front_of_fake(options()).await;
    let first = env.sandbox.first_session(FIRST).await.unwrap();
    let other = env.client_id().await;
    fake.calls();
    assert_eq!(env.revoke(&other, &first.access_token).await.0, 401);
    assert_eq!(fake.calls(), []);
    assert!(env.is_active(&first.access_token).await);
}

#[tokio::test]
async fn what_stands_in_the_way_is_said_when_it_starts() {
    let fake = Fake::default();
    let url = fake.start().await;
    let with = |synapse| Options {
        synapse: Some(synapse),
        ..options()
    };

    let error = start(&fake, with(synapse(url.clone(), "another secret")))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("Synapse answered 403 to provision_user"),
        "{error}"
    );
    assert!(!error.contains("another secret"), "{error}");

    let silent = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let nobody = synapse(format!("http://{silent}/").parse().unwrap(), SECRET);
    let error = start(&fake, with(nobody)).await.unwrap_err().to_string();
    assert!(
        error.contains("cannot be reached") && error.contains(&silent.to_string()),
        "{error}"
    );

    fake.0.lock().unwrap().issuer = "http://127.0.0.1:1/".parse().ok();
    let error = Sandbox::start(with(synapse(url.clone(), SECRET)))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("does not find the sandbox") && error.contains("http://127.0.0.1:1/"),
        "{error}"
    );

    fake.0.lock().unwrap().issuer = None;
    let error = Sandbox::start(with(synapse(url, SECRET)))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("does not find the sandbox") && error.contains("found: nothing"),
        "{error}"
    );
}

/// Synapse rejects metadata without an `account_management_uri`.
#[tokio::test]
async fn the_account_has_a_page() {
    let (env, _fake) = in_front_of_fake(options()).await;
    let (_, metadata) = reply(env.http.get(env.issuer(".well-known/openid-configuration"))).await;
    let page = text(&metadata, "account_management_uri");
    assert_eq!(page, env.issuer("account"));
    let mut client = common::client_metadata();
    client["client_name"] = "<script>".into();
    let (_, client) = env.register(&client).await;
    env.sign_in(&text(&client, "client_id"), NEW).await;
    let page = env
        .http
        .get(page)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    assert!(
        page.contains("@alice:fake.example:8448") && page.contains(NEW),
        "{page}"
    );
    assert!(
        page.contains("&lt;script&gt;") && !page.contains("<script>"),
        "{page}"
    );
}
