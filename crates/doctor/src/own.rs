//! What the authorization server says of itself, beside what the homeserver says of it: Synapse
//! serves the metadata that it fetched once, and may not have heard of a change.

use serde_json::Value;
use url::Url;

use crate::probe::{Answer, Probe, Question};
use crate::seen::{json, silent, status};
use crate::{Check, Finding};
use matrix_qr_device::discovery::{OPENID_CONFIGURATION, ServerMetadata, join};

/// RFC 8414, section 3.
const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";

pub(crate) const RESTART: &str = "Restart Synapse: it remembers the metadata that it once saw, and the authorization server's own says otherwise now.";

const NOT_RUNNING: (&str, &str) = (
    "Nobody can sign in, and nobody can sign out.",
    "Does the authorization server run? Look at its log (matrix-authentication-service: systemctl status, docker logs), and at the \
     proxy in front of it.",
);

/// The authorization server's own document.
pub(crate) struct Own {
    /// What came from where clients look first.
    pub(crate) usual: Answer,
    /// From there, or from RFC 8414's place.
    pub(crate) document: Option<Value>,
}

impl Own {
    pub(crate) async fn ask(probe: &Probe<'_>, issuer: &Url) -> Self {
        let usual = probe
            .ask(Question::get(&join(issuer, OPENID_CONFIGURATION)))
            .await;
        let mut own = Self {
            document: document(&usual),
            usual,
        };
        if own.document.is_none() && !own.is_down() {
            own.document = document(&probe.ask(Question::get(&place(issuer))).await);
        }
        own
    }

    /// Nothing answers there, or only a proxy that says so.
    pub(crate) fn is_down(&self) -> bool {
        self.usual
            .as_ref()
            .map_or(true, |response| response.status().is_server_error())
    }

    pub(crate) fn not_running(&self, check: Check) -> Finding {
        match &self.usual {
            Ok(response) => Finding::bad(
                check,
                format!("it answers {}", status(response)),
                NOT_RUNNING,
            ),
            Err(silence) => match silent(check, silence) {
                bad if bad.remedy.is_empty() => bad,
                bad => Finding::bad(
                    check,
                    bad.seen,
                    (NOT_RUNNING.0, &format!("{} {}", NOT_RUNNING.1, bad.remedy)),
                ),
            },
        }
    }

    pub(crate) fn missing(&self, check: Check) -> Finding {
        let said = self.usual.as_ref().map(status).unwrap_or_default();
        Finding::warning(
            check,
            format!("{OPENID_CONFIGURATION} is not there: {said}"),
            (
                "Older clients, which look there, cannot sign in.",
                "Let the proxy of the authorization server pass /.well-known/openid-configuration on to it.",
            ),
        )
    }

    pub(crate) fn text(&self, field: &str) -> Option<&str> {
        self.document.as_ref()?.get(field)?.as_str()
    }

    pub(crate) fn url(&self, field: &str) -> Option<Url> {
        self.text(field).and_then(|text| Url::parse(text).ok())
    }

    /// The grants, when it lists them.
    pub(crate) fn grants(&self) -> Option<Vec<&str>> {
        let grants = self
            .document
            .as_ref()?
            .get("grant_types_supported")?
            .as_array()?;
        Some(grants.iter().filter_map(Value::as_str).collect())
    }

    /// The endpoints that both name, and name differently.
    pub(crate) fn differences(&self, metadata: &ServerMetadata) -> Vec<&'static str> {
        let endpoints = [
            ("token_endpoint", Some(&metadata.token_endpoint)),
            (
                "device_authorization_endpoint",
                metadata.device_authorization_endpoint.as_ref(),
            ),
            (
                "registration_endpoint",
                metadata.registration_endpoint.as_ref(),
            ),
            ("revocation_endpoint", metadata.revocation_endpoint.as_ref()),
        ];
        let differs = |(name, stated): &(&'static str, Option<&Url>)| {
            stated
                .zip(self.url(name))
                .is_some_and(|(stated, own)| *stated != own)
        };
        endpoints
            .into_iter()
            .filter(differs)
            .map(|(name, _)| name)
            .collect()
    }

    /// Where it is the homeserver alone that has not heard of it, there is one thing to do.
    pub(crate) fn or_restart<'a>(&self, has_it: bool, otherwise: &'a str) -> &'a str {
        if has_it { RESTART } else { otherwise }
    }
}

fn document(answer: &Answer) -> Option<Value> {
    answer
        .as_ref()
        .ok()
        .filter(|response| response.status() == 200)
        .and_then(json)
}

/// RFC 8414, section 3.1: between the host and the issuer's path.
fn place(issuer: &Url) -> Url {
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
    fn an_issuer_with_a_path_has_its_document_before_it() {
        let at = |issuer: &str| place(&Url::parse(issuer).unwrap()).to_string();
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
