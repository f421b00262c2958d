//! A server between the device and the sandbox. It passes everything on, keeps a list, and lets a
//! test change an answer.

use std::sync::{Arc, Mutex};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{StatusCode, header},
    response::Response,
};
use serde_json::Value;
use url::Url;

/// What the sandbox answered, before it goes on to the device.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

type Meddle = Box<dyn FnMut(&str, &mut Answer) + Send>;

pub(crate) struct Proxy {
    pub(crate) url: Url,
    inner: Arc<Inner>,
}

struct Inner {
    sandbox: Url,
    client: reqwest::Client,
    meddle: Mutex<Option<Meddle>>,
    /// `POST /_matrix/client/v3/keys/query`, and the body.
    seen: Mutex<Vec<(String, Bytes)>>,
}

impl Proxy {
    pub(crate) async fn start(sandbox: Url) -> Self {
        let inner = Arc::new(Inner {
            sandbox,
            client: reqwest::Client::new(),
            meddle: Mutex::default(),
            seen: Mutex::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap())
            .parse()
            .unwrap();
        let app = Router::new().fallback(pass_on).with_state(inner.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, inner }
    }

    /// Changes every answer from now on. The text is the request's method and path.
    pub(crate) fn meddle(&self, meddle: impl FnMut(&str, &mut Answer) + Send + 'static) {
        *self.inner.meddle.lock().unwrap() = Some(Box::new(meddle));
    }

    pub(crate) fn behave(&self) {
        *self.inner.meddle.lock().unwrap() = None;
    }

    pub(crate) fn forget(&self) {
        self.inner.seen.lock().unwrap().clear();
    }

    /// Methods and paths in order.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.inner
            .seen
            .lock()
            .unwrap()
            .iter()
            .map(|(request, _)| request.clone())
            .collect()
    }

    pub(crate) fn bodies(&self, request: &str) -> Vec<Bytes> {
        let seen = self.inner.seen.lock().unwrap();
        seen.iter()
            .filter(|(this, _)| this == request)
            .map(|(_, body)| body.clone())
            .collect()
    }
}

async fn pass_on(State(inner): State<Arc<Inner>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let name = format!("{} {}", parts.method, parts.uri.path());
    inner
        .seen
        .lock()
        .unwrap()
        .push((name.clone(), body.clone()));
    let mut answer = ask(&inner, &parts, body).await;
    if let Some(meddle) = inner.meddle.lock().unwrap().as_mut() {
        meddle(&name, &mut answer);
    }
    Response::builder()
        .status(StatusCode::from_u16(answer.status).unwrap())
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from(answer.body.to_string()))
        .unwrap()
}

async fn ask(inner: &Inner, parts: &http::request::Parts, body: Bytes) -> Answer {
    let path = parts.uri.path_and_query().unwrap().as_str();
    let mut request = inner
        .client
        .request(parts.method.clone(), inner.sandbox.join(path).unwrap())
        .body(body);
    for name in [header::AUTHORIZATION, header::CONTENT_TYPE] {
        if let Some(value) = parts.headers.get(&name) {
            request = request.header(name, value);
        }
    }
    let answer = request.send().await.unwrap();
    Answer {
        status: answer.status().as_u16(),
        body: answer.json().await.unwrap_or_default(),
    }
}
