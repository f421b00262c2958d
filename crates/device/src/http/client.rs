//! The HTTP client.

use std::{error::Error, io, sync::Arc, time::Duration};

use http::{HeaderValue, Method, header::CONTENT_LENGTH};
use url::{Host, Url};

use super::bounds::Bounds;
use super::error::HttpError;
use super::names::{NoAddress, SystemNames, addresses};
use super::policy::{Policy, host};
use super::redaction::SentSecrets;

/// An HTTP request with its whole body.
pub type HttpRequest = http::Request<Vec<u8>>;
/// An HTTP response with its whole body.
pub type HttpResponse = http::Response<Vec<u8>>;

/// How long it may take to connect, including the lookup of the name.
const CONNECT: Duration = Duration::from_secs(10);

/// A client that keeps to a [`Policy`].
#[derive(Debug, Clone)]
pub struct Http {
    client: reqwest::Client,
    policy: Policy,
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
            .dns_resolver(Arc::new(SystemNames))
            .connect_timeout(CONNECT)
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
    pub async fn send(&self, request: HttpRequest) -> Result<HttpResponse, HttpError> {
        self.send_within(request, Bounds::default()).await
    }

    /// Sends a request within given bounds. A token or a code of it is not in the answer's texts.
    ///
    /// # Errors
    ///
    /// See [`HttpError`]. Every status is an answer, not an error.
    pub async fn send_within(
        &self,
        request: HttpRequest,
        bounds: Bounds,
    ) -> Result<HttpResponse, HttpError> {
        let secrets = SentSecrets::of(&request);
        let mut request = reqwest::Request::try_from(request).map_err(|_| HttpError::BadRequest)?;
        let host = host(request.url());
        self.policy.check(request.url())?;
        say_length(&mut request);
        *request.timeout_mut() = Some(bounds.time);
        let response = self.execute(request).await;
        let response = response.map_err(|error| unreachable(&host, error))?;
        let mut answer = read(response, &host, bounds.bytes).await?;
        secrets.redact(&mut answer, bounds.bytes);
        Ok(answer)
    }

    #[cfg(not(fuzzing))]
    async fn execute(&self, request: reqwest::Request) -> reqwest::Result<reqwest::Response> {
        self.client.execute(request).await
    }

    /// A fuzz target answers in place of every server.
    #[cfg(fuzzing)]
    async fn execute(&self, request: reqwest::Request) -> reqwest::Result<reqwest::Response> {
        let _ = &self.client;
        Ok(super::fuzzing::answer(&request))
    }

    /// Whether the host of this URL is, or has, an address.
    ///
    /// # Errors
    ///
    /// [`HttpError::Unresolved`].
    pub async fn look_up(&self, url: &Url) -> Result<(), HttpError> {
        let Some(Host::Domain(name)) = url.host() else {
            return Ok(());
        };
        match tokio::time::timeout(CONNECT, addresses(name)).await {
            Ok(Ok(_)) => Ok(()),
            _ => Err(HttpError::Unresolved {
                host: name.to_owned(),
            }),
        }
    }
}

/// Sends `Content-Length: 0` with an empty body (RFC 9110, section 8.6): the client would leave it
/// out, and MSC4108 requires it.
fn say_length(request: &mut reqwest::Request) {
    let has_content = matches!(*request.method(), Method::POST | Method::PUT);
    let content = request.body().and_then(|body| body.as_bytes());
    if has_content && content.is_none_or(<[u8]>::is_empty) {
        let headers = request.headers_mut();
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

async fn read(
    mut response: reqwest::Response,
    host: &str,
    limit: usize,
) -> Result<HttpResponse, HttpError> {
    let mut body = Vec::new();
    let broken = |error| unreachable(host, error);
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > limit {
            return Err(HttpError::TooLarge {
                host: host.to_owned(),
                limit,
            });
        }
        body.extend_from_slice(&chunk);
    }
    let mut whole = HttpResponse::new(body);
    *whole.status_mut() = response.status();
    *whole.headers_mut() = std::mem::take(response.headers_mut());
    Ok(whole)
}

/// reqwest's own text would contain the URL, and with it a session's address or a code.
fn unreachable(host: &str, error: reqwest::Error) -> HttpError {
    let error = error.without_url();
    if error.is_timeout() {
        return HttpError::unreachable(host.to_owned(), "it did not answer in time");
    }
    because(host.to_owned(), &error)
}

/// Follows the chain of causes. The innermost one is the most precise.
fn because(host: String, error: &(dyn Error + 'static)) -> HttpError {
    let causes = std::iter::successors(Some(error), |error| (*error).source());
    let mut why = String::new();
    for cause in causes {
        why = cause.to_string();
        if cause.is::<NoAddress>() {
            return HttpError::Unresolved { host };
        }
        if cause.downcast_ref().is_some_and(is_no_network) {
            return HttpError::NoNetwork { host, why };
        }
    }
    HttpError::Unreachable { host, why }
}

fn is_no_network(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(
        error.kind(),
        HostUnreachable | NetworkDown | NetworkUnreachable
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    /// A label of 64 letters: no lookup can have an answer to it, with or without a network (RFC
    /// 1035, section 2.3.4).
    fn nameless() -> Url {
        Url::parse(&format!("https://{}.example/x", "a".repeat(64))).unwrap()
    }

    #[tokio::test]
    async fn a_name_without_an_address_is_not_a_server_that_is_down() {
        let http = Http::new(Policy::HttpsOrLoopback).unwrap();
        let unresolved = HttpError::Unresolved {
            host: nameless().host_str().unwrap().to_owned(),
        };
        // Without TLS, which rejects some names itself.
        let plain = nameless().as_str().replace("https:", "http:");
        let error = http.client.get(plain).send().await.unwrap_err();
        let HttpError::Unresolved { host } = &unresolved else {
            panic!("{unresolved}")
        };
        assert_eq!(unreachable(host, error), unresolved);
        assert_eq!(http.look_up(&nameless()).await.unwrap_err(), unresolved);
        for there in [
            "http://127.0.0.1:1/",
            "http://[::1]:1/",
            "http://localhost:1/",
        ] {
            assert_eq!(
                http.look_up(&Url::parse(there).unwrap()).await,
                Ok(()),
                "{there}"
            );
        }
        let request = http::Request::get("http://127.0.0.1:1/")
            .body(Vec::new())
            .unwrap();
        assert!(matches!(
            http.send(request).await,
            Err(HttpError::Unreachable { .. })
        ));
    }

    #[test]
    fn no_network_is_a_problem_of_this_machine() {
        #[derive(Debug, thiserror::Error)]
        #[error("tcp connect error")]
        struct Connecting(#[source] io::Error);
        let error = |kind: io::ErrorKind| because("a.example".to_owned(), &Connecting(kind.into()));
        use io::ErrorKind::{ConnectionRefused, HostUnreachable, NetworkDown, NetworkUnreachable};
        for kind in [HostUnreachable, NetworkDown, NetworkUnreachable] {
            assert!(matches!(error(kind), HttpError::NoNetwork { .. }), "{kind}");
        }
        let why = io::Error::from(ConnectionRefused).to_string();
        assert_eq!(
            error(ConnectionRefused),
            HttpError::Unreachable {
                host: "a.example".to_owned(),
                why
            }
        );
    }
}
