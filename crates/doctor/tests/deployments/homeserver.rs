//! A homeserver and its authorization server that say what a test makes them say: only what is
//! known without an account.

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

/// What is said at a path: a status, whether any origin may read it, and a document.
#[derive(Clone)]
pub struct Said {
    pub status: u16,
    pub cors: bool,
    pub location: Option<String>,
    pub body: Value,
}

/// By path.
type AllSaid = Arc<Mutex<Vec<(&'static str, Said)>>>;

pub struct Homeserver {
    pub url: Url,
    said: AllSaid,
}

impl Homeserver {
    /// As it should be; rendezvous sessions are made there.
    pub async fn start(rendezvous: &Url) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let said = Arc::new(Mutex::new(good(&url, rendezvous)));
        let app = Router::new().fallback(answer).with_state(said.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, said }
    }

    /// `127.0.0.1:PORT`
    pub fn name(&self) -> String {
        self.url.authority().to_owned()
    }

    /// From now on something else is said at this path.
    pub fn change(&self, path: &str, change: impl FnOnce(&mut Said)) {
        let mut all = self.said.lock().unwrap();
        change(&mut all.iter_mut().find(|(known, _)| *known == path).unwrap().1);
    }
}

fn good(url: &Url, rendezvous: &Url) -> Vec<(&'static str, Said)> {
    let said = |status, body| Said {
        status,
        cors: true,
        location: None,
        body,
    };
    let metadata = metadata(url);
    let delegated = Said {
        location: Some(rendezvous.to_string()),
        ..said(307, Value::Null)
    };
    vec![
        (
            "/.well-known/matrix/client",
            said(200, json!({ "m.homeserver": { "base_url": url } })),
        ),
        (
            "/_matrix/client/versions",
            said(
                200,
                json!({ "versions": ["v1.15"], "unstable_features": { "org.matrix.msc4108": true } }),
            ),
        ),
        (
            "/_matrix/client/v1/auth_metadata",
            said(200, metadata.clone()),
        ),
        (
            "/.well-known/openid-configuration",
            said(200, metadata.clone()),
        ),
        (
            "/.well-known/oauth-authorization-server",
            said(404, metadata),
        ),
        (
            "/register",
            said(400, json!({ "error": "invalid_client_metadata" })),
        ),
        ("/device", said(401, json!({ "error": "invalid_client" }))),
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

async fn answer(State(said): State<AllSaid>, request: Request) -> Response {
    let all = said.lock().unwrap();
    let Some((_, said)) = all.iter().find(|(path, _)| *path == request.uri().path()) else {
        return (
            StatusCode::NOT_FOUND,
            Json(json!({ "errcode": "M_UNRECOGNIZED" })),
        )
            .into_response();
    };
    let options = request.method() == "OPTIONS";
    let status = if options { 204 } else { said.status };
    let mut response = (
        StatusCode::from_u16(status).unwrap(),
        Json(said.body.clone()),
    )
        .into_response();
    let headers = response.headers_mut();
    if said.cors {
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_ORIGIN,
            HeaderValue::from_static("*"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static("Content-Type"),
        );
    }
    if let Some(location) = said.location.as_ref().filter(|_| !options) {
        headers.insert(header::LOCATION, location.parse().unwrap());
    }
    response
}
