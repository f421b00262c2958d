//! The way from a server name to the homeserver, and what the homeserver announces.

use http::header;
use matrix_qr_device::discovery::{self, DiscoveryError, join, well_known_url};
use matrix_qr_protocol::homeserver::{HomeserverAddress, HomeserverKind};
use serde_json::Value;
use url::Url;

use crate::check::Check;
use crate::cors::origin_fault;
use crate::dns;
use crate::finding::{Advice, Finding, Verdict};
use crate::probe::{NoResponse, Probe, ProbeRequest, ProbeResult};
use crate::response::{header_text, json, origin, status_text};
use crate::unanswered::unanswered;

const FEATURE: &str = "org.matrix.msc4108";

/// As many redirects of `.well-known` as clients follow.
const MAX_REDIRECTS: usize = 3;

/// The base URL if there is one, and the findings on the way to it.
pub(crate) async fn find(
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
    match (probe.until_stopped(resolved).await, named.kind()) {
        (Err(no_response), _) => (None, unanswered(check, &no_response)),
        (Ok(Err(DiscoveryError::Http(error))), _) => {
            (None, unanswered(check, &NoResponse::Failed(error)))
        }
        (Ok(Err(error)), _) => (None, not_found(&error)),
        (Ok(Ok(base)), HomeserverKind::BaseUrl(_)) => (
            Some(base),
            Finding::not_checked(check, "a base URL was given, which needs no lookup"),
        ),
        (Ok(Ok(base)), HomeserverKind::ServerName(name)) => {
            let finding = well_known(&request_well_known(probe, name).await, &base);
            (Some(base), finding)
        }
    }
}

fn not_found(error: &DiscoveryError) -> Finding {
    Finding::bad(
        Check::WellKnown,
        error.to_string(),
        Advice {
            effect: "People who type the server name, and apps that receive it, do not find the \
                homeserver.",
            remedy: "Serve {\"m.homeserver\":{\"base_url\":\"https://…\"}} as JSON at \
                /.well-known/matrix/client of the server name itself. Synapse does so with \
                serve_client_wellknown, if it serves that name; otherwise nginx: location = \
                /.well-known/matrix/client { default_type application/json; return 200 '…'; }, \
                Caddy: respond /.well-known/matrix/client.",
        },
    )
}

/// The document as a browser gets it: its redirects, and the response at their end.
async fn request_well_known(probe: &Probe<'_>, name: &str) -> Vec<ProbeResult> {
    let mut results = Vec::new();
    let mut next = well_known_url(probe.policy(), name);
    while let Some(url) = next.take().filter(|_| results.len() <= MAX_REDIRECTS) {
        let result = probe.send(ProbeRequest::get(&url)).await;
        let redirect = result
            .as_ref()
            .ok()
            .filter(|response| response.status().is_redirection());
        let location = redirect.and_then(|response| header_text(response, &header::LOCATION));
        next = location.and_then(|location| url.join(&location).ok());
        results.push(result);
    }
    results
}

fn well_known(results: &[ProbeResult], base: &Url) -> Finding {
    let check = Check::WellKnown;
    let seen = format!("it leads to {}", origin(base));
    match results.iter().flatten().find_map(origin_fault) {
        None => Finding::good(check, seen),
        Some(fault) => Finding::bad(
            check,
            format!("{seen}, but {fault}"),
            Advice {
                effect: "Element Web and other web clients may not read it.",
                remedy: "nginx: add_header Access-Control-Allow-Origin * always; in the location \
                    of /.well-known/matrix/client. Caddy: header /.well-known/matrix/* \
                    Access-Control-Allow-Origin *. Exactly once.",
            },
        ),
    }
}

pub(crate) async fn request_versions(probe: &Probe<'_>, base: &Url) -> ProbeResult {
    probe
        .send(ProbeRequest::get(&join(base, "/_matrix/client/versions")))
        .await
}

/// By this feature, Element Web decides whether to offer a QR code.
pub(crate) fn versions(result: &ProbeResult) -> Finding {
    let check = Check::Versions;
    let response = match result {
        Err(no_response) => return unanswered(check, no_response),
        Ok(response) => response,
    };
    let document = json(response).filter(|_| response.status() == 200);
    let lists_versions = |document: &Value| document.get("versions").is_some_and(Value::is_array);
    let Some(document) = document.filter(lists_versions) else {
        let seen = format!("no list of versions: {}", status_text(response));
        return Finding::bad(check, seen, NOT_MATRIX);
    };
    if let Some(fault) = origin_fault(response) {
        return Finding::bad(check, fault, NO_CORS);
    }
    let features = document.get("unstable_features");
    let feature = features
        .and_then(|features| features.get(FEATURE))
        .and_then(Value::as_bool);
    if feature == Some(true) {
        Finding::good(check, format!("{FEATURE} is among its features"))
    } else {
        Finding::bad(
            check,
            format!("{FEATURE} is not among its features"),
            NO_FEATURE,
        )
    }
}

const NOT_MATRIX: Advice<'_> = Advice {
    effect: "No client works: there is no homeserver at this URL.",
    remedy: "Pass /_matrix (and /_synapse/client) on to the homeserver. nginx: location ~ \
        ^(/_matrix|/_synapse/client) { proxy_pass http://127.0.0.1:8008; }. Caddy: reverse_proxy \
        /_matrix/* 127.0.0.1:8008.",
};

const NO_CORS: Advice<'_> = Advice {
    effect: "Web clients may not read the homeserver's responses.",
    remedy: "Synapse sends the CORS headers itself: let its proxy neither remove them (nginx: \
        proxy_hide_header) nor add them again (nginx: add_header).",
};

const NO_FEATURE: Advice<'_> = Advice {
    effect: "Element Web offers no QR code.",
    remedy: "Synapse: experimental_features: msc4108_delegation_endpoint: \
        \"https://rendezvous.example.org/\" (or msc4108_enabled: true); either needs \
        matrix_authentication_service to be enabled. Then restart it.",
};
