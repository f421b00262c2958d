//! A server to test, and a client for it.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, body::Body, http::Request};
use matrix_qr_rendezvous::{Config, Rendezvous, Store, serve};
use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::oneshot,
    task::JoinHandle,
    time::timeout,
};
use tower::ServiceExt;
use url::Url;

use crate::stores::StoreBackend;
pub(crate) use crate::stores::TestStore;

pub(crate) const STABLE: &str = "/_matrix/client/v1/rendezvous";
pub(crate) const UNSTABLE: &str = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";
pub(crate) const BARE: &str = "/";
pub(crate) const CREATE_PATHS: [&str; 3] = [STABLE, UNSTABLE, BARE];

/// The public URL of the server. The tests connect to another address.
const PUBLIC_URL: &str = "https://rendezvous.example/below/";

pub(crate) struct TestServer<S: Store> {
    pub(crate) address: SocketAddr,
    pub(crate) rendezvous: Rendezvous<S>,
    client: Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<std::io::Result<()>>,
    _backend: StoreBackend,
}

impl<S: TestStore> TestServer<S> {
    pub(crate) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        Self::over(S::fresh(), change).await
    }
}

impl<S: Store> TestServer<S> {
    /// Starts it with a store, and keeps the Redis of that store.
    pub(crate) async fn over(
        (store, backend): (S, StoreBackend),
        change: impl FnOnce(&mut Config),
    ) -> Self {
        let mut config = Config::new(Url::parse(PUBLIC_URL).unwrap());
        config.drain = Duration::ZERO;
        // Most tests send no client address, so all their clients are in one network.
        (config.limits.creates, config.limits.requests) = (None, None);
        change(&mut config);
        let rendezvous = Rendezvous::with_store(store, config);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let shutdown = async move { drop(stopped.await) };
        let task = tokio::spawn(serve(listener, rendezvous.clone(), shutdown));
        let client = Client::builder().no_proxy().build().unwrap();
        Self {
            address,
            rendezvous,
            client,
            stop: Some(stop),
            task,
            _backend: backend,
        }
    }

    pub(crate) fn tell_to_stop(&mut self) {
        drop(self.stop.take());
    }

    /// Stops it, and waits for the end.
    pub(crate) async fn stop(mut self) {
        self.tell_to_stop();
        self.task.await.unwrap().unwrap();
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("http://{}{path}", self.address))
    }

    pub(crate) fn post(&self, path: &str, payload: impl Into<Vec<u8>>) -> RequestBuilder {
        self.request(Method::POST, path)
            .header("content-type", "text/plain")
            .body(payload.into())
    }

    pub(crate) async fn create_at(&self, path: &str, payload: &str) -> TextSession {
        let response = self.post(path, payload).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let etag = header(&response, "etag");
        let body: Value = response.json().await.unwrap();
        let url = body["url"].as_str().unwrap().to_owned();
        TextSession {
            path: url
                .strip_prefix("https://rendezvous.example/below")
                .unwrap()
                .to_owned(),
            url,
            etag,
        }
    }

    pub(crate) async fn create(&self, payload: &str) -> TextSession {
        self.create_at(STABLE, payload).await
    }

    pub(crate) async fn get(&self, session: &TextSession) -> Response {
        self.request(Method::GET, &session.path)
            .send()
            .await
            .unwrap()
    }

    pub(crate) fn poll(&self, session: &TextSession) -> RequestBuilder {
        self.request(Method::GET, &session.path)
            .header("if-none-match", &session.etag)
    }

    pub(crate) fn put(&self, session: &TextSession, payload: impl Into<Vec<u8>>) -> RequestBuilder {
        self.request(Method::PUT, &session.path)
            .header("content-type", "text/plain")
            .header("if-match", &session.etag)
            .body(payload.into())
    }

    pub(crate) async fn delete(&self, session: &TextSession) -> Response {
        self.request(Method::DELETE, &session.path)
            .send()
            .await
            .unwrap()
    }

    /// Waits until all sessions have ended. Fails when they never do.
    pub(crate) async fn until_empty(&self) {
        for _ in 0..1000 {
            if self.rendezvous.sessions() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("a session does not end");
    }

    /// Waits until this session has ended. Fails when it never does.
    pub(crate) async fn until_gone(&self, session: &TextSession) {
        for _ in 0..1000 {
            if self.get(session).await.status() == StatusCode::NOT_FOUND {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("the session does not end");
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends these bytes, and returns all that comes back until the server closes.
    pub(crate) async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        read_to_end(&mut stream).await
    }
}

/// A session of MSC4108's API.
#[derive(Clone)]
pub(crate) struct TextSession {
    pub(crate) url: String,
    /// The path below the public URL.
    pub(crate) path: String,
    /// The ETag of the last payload that was read.
    pub(crate) etag: String,
}

/// Everything until the server closes the connection. Fails if it never does.
pub(crate) async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = timeout(Duration::from_secs(20), stream.read_to_end(&mut bytes)).await;
    read.expect("the server leaves the connection open")
        .unwrap();
    String::from_utf8(bytes).unwrap()
}

pub(crate) fn header(response: &Response, name: &str) -> String {
    let values: Vec<_> = response.headers().get_all(name).iter().collect();
    assert_eq!(values.len(), 1, "{name} of {response:?}");
    values[0].to_str().unwrap().to_owned()
}

/// The status, error code and body of an error. Checks what every Matrix error must have.
pub(crate) async fn error(response: Response) -> (u16, String, Value) {
    let status = response.status().as_u16();
    assert_eq!(header(&response, "content-type"), "application/json");
    let body: Value = response.json().await.unwrap();
    assert!(!body["error"].as_str().unwrap().is_empty());
    (status, body["errcode"].as_str().unwrap().to_owned(), body)
}

pub(crate) async fn assert_error(response: Response, status: u16, errcode: &str) {
    let (got_status, got_errcode, _) = error(response).await;
    assert_eq!((got_status, got_errcode.as_str()), (status, errcode));
}

/// Checks the headers that every response about a live session has.
pub(crate) fn assert_session_headers(response: &Response) {
    let etag = header(response, "etag");
    assert!(
        etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'),
        "{etag}"
    );
    let time = |name| httpdate::parse_http_date(&header(response, name)).unwrap();
    assert!(time("last-modified") <= time("date"));
    assert!(time("date") <= time("expires"));
    assert_eq!(header(response, "cache-control"), "no-store, no-transform");
    assert_eq!(header(response, "pragma"), "no-cache");
}

/// Longer than a correct response takes, but shorter than the wait that the request asks for.
pub(crate) const SOON: Duration = Duration::from_secs(15);

/// Sends a request, and checks that the server holds it.
pub(crate) async fn held(request: RequestBuilder) -> JoinHandle<Response> {
    let task = tokio::spawn(async move { request.send().await.unwrap() });
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!task.is_finished());
    task
}

pub(crate) async fn answer(task: JoinHandle<Response>) -> Response {
    timeout(SOON, task)
        .await
        .expect("the server still holds it")
        .unwrap()
}

/// Two client networks.
pub(crate) const ONE: &str = "192.0.2.1";
pub(crate) const OTHER: &str = "192.0.2.2";

/// A request as a proxy on this machine forwards it.
pub(crate) trait FromAddress {
    fn from(self, address: &str) -> Self;
}

impl FromAddress for RequestBuilder {
    fn from(self, address: &str) -> Self {
        self.header("x-forwarded-for", address)
    }
}

pub(crate) async fn status(request: RequestBuilder) -> u16 {
    request.send().await.unwrap().status().as_u16()
}

/// Checks that the request is refused for now, with this error code and the usual headers.
pub(crate) async fn assert_refused_for_now(request: RequestBuilder, expected: &str) {
    let response = request.send().await.unwrap();
    let seconds: u64 = header(&response, "retry-after").parse().unwrap();
    assert!((1..=300).contains(&seconds), "{seconds}");
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    let (status, errcode, body) = error(response).await;
    assert_eq!((status, errcode.as_str()), (429, expected));
    assert_eq!(body["retry_after_ms"].as_u64(), Some(seconds * 1000));
}

/// A response of the operator's routes.
pub(crate) async fn ask(server: &TestServer<impl Store>, path: &str) -> (u16, String) {
    let router: Router = server.rendezvous.operations();
    let response = router
        .oneshot(Request::get(path).body(Body::empty()).unwrap())
        .await
        .unwrap();
    let status = response.status().as_u16();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// The value of a line of `/metrics`.
pub(crate) async fn metric(server: &TestServer<impl Store>, name: &str) -> Option<f64> {
    let (status, text) = ask(server, "/metrics").await;
    assert_eq!(status, 200);
    assert!(text.ends_with("# EOF\n"));
    text.lines()
        .find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}
