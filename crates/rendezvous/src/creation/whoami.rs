//! Asks a homeserver who owns an access token.

use std::{fmt, sync::Arc};

use axum::http::StatusCode;
use reqwest::{Client, Response, redirect::Policy};
use serde::Deserialize;
use url::Url;

use super::bearer_token::BearerToken;

/// The largest response that is read, in bytes.
const LARGEST: usize = 16 * 1024;

/// The client for a homeserver that is asked who owns an access token. Clones share their
/// connections.
#[derive(Clone)]
pub struct WhoamiClient(Arc<WhoamiInner>);

struct WhoamiInner {
    whoami: Url,
    client: Client,
}

/// Why a homeserver cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum WhoamiClientError {
    /// The URL has no host, or its scheme is not https or http.
    #[error("{0} is not the base URL of a homeserver, such as https://matrix.example.org")]
    NotABaseUrl(Url),
    /// TLS cannot be used: most likely there are no trusted certificates.
    #[error(
        "the homeserver cannot be asked over https: {0}; install trusted certificates (Debian: ca-certificates)"
    )]
    NoTls(String),
}

/// Why the homeserver did not say who owns a token.
#[derive(Debug, thiserror::Error)]
pub(super) enum WhoamiError {
    #[error("its response is {0}")]
    Status(StatusCode),
    #[error("its response is longer than {LARGEST} bytes")]
    TooLong,
    #[error("its response names no user")]
    NoUser,
    #[error("it does not respond in time")]
    TooSlow,
    #[error("{}", with_causes(.0))]
    Http(#[from] reqwest::Error),
}

impl WhoamiClient {
    /// A client for the homeserver at this base URL. Sends no request yet.
    ///
    /// It uses no proxy from the environment and follows no redirect: the token is sent nowhere
    /// else.
    ///
    /// # Errors
    ///
    /// If the URL is not a base URL, or TLS cannot be used.
    pub fn new(base_url: Url) -> Result<Self, WhoamiClientError> {
        let plain = base_url.scheme() == "http";
        let whoami = whoami_url(&base_url).ok_or(WhoamiClientError::NotABaseUrl(base_url))?;
        let client = Client::builder().no_proxy().redirect(Policy::none());
        // Without TLS no trusted certificates are needed.
        let client = if plain {
            client.tls_certs_only([])
        } else {
            client
        };
        let client = client
            .user_agent(concat!("matrix-qr-rendezvous/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = client.map_err(|error| WhoamiClientError::NoTls(with_causes(&error)))?;
        Ok(Self(Arc::new(WhoamiInner { whoami, client })))
    }

    /// Whether a token belongs to one of its users (Client-Server API, `GET
    /// /_matrix/client/v3/account/whoami`). A guest does not count: where guests are allowed,
    /// anybody can be one.
    pub(super) async fn accepts(&self, token: &BearerToken) -> Result<bool, WhoamiError> {
        let request = self
            .0
            .client
            .get(self.0.whoami.clone())
            .bearer_auth(token.text());
        let response = request.send().await?;
        match response.status() {
            StatusCode::OK => user(response).await.map(|whoami| !whoami.is_guest),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Ok(false),
            other => Err(WhoamiError::Status(other)),
        }
    }
}

impl fmt::Debug for WhoamiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Homeserver({})", self.0.whoami)
    }
}

fn whoami_url(base_url: &Url) -> Option<Url> {
    let usable = matches!(base_url.scheme(), "https" | "http") && base_url.has_host();
    let mut bare = base_url.clone();
    bare.set_query(None);
    bare.set_fragment(None);
    let base = bare.as_str().trim_end_matches('/');
    usable
        .then(|| {
            format!("{base}/_matrix/client/v3/account/whoami")
                .parse()
                .ok()
        })
        .flatten()
}

#[derive(Deserialize)]
struct WhoamiResponse {
    user_id: String,
    /// Absent where there are no guests.
    #[serde(default)]
    is_guest: bool,
}

/// The owner of the token.
async fn user(mut response: Response) -> Result<WhoamiResponse, WhoamiError> {
    let mut text = Vec::new();
    while let Some(part) = response.chunk().await? {
        if text.len() + part.len() > LARGEST {
            return Err(WhoamiError::TooLong);
        }
        text.extend_from_slice(&part);
    }
    let named: Option<WhoamiResponse> = serde_json::from_slice(&text).ok();
    named
        .filter(|whoami| whoami.user_id.starts_with('@'))
        .ok_or(WhoamiError::NoUser)
}

/// An error with its causes: the first one alone says little.
fn with_causes(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_whoami_url_is_below_the_base_url() {
        for base_url in [
            "https://a.example",
            "https://a.example/",
            "https://a.example/?x#y",
        ] {
            let url = whoami_url(&base_url.parse().unwrap()).unwrap();
            assert_eq!(
                url.as_str(),
                "https://a.example/_matrix/client/v3/account/whoami"
            );
        }
        let below = whoami_url(&"http://[::1]:8008/below/".parse().unwrap()).unwrap();
        assert_eq!(
            below.as_str(),
            "http://[::1]:8008/below/_matrix/client/v3/account/whoami"
        );
        for other in ["ftp://a.example", "data:x", "unix:/run/x"] {
            assert!(
                WhoamiClient::new(other.parse().unwrap()).is_err(),
                "{other}"
            );
        }
    }
}
