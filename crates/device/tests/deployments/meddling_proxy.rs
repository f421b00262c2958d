//! Our rendezvous server behind a proxy that meddles with requests and responses, in each way that
//! was seen somewhere or is possible.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash, Hasher},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use axum::{
    Router,
    body::{Body, Bytes, to_bytes},
    extract::Request,
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
};
use matrix_qr_rendezvous::{Config, Rendezvous};
use tokio::{net::TcpListener, sync::watch};
use url::Url;

/// What the proxy does.
#[derive(Clone, Debug, PartialEq)]
pub enum ProxyFault {
    None,
    EtagWeak,
    /// Only in responses to this method, if the client accepts gzip.
    EtagWeakWhenCompressed(Method),
    /// The same, with a server that does not accept its ETags in that form.
    EtagWeakAndUnknown(Method),
    EtagMissing,
    /// This is appended to ETags.
    EtagSuffixed(&'static str),
    EtagDifferentEachTime,
    /// As Synapse 1.163: the ETag is a hash of the payload.
    EtagHash,
    /// Every response loses these headers.
    RemoveHeaders(&'static [HeaderName]),
    /// Every response gets this header, next to the one that it may have.
    AddHeader(HeaderName, &'static str),
    /// Every response gets this header instead of the one that it may have.
    ReplaceHeader(HeaderName, &'static str),
    /// The `Date` and the `Expires` are shifted, in seconds.
    Skewed {
        date: i64,
        expires: i64,
    },
    /// Requests lose this header.
    DropRequestHeader(HeaderName),
    /// A deletion is answered as if it were carried out.
    IgnoreDeletion,
    /// `If-Match` always matches.
    IgnoreIfMatch,
    /// Requests of a session with this method are answered with this status, in HTML.
    Refuse(Method, u16),
    /// The same for the creation.
    RefuseCreation(u16),
    /// A request with this method is carried out, and answered with this status.
    ChangeStatus(Method, u16),
    /// The proxy itself refuses payloads of more bytes.
    CapPayload(usize),
    /// Payloads above 4096 bytes are answered as if they were accepted.
    PretendToAccept,
    /// The creation is redirected with this status to this URL.
    Redirect(u16, String),
    RedirectWithoutLocation,
    /// Once with 307, to the proxy itself.
    RedirectOnce,
    RedirectLoop,
    /// Reads are answered with the response to the first read.
    Cache,
    /// A read returns something other than what was written.
    Rewrite,
    /// As Synapse with its 101st session: the session is dropped after this many requests.
    EvictAfter(usize),
    /// The request with this number gets no response.
    HangAt(usize),
}

pub struct MeddlingProxy {
    pub url: Url,
    pub rendezvous: Rendezvous,
    asked: Arc<watch::Sender<usize>>,
}

#[derive(Clone)]
struct Proxy {
    fault: ProxyFault,
    url: Url,
    rendezvous: Rendezvous,
    asked: Arc<watch::Sender<usize>>,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    cached: HashMap<String, (HeaderMap, Bytes)>,
    /// The last ETag of a session, and the one that clients see.
    tags: HashMap<String, (HeaderValue, HeaderValue)>,
    last_etag: Option<HeaderValue>,
}

impl MeddlingProxy {
    pub async fn start(fault: ProxyFault) -> Self {
        Self::with(fault, |_| {}).await
    }

    pub async fn with(fault: ProxyFault, set_up: impl FnOnce(&mut Config)) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("http://{}/", listener.local_addr().unwrap())).unwrap();
        let mut config = Config::new(url.clone());
        set_up(&mut config);
        let rendezvous = Rendezvous::new(config);
        let asked = Arc::new(watch::Sender::new(0));
        let memory = Arc::default();
        let proxy = Proxy {
            fault,
            url: url.clone(),
            rendezvous: rendezvous.clone(),
            asked: asked.clone(),
            memory,
        };
        let app = Router::new()
            .fallback_service(rendezvous.router())
            .layer(middleware::from_fn(move |request: Request, next: Next| {
                let proxy = proxy.clone();
                async move { proxy.pass(request, next).await }
            }));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self {
            url,
            rendezvous,
            asked,
        }
    }

    /// Waits until this many requests have arrived.
    pub async fn has_requests(&self, times: usize) {
        self.asked
            .subscribe()
            .wait_for(|asked| *asked >= times)
            .await
            .unwrap();
    }

    pub fn requests(&self) -> usize {
        *self.asked.borrow()
    }
}

impl Proxy {
    async fn pass(&self, request: Request, next: Next) -> Response {
        let mut number = 0;
        self.asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        if self.fault == ProxyFault::HangAt(number) {
            std::future::pending::<()>().await;
        }
        let (parts, body) = request.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        let (method, path) = (parts.method.clone(), parts.uri.path().to_owned());
        let known = parts.headers.get(header::IF_NONE_MATCH).cloned();
        let takes_gzip = parts.headers.contains_key(header::ACCEPT_ENCODING);
        let weak = parts
            .headers
            .get(header::IF_MATCH)
            .is_some_and(|tag| tag.as_bytes().starts_with(b"W/"));
        if weak && matches!(self.fault, ProxyFault::EtagWeakAndUnknown(_)) {
            return page(StatusCode::PRECONDITION_FAILED).into_response();
        }
        if let Some(answer) = self.instead(&method, &path, body.len()) {
            return answer;
        }
        if let ProxyFault::EvictAfter(limit) = self.fault
            && number > limit
            && path.starts_with("/rendezvous/")
        {
            let delete = Request::delete(path.clone()).body(Body::empty()).unwrap();
            tower::ServiceExt::oneshot(self.rendezvous.router(), delete)
                .await
                .unwrap();
        }
        let mut request = Request::from_parts(parts, Body::from(body.clone()));
        if self.fault == ProxyFault::IgnoreDeletion && method == Method::DELETE {
            *request.method_mut() = Method::OPTIONS;
        }
        self.before(&path, request.headers_mut());
        let answer = next.run(request).await;
        let (parts, payload) = answer.into_parts();
        let payload = to_bytes(payload, 1 << 20).await.unwrap();
        let written = if method == Method::GET {
            payload.clone()
        } else {
            body
        };
        let mut answer = Response::from_parts(parts, Body::from(payload.clone()));
        self.after((&method, &path), &mut answer, (takes_gzip, &written));
        if self.fault == ProxyFault::Rewrite && method == Method::GET && !payload.is_empty() {
            *answer.body_mut() = Body::from("<!-- ad --> ");
            answer.headers_mut().remove(header::CONTENT_LENGTH);
        }
        if self.fault == ProxyFault::Cache && method == Method::GET {
            return self.cached(path, answer, (payload, known));
        }
        answer
    }

    /// The response of the proxy itself.
    fn instead(&self, method: &Method, path: &str, length: usize) -> Option<Response> {
        let creation = method == Method::POST;
        let session = path.starts_with("/rendezvous/");
        let html = |status: u16| page(StatusCode::from_u16(status).unwrap());
        let to = |status, to: &str| {
            Some((html(status).0, [(header::LOCATION, to.to_owned())], "").into_response())
        };
        match &self.fault {
            ProxyFault::Refuse(refused, status) if refused == method && session => {
                Some(html(*status).into_response())
            }
            ProxyFault::RefuseCreation(status) if creation => Some(html(*status).into_response()),
            ProxyFault::CapPayload(limit) if length > *limit => Some(html(413).into_response()),
            ProxyFault::PretendToAccept if length > 4096 => {
                let etag = self.memory.lock().unwrap().last_etag.clone().unwrap();
                Some((StatusCode::ACCEPTED, [(header::ETAG, etag)], "").into_response())
            }
            ProxyFault::Redirect(status, url) if creation => to(*status, url),
            ProxyFault::RedirectWithoutLocation if creation => Some(html(307).into_response()),
            ProxyFault::RedirectOnce if creation && path == "/" => to(
                307,
                self.url
                    .join("/_matrix/client/v1/rendezvous")
                    .unwrap()
                    .as_str(),
            ),
            ProxyFault::RedirectLoop if creation => to(
                307,
                &format!("/{}", if path == "/there" { "back" } else { "there" }),
            ),
            _ => None,
        }
    }

    fn before(&self, path: &str, headers: &mut HeaderMap) {
        match &self.fault {
            ProxyFault::DropRequestHeader(name) => drop(headers.remove(name)),
            ProxyFault::IgnoreIfMatch => {
                if let Some(etag) = self.memory.lock().unwrap().last_etag.clone() {
                    headers.insert(header::IF_MATCH, etag);
                }
            }
            ProxyFault::EtagHash => {
                if let Some((inside, outside)) = self.memory.lock().unwrap().tags.get(path) {
                    for (_, value) in headers.iter_mut().filter(|(_, value)| *value == outside) {
                        *value = inside.clone();
                    }
                }
            }
            _ => {}
        }
    }

    fn after(
        &self,
        (method, path): (&Method, &str),
        answer: &mut Response,
        (takes_gzip, payload): (bool, &Bytes),
    ) {
        let etag = answer.headers().get(header::ETAG).cloned();
        if answer.status().is_success() && etag.is_some() {
            self.memory.lock().unwrap().last_etag = etag.clone();
        }
        let quoted = |text: String| HeaderValue::try_from(text).unwrap();
        let text = etag.as_ref().map(|etag| etag.to_str().unwrap().to_owned());
        let other = match (&self.fault, text) {
            (_, None) => None,
            (ProxyFault::EtagWeak, Some(etag)) => Some(quoted(format!("W/{etag}"))),
            (
                ProxyFault::EtagWeakWhenCompressed(compressed)
                | ProxyFault::EtagWeakAndUnknown(compressed),
                Some(etag),
            ) if takes_gzip && compressed == method => Some(quoted(format!("W/{etag}"))),
            (ProxyFault::EtagSuffixed(suffix), Some(etag)) => {
                Some(quoted(format!("\"{}{suffix}\"", etag.trim_matches('"'))))
            }
            (ProxyFault::EtagDifferentEachTime, Some(_)) => {
                Some(quoted(format!("\"{}\"", *self.asked.borrow())))
            }
            (ProxyFault::EtagHash, Some(_)) => {
                Some(self.hashed(path, answer, (etag.unwrap(), payload)))
            }
            _ => None,
        };
        let headers = answer.headers_mut();
        if let Some(other) = other {
            headers.insert(header::ETAG, other);
        }
        match &self.fault {
            ProxyFault::EtagMissing => drop(headers.remove(header::ETAG)),
            ProxyFault::RemoveHeaders(names) => {
                names.iter().for_each(|name| drop(headers.remove(name)))
            }
            ProxyFault::AddHeader(name, value) => {
                headers.append(name, HeaderValue::from_static(value));
            }
            ProxyFault::ReplaceHeader(name, value) => {
                drop(headers.insert(name, HeaderValue::from_static(value)))
            }
            ProxyFault::Skewed { date, expires } => {
                skew(headers, &header::DATE, *date);
                skew(headers, &header::EXPIRES, *expires);
            }
            ProxyFault::ChangeStatus(restated, status)
                if restated == method && answer.status().is_success() =>
            {
                *answer.status_mut() = StatusCode::from_u16(*status).unwrap();
            }
            _ => {}
        }
    }

    fn hashed(
        &self,
        path: &str,
        answer: &Response,
        (inside, payload): (HeaderValue, &Bytes),
    ) -> HeaderValue {
        let mut memory = self.memory.lock().unwrap();
        // The response to a creation: the session's URL is not known here.
        let key = if path.starts_with("/rendezvous/") {
            path.to_owned()
        } else {
            "created".to_owned()
        };
        if let Some((_, outside)) = memory
            .tags
            .get(&key)
            .filter(|_| !answer.status().is_success())
        {
            return outside.clone();
        }
        let mut hasher = DefaultHasher::new();
        payload.hash(&mut hasher);
        let outside = HeaderValue::try_from(format!("\"{:x}\"", hasher.finish())).unwrap();
        memory.tags.insert(key, (inside, outside.clone()));
        outside
    }

    fn cached(
        &self,
        path: String,
        answer: Response,
        (payload, known): (Bytes, Option<HeaderValue>),
    ) -> Response {
        let mut memory = self.memory.lock().unwrap();
        if !memory.cached.contains_key(&path) && answer.status() != StatusCode::OK {
            return answer;
        }
        let (headers, payload) = memory
            .cached
            .entry(path)
            .or_insert_with(|| (answer.headers().clone(), payload))
            .clone();
        let mut old = Response::new(Body::from(payload));
        if known.as_ref() == headers.get(header::ETAG) {
            old = StatusCode::NOT_MODIFIED.into_response();
        }
        *old.headers_mut() = headers;
        old
    }
}

fn page(status: StatusCode) -> (StatusCode, [(HeaderName, &'static str); 2], &'static str) {
    let headers = [
        (header::CONTENT_TYPE, "text/html"),
        (header::SERVER, "proxy"),
    ];
    (status, headers, "<html>no</html>")
}

fn skew(headers: &mut HeaderMap, name: &HeaderName, seconds: i64) {
    let Some(value) = headers.get(name) else {
        return;
    };
    let time = httpdate::parse_http_date(value.to_str().unwrap()).unwrap();
    let by = Duration::from_secs(seconds.unsigned_abs());
    let time: SystemTime = if seconds < 0 { time - by } else { time + by };
    headers.insert(
        name.clone(),
        HeaderValue::try_from(httpdate::fmt_http_date(time)).unwrap(),
    );
}
