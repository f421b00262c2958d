//! The one door to the network: bounded in size and time, https only, no redirects.

use std::time::Duration;

use http::{HeaderValue, Method, header::CONTENT_LENGTH};
use url::{Host, Url};

/// An HTTP request with its whole body.
pub type Request = http::Request<Vec<u8>>;
/// An HTTP response with its whole body.
pub type Response = http::Response<Vec<u8>>;

/// The largest answer that is read, in bytes, unless the caller says otherwise.
pub const USUAL_ANSWER: usize = 1 << 20;
/// How long one request may take, unless the caller says otherwise.
pub const USUAL_TIME: Duration = Duration::from_secs(30);

/// Which servers may be spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// `https` only.
    #[default]
    HttpsOnly,
    /// `https`, and `http` to this machine's loopback: for the sandbox and for tests.
    HttpsOrLoopback,
}

impl Policy {
    /// Whether this URL may be fetched, or shown to a person to be opened.
    pub fn permits(self, url: &Url) -> bool {
        match url.scheme() {
            "https" => url.host().is_some(),
            "http" => self == Self::HttpsOrLoopback && is_loopback(url),
            _ => false,
        }
    }
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}

/// Why there is no answer. None of these says a URL's path or query: they may hold a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HttpError {
    /// The policy forbids this server.
    #[error("{scheme}://{host} was refused: only https is allowed (loopback http needs its own flag)")]
    NotAllowed {
        /// The URL's scheme.
        scheme: String,
        /// The URL's host.
        host: String,
    },
    /// No connection, or it broke, or it took too long.
    #[error("{host} could not be reached: {why}")]
    Unreachable {
        /// The server's host.
        host: String,
        /// What the connection said.
        why: String,
    },
    /// The answer was larger than what we read.
    #[error("{host} sent more than {limit} bytes")]
    TooLarge {
        /// The server's host.
        host: String,
        /// The limit in bytes.
        limit: usize,
    },
    /// The request could not be built: a URL or a header that cannot be sent.
    #[error("the request could not be built")]
    BadRequest,
}

impl HttpError {
    /// Whether trying again may help.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable { .. })
    }
}

/// A client that keeps to a [`Policy`].
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    policy: Policy,
}

/// What one exchange may cost.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The largest body of an answer, in bytes.
    pub bytes: usize,
    /// The longest time for the whole exchange.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { bytes: USUAL_ANSWER, time: USUAL_TIME }
    }
}

impl Http {
    /// A client without redirects, cookies or a referrer.
    ///
    /// # Errors
    ///
    /// [`HttpError::BadRequest`] when the TLS library does not start.
    pub fn new(policy: Policy) -> Result<Self, HttpError> {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .referer(false)
            .connect_timeout(Duration::from_secs(10))
            .user_agent(concat!("matrix-qr/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|_| HttpError::BadRequest)?;
        Ok(Self { client, policy })
    }

    /// The policy that this client keeps to.
    pub fn policy(&self) -> Policy {
        self.policy
    }

    /// Sends a request within the usual bounds.
    ///
    /// # Errors
    ///
    /// See [`HttpError`]. Every status is an answer, not an error.
    pub async fn send(&self, request: Request) -> Result<Response, HttpError> {
        self.send_within(request, Bounds::default()).await
    }

    /// Sends a request within given bounds.
    ///
    /// # Errors
    ///
    /// See [`HttpError`]. Every status is an answer, not an error.
    pub async fn send_within(&self, request: Request, bounds: Bounds) -> Result<Response, HttpError> {
        let mut request = reqwest::Request::try_from(request).map_err(|_| HttpError::BadRequest)?;
        let host = request.url().host_str().unwrap_or_default().to_owned();
        if !self.policy.permits(request.url()) {
            return Err(HttpError::NotAllowed { scheme: request.url().scheme().to_owned(), host });
        }
        say_length(&mut request);
        *request.timeout_mut() = Some(bounds.time);
        let response = self.client.execute(request).await.map_err(|error| unreachable(&host, error))?;
        read(response, &host, bounds.bytes).await
    }
}

/// An empty content has a length too (RFC 9110, section 8.6): the client would leave it out, and MSC4108 requires it.
fn say_length(request: &mut reqwest::Request) {
    let has_content = matches!(*request.method(), Method::POST | Method::PUT);
    let empty = request.body().and_then(|body| body.as_bytes()).is_none_or(<[u8]>::is_empty);
    if has_content && empty {
        request.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

async fn read(mut response: reqwest::Response, host: &str, limit: usize) -> Result<Response, HttpError> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(host, error))? {
        if body.len() + chunk.len() > limit {
            return Err(HttpError::TooLarge { host: host.to_owned(), limit });
        }
        body.extend_from_slice(&chunk);
    }
    let mut whole = Response::new(body);
    *whole.status_mut() = response.status();
    *whole.headers_mut() = std::mem::take(response.headers_mut());
    Ok(whole)
}

/// reqwest's own text would repeat the URL, and with it a session's address or a code.
fn unreachable(host: &str, error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let why = if error.is_timeout() { "it did not answer in time".to_owned() } else { innermost.to_string() };
    HttpError::Unreachable { host: host.to_owned(), why }
}
