//! Where a homeserver is: at the base URL that a person or a QR code named, or where the
//! `.well-known` document of a server name says.

use matrix_qr_protocol::homeserver::{HomeserverAddress, HomeserverKind};
use serde::Deserialize;
use url::Url;

use super::error::{DiscoveryError, passes, said};
use super::fetch::{self, Found};
use crate::http::{Http, HttpError, HttpResponse, Policy, host};

/// Finds the base URL of the Client-Server API: a base URL is one already, a server name is looked
/// up.
///
/// # Errors
///
/// See [`DiscoveryError`].
pub async fn resolve(http: &Http, homeserver: &HomeserverAddress) -> Result<Url, DiscoveryError> {
    match homeserver.kind() {
        HomeserverKind::BaseUrl(url) => {
            http.policy().check(url)?;
            Ok(url.clone())
        }
        HomeserverKind::ServerName(name) => {
            let base_url = http.policy().permit(well_known(http, name).await?)?;
            tracing::debug!(name, host = base_url.host_str(), "found the homeserver");
            Ok(base_url)
        }
    }
}

/// Whether the name of the first server to be asked for a homeserver has an address. Asked before
/// any request is sent.
///
/// # Errors
///
/// [`HttpError::Unresolved`].
pub(crate) async fn look_up(http: &Http, homeserver: &HomeserverAddress) -> Result<(), HttpError> {
    match first_url(http.policy(), homeserver) {
        Some(url) => http.look_up(&url).await,
        None => Ok(()),
    }
}

/// The first URL that leads to a homeserver: its base URL, or the `.well-known` document of its
/// server name. `None` if the name does not fit into a URL.
pub fn first_url(policy: Policy, homeserver: &HomeserverAddress) -> Option<Url> {
    match homeserver.kind() {
        HomeserverKind::BaseUrl(url) => Some(url.clone()),
        HomeserverKind::ServerName(name) => well_known_url(policy, name),
    }
}

/// Well-known documents of bare domains are often behind a redirect to `www`; more hops than this
/// are a loop.
const MAX_REDIRECTS: usize = 3;

#[derive(Deserialize)]
struct WellKnown {
    #[serde(rename = "m.homeserver")]
    homeserver: StatedHomeserver,
}

#[derive(Deserialize)]
struct StatedHomeserver {
    base_url: String,
}

/// Client-Server API, section "Server discovery". This is the only document whose redirects are
/// followed.
async fn well_known(http: &Http, name: &str) -> Result<Url, DiscoveryError> {
    let bad = || DiscoveryError::BadBaseUrl {
        name: name.to_owned(),
    };
    let mut url = well_known_url(http.policy(), name).ok_or_else(bad)?;
    for _ in 0..=MAX_REDIRECTS {
        let response = fetch::get(http, &url)
            .await
            .map_err(|error| needs_flag(error, http.policy(), name))?;
        if response.status().is_redirection() {
            url = redirected(&url, &response)?;
            continue;
        }
        return match fetch::read::<WellKnown>(&url, &response)
            .map_err(|error| of_well_known(&url, error))?
        {
            Found::No => Err(DiscoveryError::NoWellKnown {
                name: name.to_owned(),
            }),
            Found::Yes(document) => base_url(&document.homeserver.base_url).ok_or_else(bad),
        };
    }
    Err(DiscoveryError::BadRedirect {
        host: host(&url),
        why: "too often",
    })
}

/// This document can be bypassed, unlike others: the error says how.
fn of_well_known(url: &Url, error: DiscoveryError) -> DiscoveryError {
    match error {
        DiscoveryError::BadDocument { document, what } => {
            DiscoveryError::BadWellKnown { document, what }
        }
        DiscoveryError::Refused {
            status, errcode, ..
        } if !passes(status) => DiscoveryError::BadWellKnown {
            document: fetch::name(url),
            what: format!(
                "is refused with status {status}{}",
                said(errcode.as_deref())
            ),
        },
        error => error,
    }
}

/// A name that can only mean this machine, with nothing that answers `https`, is the sandbox, which
/// speaks `http`.
fn needs_flag(error: DiscoveryError, policy: Policy, name: &str) -> DiscoveryError {
    let plain = Url::parse(&format!("http://{name}/")).map(|url| policy.check(&url));
    match (error, plain) {
        (
            DiscoveryError::Http(HttpError::Unreachable { .. }),
            Ok(Err(flag @ HttpError::LoopbackHttp { .. })),
        ) => flag.into(),
        (error, _) => error,
    }
}

/// The URL of a server name's `.well-known` document: `https`, except for a name that can only mean
/// this machine, where the sandbox speaks `http`. `None` if the name does not fit into a URL.
pub fn well_known_url(policy: Policy, name: &str) -> Option<Url> {
    let at = |scheme| Url::parse(&format!("{scheme}://{name}/.well-known/matrix/client")).ok();
    at("http")
        .filter(|url| policy.permits(url))
        .or_else(|| at("https"))
}

/// Never away from `https`; the policy decides which `https` servers are permitted.
fn redirected(from: &Url, response: &HttpResponse) -> Result<Url, DiscoveryError> {
    let bad = |why| DiscoveryError::BadRedirect {
        host: host(from),
        why,
    };
    let location = response.headers().get("location");
    let text = location.and_then(|value| value.to_str().ok());
    let target = text.and_then(|text| from.join(text).ok());
    let target = target.ok_or_else(|| bad("to an unusable URL"))?;
    let safe = target.scheme() == "https" || (from.scheme() == "http" && target.scheme() == "http");
    if safe {
        Ok(target)
    } else {
        Err(bad("away from https"))
    }
}

fn base_url(text: &str) -> Option<Url> {
    match HomeserverAddress::parse(text).ok()?.kind() {
        HomeserverKind::BaseUrl(url) => Some(url.clone()),
        HomeserverKind::ServerName(_) => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_a_loopback_name_is_asked_without_tls_and_only_where_allowed() {
        let at = |policy, name| well_known_url(policy, name).unwrap().to_string();
        assert_eq!(
            at(Policy::HttpsOrLoopback, "localhost:80"),
            "http://localhost/.well-known/matrix/client"
        );
        assert_eq!(
            at(Policy::HttpsOrLoopback, "[::1]:1"),
            "http://[::1]:1/.well-known/matrix/client"
        );
        assert_eq!(
            at(Policy::HttpsOnly, "localhost:1"),
            "https://localhost:1/.well-known/matrix/client"
        );
        assert_eq!(
            at(Policy::HttpsOrLoopback, "a.example"),
            "https://a.example/.well-known/matrix/client"
        );
    }

    #[test]
    fn a_redirect_never_leaves_https() {
        let target = |from: &str, location: &str| {
            let response = http::Response::builder()
                .header("location", location)
                .body(Vec::new())
                .unwrap();
            redirected(&Url::parse(from).unwrap(), &response).map(String::from)
        };
        assert_eq!(
            target("https://a.example/x", "https://www.a.example/x").unwrap(),
            "https://www.a.example/x"
        );
        assert_eq!(
            target("https://a.example/x", "/y").unwrap(),
            "https://a.example/y"
        );
        for location in [
            "http://a.example/x",
            "http://127.0.0.1/x",
            "file:///etc/passwd",
            "javascript:1",
            "https://",
        ] {
            assert!(
                target("https://a.example/x", location).is_err(),
                "{location}"
            );
        }
    }

    #[test]
    fn a_base_url_is_taken_only_if_it_is_one() {
        assert!(base_url("https://m.example/").is_some());
        for text in [
            "m.example",
            "ftp://m.example",
            "https://a:b@m.example",
            "https://m.example/?x",
            "",
        ] {
            assert!(base_url(text).is_none(), "{text}");
        }
    }
}
