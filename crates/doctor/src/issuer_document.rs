//! What the authorization server says about itself, next to what the homeserver says about it:
//! Synapse serves the metadata that it fetched once, and may not know of a change.

use matrix_qr_device::discovery::{OPENID_CONFIGURATION, ServerMetadata, join};
use serde_json::Value;
use url::Url;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::probe::{Probe, ProbeRequest, ProbeResult};
use crate::response::{json, status_text};
use crate::unanswered::unanswered;

/// RFC 8414, section 3.
const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";

/// What to do if only the homeserver's metadata is old.
pub(crate) const RESTART: &str = "Restart Synapse: it still serves old metadata, and the \
    authorization server's own is different.";

const NOT_RUNNING: Advice<'_> = Advice {
    effect: "Nobody can sign in, and nobody can sign out.",
    remedy: "Check whether the authorization server runs, its log (matrix-authentication-service: \
        systemctl status, docker logs), and the proxy in front of it.",
};

/// The authorization server's own metadata.
pub(crate) struct IssuerDocument {
    /// The response at the URL that clients try first.
    pub(crate) openid_configuration: ProbeResult,
    /// From there, else from the URL of RFC 8414.
    pub(crate) metadata: Option<Value>,
}

impl IssuerDocument {
    pub(crate) async fn request(probe: &Probe<'_>, issuer: &Url) -> Self {
        let openid_configuration = probe
            .send(ProbeRequest::get(&join(issuer, OPENID_CONFIGURATION)))
            .await;
        let metadata = document(&openid_configuration);
        let mut this = Self {
            openid_configuration,
            metadata,
        };
        if this.metadata.is_none() && !this.is_down() {
            let other_url = oauth_metadata_url(issuer);
            this.metadata = document(&probe.send(ProbeRequest::get(&other_url)).await);
        }
        this
    }

    /// Nothing responds, or only a proxy that says so.
    pub(crate) fn is_down(&self) -> bool {
        let status = self
            .openid_configuration
            .as_ref()
            .map(|response| response.status());
        status.map_or(true, |status| status.is_server_error())
    }

    pub(crate) fn not_running(&self, check: Check) -> Finding {
        match &self.openid_configuration {
            Ok(response) => Finding::bad(
                check,
                format!("it answers {}", status_text(response)),
                NOT_RUNNING,
            ),
            Err(no_response) => match unanswered(check, no_response) {
                not_checked if not_checked.remedy.is_empty() => not_checked,
                bad => {
                    let remedy = &format!("{} {}", NOT_RUNNING.remedy, bad.remedy);
                    Finding::bad(
                        check,
                        bad.seen,
                        Advice {
                            remedy,
                            ..NOT_RUNNING
                        },
                    )
                }
            },
        }
    }

    pub(crate) fn no_openid_configuration(&self, check: Check) -> Finding {
        let status = self
            .openid_configuration
            .as_ref()
            .map(status_text)
            .unwrap_or_default();
        Finding::warning(
            check,
            format!("{OPENID_CONFIGURATION} is not there: {status}"),
            Advice {
                effect: "Older clients, which request it there, cannot sign in.",
                remedy: "Let the proxy of the authorization server pass \
                    /.well-known/openid-configuration on to it.",
            },
        )
    }

    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.metadata.as_ref()?.get(field)?.as_str()
    }

    pub(crate) fn url(&self, field: &str) -> Option<Url> {
        self.text(field).and_then(|text| Url::parse(text).ok())
    }

    /// The grants, if it lists them.
    pub(crate) fn grants(&self) -> Option<Vec<&str>> {
        let grants = self
            .metadata
            .as_ref()?
            .get("grant_types_supported")?
            .as_array()?;
        Some(grants.iter().filter_map(Value::as_str).collect())
    }

    /// The endpoints whose URL in the homeserver's metadata is different.
    pub(crate) fn differences(&self, homeservers: &ServerMetadata) -> Vec<&'static str> {
        let endpoints = [
            ("token_endpoint", Some(&homeservers.token_endpoint)),
            (
                "device_authorization_endpoint",
                homeservers.device_authorization_endpoint.as_ref(),
            ),
            (
                "registration_endpoint",
                homeservers.registration_endpoint.as_ref(),
            ),
            (
                "revocation_endpoint",
                homeservers.revocation_endpoint.as_ref(),
            ),
        ];
        let differs = |(name, url): &(&'static str, Option<&Url>)| {
            url.zip(self.url(name))
                .is_some_and(|(url, own)| *url != own)
        };
        endpoints
            .into_iter()
            .filter(differs)
            .map(|(name, _)| name)
            .collect()
    }
}

fn document(result: &ProbeResult) -> Option<Value> {
    result
        .as_ref()
        .ok()
        .filter(|response| response.status() == 200)
        .and_then(json)
}

/// RFC 8414, section 3.1: between the host and the issuer's path.
fn oauth_metadata_url(issuer: &Url) -> Url {
    let mut url = issuer.clone();
    url.set_path(&format!(
        "{OAUTH_METADATA}{}",
        issuer.path().trim_end_matches('/')
    ));
    url
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_well_known_path_comes_before_the_issuers_own() {
        let at = |issuer: &str| oauth_metadata_url(&Url::parse(issuer).unwrap()).to_string();
        assert_eq!(
            at("https://a.example/"),
            "https://a.example/.well-known/oauth-authorization-server"
        );
        assert_eq!(
            at("https://a.example/b/"),
            "https://a.example/.well-known/oauth-authorization-server/b"
        );
    }
}
