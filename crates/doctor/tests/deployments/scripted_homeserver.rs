//! A homeserver and its authorization server whose responses a test can change: only those that
//! need no account.

use std::sync::{Arc, Mutex};

use axum::{
    Json, Router,
    extract::{Request, State},
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use url::Url;

/// The response at a path: a status, whether any origin may read it, and a document.
#[derive(Clone)]
pub struct ScriptedResponse {
    pub status: u16,
    pub cors: bool,
    pub location: Option<String>,
    pub body: Value,
}

/// By path.
type Script = Arc<Mutex<Vec<(&'static str, ScriptedResponse)>>>;

pub struct ScriptedHomeserver {
    pub url: Url,
    script: Script,
}

impl ScriptedHomeserver {
    /// Without a fault. It redirects the creation of sessions to `rendezvous`.
    pub async fn start(rendezvous: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let script = Arc::new(Mutex::new(good(&url, rendezvous)));
        let app = Router::new().fallback(respond).with_state(script.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, script }
    }

    /// `127.0.0.1:PORT`
    pub fn name(&self) -> String {
        self.url.authority().to_owned()
    }

    /// Changes the response at this path from now on.
    pub fn change(&self, path: &str, change: impl FnOnce(&mut ScriptedResponse)) {
        let mut all = self.script.lock().unwrap();
        change(&mut all.iter_mut().find(|(known, _)| *known == path).unwrap().1);
    }
}

fn good(url: &Url, rendezvous: &Url) -> Vec<(&'static str, ScriptedResponse)> {
    let response = |status, body| ScriptedResponse {
        status,
        cors: true,
        location: None,
        body,
    };
    let metadata = metadata(url);
    let features = json!({ "org.matrix.msc4108": true });
    let versions = json!({ "versions": ["v1.15"], "unstable_features": features });
    let delegated = ScriptedResponse {
        location: Some(rendezvous.to_string()),
        ..response(307, Value::Null)
    };
    vec![
        (
            "/.well-known/matrix/client",
            response(200, json!({ "m.homeserver": { "base_url": url } })),
        ),
        ("/_matrix/client/versions", response(200, versions)),
        (
            "/_matrix/client/v1/auth_metadata",
            response(200, metadata.clone()),
        ),
        (
            "/.well-known/openid-configuration",
            response(200, metadata.clone()),
        ),
        (
            "/.well-known/oauth-authorization-server",
            response(404, metadata),
        ),
        (
            "/register",
            response(400, json!({ "error": "invalid_client_metadata" })),
        ),
        (
            "/device",
            response(401, json!({ "error": "invalid_client" })),
        ),
        (
            "/_matrix/client/unstable/org.matrix.msc4108/rendezvous",
            delegated,
        ),
    ]
}

fn metadata(url: &Url) -> Value {
    let at = |path: &str| url.join(path).unwrap();
    json!({
        "issuer": url,
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("token"),
        "registration_endpoint": at("register"),
        "revocation_endpoint": at("revoke"),
        "device_authorization_endpoint": at("device"),
        "grant_types_supported": ["urn:ietf:params:oauth:grant-type:device_code", "refresh_token"],
    })
}

async fn respond(State(script): State<Script>, request: Request) -> Response {
    let all = script.lock().unwrap();
    let Some((_, scripted)) = all.iter().find(|(path, _)| *path == request.uri().path()) else {
        return (
            StatusCode::NOT_FOUND,
            Json(json!({ "errcode": "M_UNRECOGNIZED" })),
        )
            .into_response();
    };
    let options = request.method() == "OPTIONS";
    let status = if options { 204 } else { scripted.status };
    let mut response = (
        StatusCode::from_u16(status).unwrap(),
        Json(scripted.body.clone()),
    )
        .into_response();
    let headers = response.headers_mut();
    if scripted.cors {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Content-Type"),
        );
    }
    if let Some(location) = scripted.location.as_ref().filter(|_| !options) {
        headers.insert(header::LOCATION, location.parse().unwrap());
    }
    response
}
