//! The OAuth server of a homeserver, and what it says about itself.

use matrix_qr_protocol::web_url::join;
use serde::Deserialize;
use url::Url;

use super::error::DiscoveryError;
use super::fetch::{self, Found};
use crate::http::{Http, Policy, host};

/// MSC2965: the final path, then the unstable one.
const AUTH_METADATA: [&str; 2] = [
    "/_matrix/client/v1/auth_metadata",
    "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
];

/// What MSC4108 of April 2024 names; the answer holds the issuer only.
const AUTH_ISSUER: [&str; 2] = [
    "/_matrix/client/v1/auth_issuer",
    "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer",
];

/// RFC 8414, section 3: in front of the issuer's path, not behind it.
const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";

/// OpenID Connect Discovery 1.0, section 4: below the issuer's URL.
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";

/// RFC 8628's name for its grant.
pub const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// What an OAuth server says about itself (RFC 8414), as far as a device needs it. Every URL has
/// passed the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerMetadata {
    /// Its name.
    pub issuer: Url,
    /// Where tokens are issued and refreshed.
    pub token_endpoint: Url,
    /// RFC 7591: where a client registers.
    pub registration_endpoint: Option<Url>,
    /// RFC 7009: where tokens are revoked.
    pub revocation_endpoint: Option<Url>,
    /// RFC 8628: where the device authorization grant begins.
    pub device_authorization_endpoint: Option<Url>,
    /// MSC2965: where a person sees and removes the devices of the account.
    pub account_management_uri: Option<Url>,
    /// The grants, if it lists them.
    pub grant_types_supported: Option<Vec<String>>,
    /// The scopes, if it lists them.
    pub scopes_supported: Option<Vec<String>>,
}

impl ServerMetadata {
    /// Where the device authorization grant begins.
    ///
    /// # Errors
    ///
    /// [`DiscoveryError::NoDeviceGrant`] when there is no such endpoint, or when the listed grants
    /// lack it (RFC 8628, section 4).
    pub fn device_grant(&self) -> Result<&Url, DiscoveryError> {
        let listed = self.grant_types_supported.as_ref();
        let offered = listed.is_none_or(|grants| grants.iter().any(|grant| grant == DEVICE_GRANT));
        self.device_authorization_endpoint
            .as_ref()
            .filter(|_| offered)
            .ok_or_else(|| DiscoveryError::NoDeviceGrant {
                issuer: self.issuer.clone(),
            })
    }
}

/// Finds the OAuth server of a homeserver: `auth_metadata`, then its unstable form, then
/// `auth_issuer` in both forms.
///
/// # Errors
///
/// [`DiscoveryError::NoOauth`] when none of them exists; any other problem is its own error and
/// ends the search.
pub async fn server_metadata(
    http: &Http,
    homeserver: &Url,
) -> Result<ServerMetadata, DiscoveryError> {
    for path in AUTH_METADATA {
        if let Found::Yes(stated) = fetch::json::<Stated>(http, &join(homeserver, path)).await? {
            return stated.check(http.policy(), homeserver);
        }
    }
    for path in AUTH_ISSUER {
        let url = join(homeserver, path);
        if let Found::Yes(advertised) = fetch::json::<Advertised>(http, &url).await? {
            return openid_configuration(http, homeserver, &advertised.issuer).await;
        }
    }
    Err(DiscoveryError::NoOauth {
        host: host(homeserver),
    })
}

/// What an OAuth server says about itself, without asking the homeserver: for tokens that it
/// issued.
pub(crate) async fn issuer_metadata(
    http: &Http,
    issuer: &Url,
) -> Result<ServerMetadata, DiscoveryError> {
    let mut plain_oauth = issuer.clone();
    let path = issuer.path().trim_end_matches('/');
    plain_oauth.set_path(&format!("{OAUTH_METADATA}{path}"));
    for place in [join(issuer, OPENID_CONFIGURATION), plain_oauth] {
        if let Found::Yes(stated) = fetch::json::<Stated>(http, &place).await? {
            return stated.of(issuer)?.check(http.policy(), issuer);
        }
    }
    Err(DiscoveryError::malformed(
        issuer,
        "the issuer has no metadata",
    ))
}

#[derive(Deserialize)]
struct Advertised {
    issuer: Url,
}

/// OpenID Connect Discovery 1.0, section 4.3: the document must name the issuer that led to it.
async fn openid_configuration(
    http: &Http,
    homeserver: &Url,
    issuer: &Url,
) -> Result<ServerMetadata, DiscoveryError> {
    let issuer = check_issuer(http.policy(), homeserver, issuer.clone())?;
    let none = "the issuer has no openid-configuration";
    match fetch::json::<Stated>(http, &join(&issuer, OPENID_CONFIGURATION)).await? {
        Found::No => Err(DiscoveryError::malformed(&issuer, none)),
        Found::Yes(stated) => stated.of(&issuer)?.check(http.policy(), &issuer),
    }
}

/// The metadata as it arrives. Absent and `null` are the same.
#[derive(Deserialize)]
struct Stated {
    issuer: Url,
    token_endpoint: Url,
    registration_endpoint: Option<Url>,
    revocation_endpoint: Option<Url>,
    device_authorization_endpoint: Option<Url>,
    account_management_uri: Option<serde_json::Value>,
    grant_types_supported: Option<Vec<String>>,
    scopes_supported: Option<Vec<String>>,
}

impl Stated {
    /// RFC 8414, section 3.3: the document must name the issuer that was asked.
    fn of(self, issuer: &Url) -> Result<Self, DiscoveryError> {
        let other = "its issuer differs from the advertised one";
        match self.issuer == *issuer {
            true => Ok(self),
            false => Err(DiscoveryError::malformed(issuer, other)),
        }
    }

    fn check(self, policy: Policy, from: &Url) -> Result<ServerMetadata, DiscoveryError> {
        let optional = |url: Option<Url>| url.map(|url| policy.permit(url)).transpose();
        Ok(ServerMetadata {
            issuer: check_issuer(policy, from, self.issuer)?,
            token_endpoint: policy.permit(self.token_endpoint)?,
            registration_endpoint: optional(self.registration_endpoint)?,
            revocation_endpoint: optional(self.revocation_endpoint)?,
            device_authorization_endpoint: optional(self.device_authorization_endpoint)?,
            // Only a hint depends on it.
            account_management_uri: self
                .account_management_uri
                .and_then(|uri| usable(policy, &uri)),
            grant_types_supported: self.grant_types_supported,
            scopes_supported: self.scopes_supported,
        })
    }
}

/// RFC 8414, section 2: an issuer has neither a query nor a fragment.
fn check_issuer(policy: Policy, from: &Url, issuer: Url) -> Result<Url, DiscoveryError> {
    if issuer.query().is_some() || issuer.fragment().is_some() {
        let what = "its issuer has a query or a fragment";
        return Err(DiscoveryError::malformed(from, what));
    }
    Ok(policy.permit(issuer)?)
}

/// A link to be shown to a person.
fn usable(policy: Policy, uri: &serde_json::Value) -> Option<Url> {
    Url::parse(uri.as_str()?)
        .ok()
        .filter(|url| policy.permits(url))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::http::HttpError;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    fn stated(json: serde_json::Value) -> Stated {
        serde_json::from_value(json).unwrap()
    }

    fn minimal() -> serde_json::Value {
        serde_json::json!({ "issuer": "https://a.example/", "token_endpoint": "https://a.example/token" })
    }

    #[test]
    fn every_endpoint_must_pass_the_policy() {
        let fields = [
            "issuer",
            "token_endpoint",
            "registration_endpoint",
            "revocation_endpoint",
        ];
        for field in fields.into_iter().chain(["device_authorization_endpoint"]) {
            let mut json = minimal();
            json[field] = "http://a.example/".into();
            let error = stated(json)
                .check(Policy::HttpsOrLoopback, &url("https://h.example"))
                .unwrap_err();
            assert!(
                matches!(error, DiscoveryError::Http(HttpError::NotAllowed { .. })),
                "{field}"
            );
        }
    }

    #[test]
    fn loopback_http_is_for_those_who_ask() {
        let json = || serde_json::json!({ "issuer": "http://127.0.0.1:1/", "token_endpoint": "http://[::1]:1/token" });
        let from = url("http://127.0.0.1:2/");
        assert!(stated(json()).check(Policy::HttpsOrLoopback, &from).is_ok());
        assert!(stated(json()).check(Policy::HttpsOnly, &from).is_err());
    }

    #[test]
    fn an_issuer_is_a_name_and_nothing_more() {
        for issuer in ["https://a.example/?x", "https://a.example/#x"] {
            let mut json = minimal();
            json["issuer"] = issuer.into();
            let error = stated(json)
                .check(Policy::HttpsOnly, &url("https://h.example"))
                .unwrap_err();
            assert!(
                matches!(error, DiscoveryError::Malformed { .. }),
                "{issuer}"
            );
        }
    }

    #[test]
    fn the_device_grant_needs_its_endpoint_and_must_not_be_missing_from_the_list() {
        let check = |endpoint: Option<&str>, grants: Option<Vec<&str>>| {
            let mut json = minimal();
            json["device_authorization_endpoint"] = endpoint.into();
            json["grant_types_supported"] = grants.into();
            let metadata = stated(json)
                .check(Policy::HttpsOnly, &url("https://h.example"))
                .unwrap();
            metadata.device_grant().is_ok()
        };
        let endpoint = Some("https://a.example/device");
        assert!(check(endpoint, Some(vec!["refresh_token", DEVICE_GRANT])));
        assert!(check(endpoint, None));
        assert!(!check(endpoint, Some(vec!["authorization_code"])));
        assert!(!check(None, Some(vec![DEVICE_GRANT])));
    }
}
