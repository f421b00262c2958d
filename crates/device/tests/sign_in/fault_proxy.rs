//! Something between the devices and the two servers of the sandbox: it passes everything on,
//! remembers it, and can lose requests and answers. The addresses that the servers name are
//! replaced by its own, so that nothing goes past it.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    Router,
    body::{Body, Bytes},
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, Response, header},
};
use matrix_qr_sandbox::Sandbox;
use tokio::{net::TcpListener, sync::watch};
use url::Url;

pub(crate) struct FaultProxy {
    pub(crate) homeserver: Url,
    pub(crate) issuer: Url,
    wire: Arc<Wire>,
}

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Answered,
    /// After a second.
    AnsweredLate,
    /// It is executed, and nobody learns of it.
    AnswerLost,
    /// The same for a write to the session, and the one who wrote learns that only when the other
    /// device has written, or does not within 3 seconds.
    AnswerLostLate,
    /// It is not executed.
    Lost,
    /// It is not executed, and the answer is 404 `M_NOT_FOUND`.
    #[allow(dead_code, reason = "not in no_secrets.rs")]
    NotThere,
}

/// One exchange, both bodies.
#[derive(Clone, Debug)]
pub(crate) struct Exchange {
    /// `POST /_matrix/client/v3/keys/upload`
    pub(crate) name: String,
    pub(crate) request: Bytes,
    #[allow(dead_code, reason = "read by no_secrets.rs")]
    pub(crate) answer: Bytes,
}

type Judge = Box<dyn FnMut(&str) -> Fate + Send>;
type HasEnded = Box<dyn FnMut(&str) -> bool + Send>;
type Forger = Box<dyn FnMut(&ServerRequest<'_>) -> Option<Response<Body>> + Send>;
type Rewrite = Box<dyn FnMut(&ServerRequest<'_>, Bytes) -> Bytes + Send>;

/// What a server is asked.
pub(crate) struct ServerRequest<'a> {
    /// The method and the path.
    pub(crate) name: &'a str,
    /// The access token of the request, if it has one.
    pub(crate) token: Option<&'a str>,
    #[allow(dead_code, reason = "not in no_secrets.rs")]
    pub(crate) body: &'a [u8],
}

#[derive(Default)]
struct Wire {
    client: reqwest::Client,
    /// Paths that there are not: 404.
    refused: Mutex<Vec<&'static str>>,
    /// What every answer is rid of.
    hidden: Mutex<Option<&'static str>>,
    /// What is replaced by what in every answer.
    addresses: Mutex<Vec<(String, String)>>,
    seen: Mutex<Vec<Exchange>>,
    judge: Mutex<Option<Judge>>,
    has_ended: Mutex<Option<HasEnded>>,
    forger: Mutex<Option<Forger>>,
    rewrite: Mutex<Option<Rewrite>>,
    /// How many writes the session has had.
    writes: watch::Sender<u32>,
}

impl FaultProxy {
    pub(crate) async fn start(sandbox: &Sandbox) -> Self {
        let wire = Arc::new(Wire::default());
        let homeserver = listen(sandbox.homeserver(), &wire).await;
        let issuer = listen(sandbox.issuer(), &wire).await;
        Self {
            homeserver,
            issuer,
            wire,
        }
    }

    /// Decides over each request by its method and path, from now on.
    pub(crate) fn judge(&self, judge: impl FnMut(&str) -> Fate + Send + 'static) {
        *self.wire.judge.lock().unwrap() = Some(Box::new(judge));
    }

    /// Decides over the access token of each request that has one, from now on: whether it has
    /// ended. The server gets one then that it does not know, so it is the server that refuses it.
    pub(crate) fn end_tokens(&self, has_ended: impl FnMut(&str) -> bool + Send + 'static) {
        *self.wire.has_ended.lock().unwrap() = Some(Box::new(has_ended));
    }

    /// What the server is not asked for: the answer is this, from now on.
    pub(crate) fn forge(
        &self,
        forger: impl FnMut(&ServerRequest<'_>) -> Option<Response<Body>> + Send + 'static,
    ) {
        *self.wire.forger.lock().unwrap() = Some(Box::new(forger));
    }

    /// Changes what the servers answer, by method and path, from now on. It may be null.
    pub(crate) fn change(
        &self,
        mut change: impl FnMut(&str, &mut serde_json::Value) + Send + 'static,
    ) {
        self.rewrite(move |asked, answer| match serde_json::from_slice(&answer) {
            Ok(mut json) => {
                change(asked.name, &mut json);
                json.to_string().into()
            }
            Err(_) => answer,
        });
    }

    /// The same, by the bytes.
    pub(crate) fn rewrite(
        &self,
        rewrite: impl FnMut(&ServerRequest<'_>, Bytes) -> Bytes + Send + 'static,
    ) {
        *self.wire.rewrite.lock().unwrap() = Some(Box::new(rewrite));
    }

    /// The servers are honest again.
    pub(crate) fn be_honest(&self) {
        *self.wire.forger.lock().unwrap() = None;
        *self.wire.rewrite.lock().unwrap() = None;
        *self.wire.has_ended.lock().unwrap() = None;
    }

    /// Every answer lacks this word from now on: another one stands there, that nobody knows.
    pub(crate) fn hide(&self, word: &'static str) {
        *self.wire.hidden.lock().unwrap() = Some(word);
    }

    /// From now on there is nothing at this path, nor below it.
    pub(crate) fn refuse(&self, path: &'static str) {
        self.wire.refused.lock().unwrap().push(path);
    }

    pub(crate) fn seen(&self) -> Vec<Exchange> {
        self.wire.seen.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.wire.seen.lock().unwrap().clear();
    }
}

async fn listen(target: &Url, wire: &Arc<Wire>) -> Url {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url: Url = format!("http://{}/", listener.local_addr().unwrap())
        .parse()
        .unwrap();
    let address = |url: &Url| url.authority().to_owned();
    wire.addresses
        .lock()
        .unwrap()
        .push((address(target), address(&url)));
    let app = Router::new()
        .fallback(pass_on)
        .with_state((wire.clone(), target.clone()));
    tokio::spawn(async move { axum::serve(listener, app).await });
    url
}

async fn pass_on(
    State((wire, target)): State<(Arc<Wire>, Url)>,
    request: Request,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 24).await.unwrap();
    let name = format!("{} {}", parts.method, parts.uri.path());
    let fate = wire
        .judge
        .lock()
        .unwrap()
        .as_mut()
        .map_or(Fate::Answered, |judge| judge(&name));
    match fate {
        Fate::Lost => return broken(),
        Fate::NotThere => {
            let body = Body::from(r#"{"errcode":"M_NOT_FOUND","error":"not yet"}"#);
            return Response::builder().status(404).body(body).unwrap();
        }
        _ => {}
    }
    if wire
        .refused
        .lock()
        .unwrap()
        .iter()
        .any(|refused| parts.uri.path().starts_with(refused))
    {
        return Response::builder().status(404).body(Body::empty()).unwrap();
    }
    let asked = ServerRequest {
        name: &name,
        token: access_token(&parts.headers),
        body: &body,
    };
    if let Some(forged) = wire.forged(&asked) {
        return forged;
    }
    let url = target
        .join(parts.uri.path_and_query().unwrap().as_str())
        .unwrap();
    let mut onward = wire
        .client
        .request(parts.method.clone(), url)
        .body(body.clone());
    for (name, value) in parts
        .headers
        .iter()
        .filter(|(name, _)| *name != header::HOST)
    {
        onward = onward.header(name, value);
    }
    if wire.has_ended(&parts.headers) {
        onward = onward.headers(
            [(
                header::AUTHORIZATION,
                HeaderValue::from_static("Bearer of_yesterday"),
            )]
            .into_iter()
            .collect(),
        );
    }
    let writes = *wire.writes.borrow();
    let answer = onward.send().await.unwrap();
    if name.starts_with("PUT ") && is_rendezvous(&name) {
        wire.writes.send_modify(|writes| *writes += 1);
    }
    let (status, headers) = (answer.status(), answer.headers().clone());
    let answer = wire.rewritten(answer.bytes().await.unwrap());
    let answer = wire.changed(&asked, answer);
    wire.seen.lock().unwrap().push(Exchange {
        name: name.clone(),
        request: body.clone(),
        answer: answer.clone(),
    });
    match fate {
        Fate::AnswerLost => return broken(),
        Fate::AnswerLostLate => {
            let mut seen = wire.writes.subscribe();
            let another = seen.wait_for(|count| *count > writes + 1);
            let _ = tokio::time::timeout(Duration::from_secs(3), another).await;
            return broken();
        }
        Fate::AnsweredLate => tokio::time::sleep(Duration::from_secs(1)).await,
        Fate::Answered | Fate::Lost | Fate::NotThere => {}
    }
    let mut response = Response::builder().status(status);
    let own = [
        header::CONTENT_LENGTH,
        header::TRANSFER_ENCODING,
        header::CONNECTION,
    ];
    for (name, value) in headers.iter().filter(|(name, _)| !own.contains(name)) {
        response = response.header(name, value);
    }
    response.body(Body::from(answer)).unwrap()
}

/// Whether a request, by its method and path, is one of the rendezvous session.
pub(crate) fn is_rendezvous(request: &str) -> bool {
    request.contains("rendezvous") || request.contains(" /rz/")
}

fn access_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().unwrap();
    value.strip_prefix("Bearer ")
}

impl Wire {
    fn forged(&self, asked: &ServerRequest<'_>) -> Option<Response<Body>> {
        let mut forger = self.forger.lock().unwrap();
        forger.as_mut()?(asked)
    }

    fn changed(&self, asked: &ServerRequest<'_>, answer: Bytes) -> Bytes {
        let mut rewrite = self.rewrite.lock().unwrap();
        match rewrite.as_mut() {
            Some(rewrite) => rewrite(asked, answer),
            None => answer,
        }
    }

    fn has_ended(&self, headers: &HeaderMap) -> bool {
        access_token(headers).is_some_and(|token| {
            self.has_ended
                .lock()
                .unwrap()
                .as_mut()
                .is_some_and(|judge| judge(token))
        })
    }

    /// Only what the servers say of themselves: a user ID holds the server's name, and stays.
    fn rewritten(&self, answer: Bytes) -> Bytes {
        let Ok(mut text) = String::from_utf8(answer.to_vec()) else {
            return answer;
        };
        for (theirs, ours) in self.addresses.lock().unwrap().iter() {
            text = text.replace(&format!("http://{theirs}"), &format!("http://{ours}"));
        }
        if let Some(word) = *self.hidden.lock().unwrap() {
            text = text.replace(word, "hidden");
        }
        text.into()
    }
}

/// Less than was promised: the connection breaks.
fn broken() -> Response<Body> {
    Response::builder()
        .header(header::CONTENT_LENGTH, 100)
        .body(Body::from("lost"))
        .unwrap()
}
