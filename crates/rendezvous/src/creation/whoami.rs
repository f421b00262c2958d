//! The homeserver that knows whose an access token is.

use std::{fmt, sync::Arc};

use axum::http::StatusCode;
use reqwest::{Client, Response, redirect::Policy};
use serde::Deserialize;
use url::Url;

use super::bearer_token::BearerToken;

/// The most that its answer may be, in bytes.
const LARGEST: usize = 16 * 1024;

/// A homeserver, to be asked whose an access token is. Clones share their connections.
#[derive(Clone)]
pub struct WhoamiClient(Arc<Inner>);

struct Inner {
    whoami: Url,
    client: Client,
}

/// A homeserver that cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum WhoamiClientError {
    /// The URL has no host, or another scheme.
    #[error("{0} is not the base URL of a homeserver, as in https://matrix.example.org")]
    NotABaseUrl(Url),
    /// There is no TLS here: most likely no certificates to trust.
    #[error(
        "the homeserver cannot be asked over https: {0}; install certificates to trust (Debian: ca-certificates)"
    )]
    NoTls(String),
}

/// Why it is not known whose a token is.
#[derive(Debug, thiserror::Error)]
pub(super) enum WhoamiError {
    #[error("it answers with {0}")]
    Status(StatusCode),
    #[error("its answer is longer than {LARGEST} bytes")]
    TooLong,
    #[error("its answer names no user")]
    NoUser,
    #[error("it does not answer in time")]
    TooSlow,
    #[error("{}", whole(.0))]
    Http(#[from] reqwest::Error),
}

impl WhoamiClient {
    /// The homeserver at this base URL. Nothing is asked yet.
    ///
    /// No proxy of the environment is used, and no redirect followed: the token goes there and
    /// nowhere else.
    ///
    /// # Errors
    ///
    /// If the URL is no base URL, or there is no TLS here.
    pub fn new(base_url: Url) -> Result<Self, WhoamiClientError> {
        let plain = base_url.scheme() == "http";
        let whoami = whoami_url(&base_url).ok_or(WhoamiClientError::NotABaseUrl(base_url))?;
        let client = Client::builder().no_proxy().redirect(Policy::none());
        // Without TLS there need be no certificates to trust.
        let client = if plain {
            client.tls_certs_only([])
        } else {
            client
        };
        let client = client
            .user_agent(concat!("matrix-qr-rendezvous/", env!("CARGO_PKG_VERSION")))
            .build();
        let client = client.map_err(|error| WhoamiClientError::NoTls(whole(&error)))?;
        Ok(Self(Arc::new(Inner { whoami, client })))
    }

    /// Whether a token is one of its users' (Client-Server API, `GET
    /// /_matrix/client/v3/account/whoami`).
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
    /// Anybody can be one, where there are any.
    #[serde(default)]
    is_guest: bool,
}

/// Whose it is.
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

/// An error with its causes: the first alone says little.
fn whole(error: &reqwest::Error) -> String {
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
    fn the_question_is_below_the_base_url() {
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
