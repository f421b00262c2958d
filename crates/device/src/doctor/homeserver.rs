//! The way from a server name to the homeserver, and what the homeserver says of itself.

use http::header;
use matrix_qr_protocol::homeserver::{HomeserverAddress, HomeserverKind};
use serde_json::Value;
use url::Url;

use super::browser::origin_fault;
use super::probe::{Answer, Probe, Question, Silence};
use super::seen::{header, json, place, silent, status};
use super::{Check, Finding, Verdict, dns};
use crate::discovery::{self, DiscoveryError, join, well_known_url};

const FEATURE: &str = "org.matrix.msc4108";

/// The base URL, and what is to be said of the way there.
pub(super) async fn find(
    probe: &Probe<'_>,
    named: &HomeserverAddress,
) -> (Option<Url>, Vec<Finding>) {
    let mut urls: Vec<Url> = discovery::first_url(probe.policy(), named)
        .into_iter()
        .collect();
    let dns = dns::check(probe, &urls).await;
    if dns.verdict == Verdict::Bad {
        return (None, vec![dns]);
    }
    let (base, finding) = resolve(probe, named).await;
    let Some(base) = base else {
        return (None, vec![dns, finding]);
    };
    urls.push(base.clone());
    let dns = dns::check(probe, &urls).await;
    let base = (dns.verdict != Verdict::Bad).then_some(base);
    (base, vec![dns, finding])
}

async fn resolve(probe: &Probe<'_>, named: &HomeserverAddress) -> (Option<Url>, Finding) {
    let (http, check) = (probe.http(), Check::WellKnown);
    let resolved = async { Ok(discovery::resolve(http, named).await) };
    match (probe.until_over(resolved).await, named.kind()) {
        (Err(silence), _) => (None, silent(check, &silence)),
        (Ok(Err(DiscoveryError::Http(error))), _) => (None, silent(check, &Silence::Failed(error))),
        (Ok(Err(error)), _) => (None, lost(&error)),
        (Ok(Ok(base)), HomeserverKind::BaseUrl(_)) => (
            Some(base),
            Finding::not_checked(check, "a base URL was given, which needs no look-up"),
        ),
        (Ok(Ok(base)), HomeserverKind::ServerName(name)) => {
            let finding = well_known(&ask_well_known(probe, name).await, &base);
            (Some(base), finding)
        }
    }
}

fn lost(error: &DiscoveryError) -> Finding {
    let text = error.to_string();
    let what = text.split("; ").next().unwrap_or_default();
    Finding::bad(
        Check::WellKnown,
        what,
        (
            "Who types the server name, and apps that are sent it, do not find the homeserver.",
            "Serve {\"m.homeserver\":{\"base_url\":\"https://…\"}} as JSON at /.well-known/matrix/client of the server name itself. \
             Synapse does so with serve_client_wellknown, where it answers for that name; otherwise nginx: location = \
             /.well-known/matrix/client { default_type application/json; return 200 '…'; }, Caddy: respond /.well-known/matrix/client.",
        ),
    )
}

/// The document as a browser gets it: through at most as many redirects as clients follow.
async fn ask_well_known(probe: &Probe<'_>, name: &str) -> Vec<Answer> {
    let mut answers = Vec::new();
    let mut next = well_known_url(probe.policy(), name);
    while let Some(url) = next.take().filter(|_| answers.len() < 4) {
        let answer = probe.ask(Question::get(&url)).await;
        let moved = answer
            .as_ref()
            .ok()
            .filter(|answer| answer.status().is_redirection());
        next = moved.and_then(|answer| url.join(&header(answer, &header::LOCATION)?).ok());
        answers.push(answer);
    }
    answers
}

fn well_known(answers: &[Answer], base: &Url) -> Finding {
    let check = Check::WellKnown;
    let seen = format!("it leads to {}", place(base));
    match answers
        .iter()
        .filter_map(|answer| answer.as_ref().ok())
        .find_map(origin_fault)
    {
        None => Finding::good(check, seen),
        Some(fault) => Finding::bad(
            check,
            format!("{seen}, but {fault}"),
            (
                "Element Web and other web clients may not read it.",
                "nginx: add_header Access-Control-Allow-Origin * always; in the location of /.well-known/matrix/client. Caddy: \
                 header /.well-known/matrix/* Access-Control-Allow-Origin *. Exactly once.",
            ),
        ),
    }
}

pub(super) async fn ask_versions(probe: &Probe<'_>, base: &Url) -> Answer {
    probe
        .ask(Question::get(&join(base, "/_matrix/client/versions")))
        .await
}

/// "The homeserver can do it" is how Element Web decides whether to offer it at all.
pub(super) fn versions(answer: &Answer) -> Finding {
    let check = Check::Versions;
    let response = match answer {
        Err(silence) => return silent(check, silence),
        Ok(response) => response,
    };
    let document =
        json(response).filter(|document| document.get("versions").is_some_and(Value::is_array));
    let Some(document) = document.filter(|_| response.status() == 200) else {
        return Finding::bad(
            check,
            format!("no list of versions: {}", status(response)),
            NOT_MATRIX,
        );
    };
    if let Some(fault) = origin_fault(response) {
        return Finding::bad(check, fault, NO_CORS);
    }
    let feature = document
        .get("unstable_features")
        .and_then(|features| features.get(FEATURE));
    if feature.and_then(Value::as_bool) == Some(true) {
        Finding::good(check, format!("{FEATURE} is among its features"))
    } else {
        Finding::bad(
            check,
            format!("{FEATURE} is not among its features"),
            NO_FEATURE,
        )
    }
}

const NOT_MATRIX: (&str, &str) = (
    "No client works: there is no homeserver at this address.",
    "Send /_matrix (and /_synapse/client) to the homeserver. nginx: location ~ ^(/_matrix|/_synapse/client) { proxy_pass \
     http://127.0.0.1:8008; }. Caddy: reverse_proxy /_matrix/* 127.0.0.1:8008.",
);

const NO_CORS: (&str, &str) = (
    "Web clients may not read what the homeserver answers.",
    "Synapse sends the CORS headers itself: let its proxy neither remove them (nginx: proxy_hide_header) nor add them again \
     (nginx: add_header).",
);

const NO_FEATURE: (&str, &str) = (
    "Element Web offers no QR code.",
    "Synapse: experimental_features: msc4108_delegation_endpoint: \"https://rendezvous.example.org/\" (or msc4108_enabled: \
     true); either needs matrix_authentication_service to be enabled. Then restart it.",
);
