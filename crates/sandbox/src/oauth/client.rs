//! A client of the authorization server: what it registers (RFC 7591), under the rules of MSC2966
//! as production homeservers enforce them.

use serde::Deserialize;
use serde_json::{Value, json};
use url::{Host, Url};

use super::error::OAuthErrorResponse;

pub(super) const DEVICE_CODE: &str = "urn:ietf:params:oauth:grant-type:device_code";
pub(super) const REFRESH_TOKEN: &str = "refresh_token";
const LONGEST_NAME: usize = 200;

/// The accepted part of a client's metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RegisteredClient {
    client_name: Option<String>,
    client_uri: Url,
    /// Terms, policy and logo, as (field, value).
    links: Vec<(&'static str, Url)>,
    grant_types: Vec<&'static str>,
}

/// What a client sends. Absent fields may also be `null`.
#[derive(Deserialize)]
pub(crate) struct RegistrationRequest {
    client_name: Option<String>,
    client_uri: Option<Url>,
    tos_uri: Option<Url>,
    policy_uri: Option<Url>,
    logo_uri: Option<Url>,
    grant_types: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
}

impl RegisteredClient {
    /// The client of the account's first device.
    pub(crate) fn of_first_device() -> Result<Self, OAuthErrorResponse> {
        Self::parse(RegistrationRequest {
            client_name: Some("The sandbox's first device".to_owned()),
            client_uri: "https://sandbox.example/".parse().ok(),
            tos_uri: None,
            policy_uri: None,
            logo_uri: None,
            grant_types: Some(vec![DEVICE_CODE.to_owned(), REFRESH_TOKEN.to_owned()]),
            token_endpoint_auth_method: Some("none".to_owned()),
        })
    }

    pub(super) fn parse(sent: RegistrationRequest) -> Result<Self, OAuthErrorResponse> {
        let client_uri = sent
            .client_uri
            .ok_or_else(|| invalid("client_uri is required"))?;
        check_web_page("client_uri", &client_uri)?;
        let links = [
            ("tos_uri", sent.tos_uri),
            ("policy_uri", sent.policy_uri),
            ("logo_uri", sent.logo_uri),
        ];
        let links: Vec<_> = links
            .into_iter()
            .filter_map(|(name, uri)| Some((name, uri?)))
            .collect();
        for (name, uri) in &links {
            check_web_page(name, uri)?;
            check_below(name, uri, &client_uri)?;
        }
        if sent
            .client_name
            .as_ref()
            .is_some_and(|name| name.chars().count() > LONGEST_NAME)
        {
            return Err(invalid("client_name is too long"));
        }
        // RFC 7591: the default is client_secret_basic, and the sandbox issues no secrets.
        if sent.token_endpoint_auth_method.as_deref() != Some("none") {
            return Err(invalid("token_endpoint_auth_method must be none"));
        }
        let grant_types = understood(sent.grant_types.unwrap_or_default())?;
        Ok(Self {
            client_name: sent.client_name,
            client_uri,
            links,
            grant_types,
        })
    }

    /// The name to show to people.
    pub(crate) fn name(&self) -> &str {
        let name = self
            .client_name
            .as_deref()
            .map(str::trim)
            .filter(|name| !name.is_empty());
        name.unwrap_or("A client without a name")
    }

    pub(super) fn host(&self) -> &str {
        self.client_uri.host_str().unwrap_or_default()
    }

    pub(super) fn may_use(&self, grant_type: &str) -> bool {
        self.grant_types.contains(&grant_type)
    }

    /// Exactly what was registered: RFC 7591, "Client Information Response".
    pub(super) fn to_json(&self) -> Value {
        let mut json = json!({
            "client_uri": self.client_uri,
            "grant_types": self.grant_types,
            "response_types": [],
            "token_endpoint_auth_method": "none",
        });
        if let Some(fields) = json.as_object_mut() {
            let links = self
                .links
                .iter()
                .map(|(name, uri)| ((*name).to_owned(), uri.as_str().into()));
            fields.extend(links);
            fields.extend(
                self.client_name
                    .iter()
                    .map(|name| ("client_name".to_owned(), name.as_str().into())),
            );
        }
        json
    }
}

/// MSC2966: unknown grant types are ignored. One of the remaining ones must be a way to sign in.
fn understood(sent: Vec<String>) -> Result<Vec<&'static str>, OAuthErrorResponse> {
    let known = [DEVICE_CODE, REFRESH_TOKEN];
    let kept: Vec<_> = known
        .into_iter()
        .filter(|known| sent.iter().any(|sent| sent == known))
        .collect();
    match kept.contains(&DEVICE_CODE) {
        true => Ok(kept),
        false => Err(invalid(
            "grant_types: the device authorization grant is the only way to sign in here",
        )),
    }
}

fn check_web_page(name: &str, uri: &Url) -> Result<(), OAuthErrorResponse> {
    if uri.scheme() != "https" {
        return Err(invalid(format!("{name} must be https")));
    }
    if !uri.username().is_empty() || uri.password().is_some() {
        return Err(invalid(format!("{name} must not have a user or password")));
    }
    let is_local = match uri.host() {
        Some(Host::Domain(domain)) => is_localhost(domain),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => true,
    };
    if is_local {
        Err(invalid(format!("{name} must not be localhost")))
    } else {
        Ok(())
    }
}

fn is_localhost(domain: &str) -> bool {
    let domain = domain.trim_end_matches('.');
    domain == "localhost" || domain.ends_with(".localhost")
}

/// MSC2966, "client_uri and relationship with other URIs": on its host or on a subdomain of it.
fn check_below(name: &str, uri: &Url, base: &Url) -> Result<(), OAuthErrorResponse> {
    let (host, base) = (
        uri.host_str().unwrap_or_default(),
        base.host_str().unwrap_or_default(),
    );
    let is_below = host == base
        || host
            .strip_suffix(base)
            .is_some_and(|front| front.ends_with('.'));
    if is_below {
        Ok(())
    } else {
        Err(invalid(format!("{name} is not on the host of client_uri")))
    }
}

pub(super) fn invalid(description: impl Into<String>) -> OAuthErrorResponse {
    OAuthErrorResponse::bad("invalid_client_metadata", description)
}
