//! The sandbox in front of a Synapse. It is only the authorization server then; a real homeserver
//! has the account, its keys and messages. The sandbox tells Synapse about accounts and devices,
//! and Synapse introspects tokens (`oauth::introspect`).
//!
//! Synapse must have a loopback address in `bind_addresses`, and this configuration:
//!
//! ```yaml
//! matrix_authentication_service:
//!   enabled: true
//!   endpoint: "http://127.0.0.1:OAUTH_PORT/"
//!   secret: "..."
//! password_config: { enabled: false }
//! ```

mod error;

use std::{fmt, time::Duration};

use axum::http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use subtle::ConstantTimeEq as _;
use url::{Host, Url};
use zeroize::Zeroizing;

pub use self::error::SynapseError;

const TIME: Duration = Duration::from_secs(20);
const LARGEST_ANSWER: usize = 64 * 1024;

/// A Synapse on this machine, and the secret that it shares with its authorization server.
#[derive(Clone, PartialEq, Eq)]
pub struct Synapse {
    homeserver: Url,
    secret: Zeroizing<String>,
}

impl Synapse {
    /// A Synapse at `http://localhost:PORT/` or another loopback address, with its
    /// `matrix_authentication_service.secret`.
    ///
    /// # Errors
    ///
    /// [`SynapseError::NotHere`] for any other URL, [`SynapseError::NoSecret`] for an empty secret.
    pub fn new(homeserver: Url, secret: Zeroizing<String>) -> Result<Self, SynapseError> {
        let is_here = match homeserver.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        let is_bare = homeserver.path() == "/" && homeserver.query().is_none();
        if homeserver.scheme() != "http" || !is_here || !is_bare {
            return Err(SynapseError::NotHere(homeserver));
        }
        if secret.is_empty() {
            Err(SynapseError::NoSecret)
        } else {
            Ok(Self { homeserver, secret })
        }
    }

    /// The base URL.
    pub fn homeserver(&self) -> &Url {
        &self.homeserver
    }

    /// Whether a caller knows the secret of this Synapse. The comparison does not depend on how
    /// much of a guess is right.
    pub(crate) fn has_secret(&self, secret: &str) -> bool {
        self.secret.as_bytes().ct_eq(secret.as_bytes()).into()
    }
}

/// A client for the endpoints that Synapse has for its authorization server, for one account.
pub(crate) struct SynapseClient {
    pub(crate) synapse: Synapse,
    http: reqwest::Client,
    localpart: String,
}

#[derive(Deserialize)]
struct QueriedUser {
    user_id: String,
}

#[derive(Deserialize)]
struct AuthMetadata {
    issuer: String,
}

impl SynapseClient {
    pub(crate) fn new(synapse: Synapse, localpart: &str) -> Result<Self, SynapseError> {
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(TIME)
            .build()
            .map_err(|error| unreachable(&synapse.homeserver, error))?;
        Ok(Self {
            synapse,
            http,
            localpart: localpart.to_owned(),
        })
    }

    /// Creates the account unless it exists, and returns its user ID: only Synapse knows its server
    /// name.
    pub(crate) async fn make_account(&self) -> Result<String, SynapseError> {
        self.tell("provision_user", json!({})).await?;
        let mut url = self.url("_synapse/mas/query_user");
        url.query_pairs_mut()
            .append_pair("localpart", &self.localpart);
        let user: QueriedUser = self.ask("query_user", url).await?;
        Ok(user.user_id)
    }

    /// Creates the device unless it exists.
    pub(crate) async fn upsert_device(
        &self,
        device_id: &str,
        name: &str,
    ) -> Result<(), SynapseError> {
        self.tell(
            "upsert_device",
            json!({ "device_id": device_id, "display_name": name }),
        )
        .await
    }

    /// Deletes the device. Its tokens become invalid, even if Synapse has cached them.
    pub(crate) async fn delete_device(&self, device_id: &str) -> Result<(), SynapseError> {
        self.tell("delete_device", json!({ "device_id": device_id }))
            .await
    }

    /// Checks that Synapse refers its clients to this authorization server. Synapse caches the
    /// first metadata that it finds.
    pub(crate) async fn check_issuer(&self, issuer: &Url) -> Result<(), SynapseError> {
        let found = match self
            .ask("auth_metadata", self.url("_matrix/client/v1/auth_metadata"))
            .await
        {
            Ok(AuthMetadata { issuer: found }) if found == issuer.as_str() => return Ok(()),
            Ok(AuthMetadata { issuer: other }) => other,
            Err(SynapseError::Failed { .. } | SynapseError::Refused { .. }) => "nothing".to_owned(),
            Err(error) => return Err(error),
        };
        Err(SynapseError::OtherIssuer {
            issuer: issuer.clone(),
            found,
        })
    }

    async fn tell(&self, call: &'static str, mut body: Value) -> Result<(), SynapseError> {
        if let Some(fields) = body.as_object_mut() {
            fields.insert("localpart".to_owned(), self.localpart.as_str().into());
        }
        let request = self
            .http
            .post(self.url(&format!("_synapse/mas/{call}")))
            .json(&body);
        self.send(call, request).await.map(|_| ())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        call: &'static str,
        url: Url,
    ) -> Result<T, SynapseError> {
        let mut response = self.send(call, self.http.get(url)).await?;
        let mut body = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(error))?
        {
            body.extend_from_slice(&chunk);
            if body.len() > LARGEST_ANSWER {
                return Err(SynapseError::Malformed(call));
            }
        }
        serde_json::from_slice(&body).map_err(|_| SynapseError::Malformed(call))
    }

    async fn send(
        &self,
        call: &'static str,
        request: reqwest::RequestBuilder,
    ) -> Result<reqwest::Response, SynapseError> {
        let request = request.bearer_auth(self.synapse.secret.as_str());
        let response = request
            .send()
            .await
            .map_err(|error| self.unreachable(error))?;
        let status = response.status().as_u16();
        match response.status() {
            ok if ok.is_success() => Ok(response),
            StatusCode::FORBIDDEN | StatusCode::NOT_FOUND => {
                Err(SynapseError::Refused { status, call })
            }
            _ => Err(SynapseError::Failed { status, call }),
        }
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.synapse.homeserver.clone();
        url.set_path(path);
        url
    }

    fn unreachable(&self, error: reqwest::Error) -> SynapseError {
        unreachable(&self.synapse.homeserver, error)
    }
}

fn unreachable(homeserver: &Url, error: reqwest::Error) -> SynapseError {
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    let why = if error.is_timeout() {
        "no answer in time".to_owned()
    } else {
        innermost.to_string()
    };
    SynapseError::Unreachable {
        homeserver: homeserver.clone(),
        why,
    }
}

impl fmt::Debug for Synapse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Synapse")
            .field("homeserver", &self.homeserver.as_str())
            .field("secret", &"[redacted]")
            .finish()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn synapse(url: &str) -> Result<Synapse, SynapseError> {
        Synapse::new(url.parse().unwrap(), Zeroizing::new("secret".to_owned()))
    }

    #[test]
    fn only_a_synapse_on_this_machine() {
        for good in [
            "http://localhost:8008",
            "http://127.0.0.1:8008/",
            "http://[::1]:8008/",
        ] {
            assert!(synapse(good).is_ok(), "{good}");
        }
        for bad in [
            "https://localhost:8008/",
            "http://matrix.example/",
            "http://192.168.0.1/",
            "http://localhost.example/",
            "http://localhost/path",
            "http://localhost/?query",
            "file:///etc/passwd",
        ] {
            assert!(
                matches!(synapse(bad), Err(SynapseError::NotHere(_))),
                "{bad}"
            );
        }
        let empty = Synapse::new("http://localhost/".parse().unwrap(), Zeroizing::default());
        assert!(matches!(empty, Err(SynapseError::NoSecret)));
    }

    #[test]
    fn only_the_whole_secret_is_known_and_it_is_never_printed() {
        let synapse = synapse("http://localhost/").unwrap();
        assert!(synapse.has_secret("secret"));
        for bad in ["", "secre", "secret ", "Secret", "secrets"] {
            assert!(!synapse.has_secret(bad), "{bad}");
        }
        assert_eq!(
            format!("{synapse:?}"),
            r#"Synapse { homeserver: "http://localhost/", secret: "[redacted]" }"#
        );
    }
}
