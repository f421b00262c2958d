//! What a browser lets a script request and read (Fetch, "CORS protocol"; MSC4108, "CORS").

use http::{HeaderName, header};
use matrix_qr_device::http::HttpResponse;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::probe::{NoResponse, ORIGIN};
use crate::response::{error_code, header_lists, header_text, status_text};
use crate::transcript::{NO_SESSION, Preflight, Transcript};
use crate::unanswered::unanswered;

/// The responses whose ETag a web client must be able to read.
const WITH_ETAG: [u16; 6] = [200, 201, 202, 204, 304, 412];

pub(crate) fn check(transcript: &Transcript) -> Vec<Finding> {
    vec![preflight(transcript), cors(transcript)]
}

/// What keeps a script from reading this response at all.
pub(crate) fn origin_fault(response: &HttpResponse) -> Option<String> {
    let name = header::ACCESS_CONTROL_ALLOW_ORIGIN;
    let mut values = response.headers().get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(format!("{name} is missing")),
        (Some(_), Some(_)) => Some(format!(
            "{name} is present twice, and browsers accept neither"
        )),
        (Some(value), None) if value == "*" || value == ORIGIN => None,
        (Some(_), None) => {
            let value = header_text(response, &name).unwrap_or_default();
            Some(format!("{name} is {value}, not *"))
        }
    }
}

const EFFECT: &str = "Element Web and other web clients cannot sign anybody in by QR code.";

fn preflight(transcript: &Transcript) -> Finding {
    let check = Check::Preflight;
    if transcript.preflights.is_empty() {
        return Finding::not_checked(check, NO_SESSION);
    }
    let mut results = transcript
        .preflights
        .iter()
        .map(|preflight| &preflight.result);
    let stopped = |result: &_| matches!(result, &&Err(NoResponse::Stopped(_)));
    if let Some(Err(no_response)) = results.find(stopped) {
        return unanswered(check, no_response);
    }
    let faults: Vec<_> = transcript
        .preflights
        .iter()
        .filter_map(preflight_fault)
        .collect();
    if faults.is_empty() {
        let seen = "POST, GET, PUT and DELETE are allowed, with their headers";
        return Finding::good(check, seen);
    }
    Finding::bad(
        check,
        faults.join("; "),
        Advice {
            effect: EFFECT,
            remedy: "Pass OPTIONS on to the rendezvous server, which answers it: nginx: no \
                limit_except or if ($request_method) in this location, and no redirect; firewalls: \
                allow OPTIONS. If the proxy answers it itself: 204 with \
                Access-Control-Allow-Origin: *, -Allow-Methods: GET, POST, PUT, DELETE and \
                -Allow-Headers: Content-Type, If-Match, If-None-Match, Prefer.",
        },
    )
}

fn preflight_fault(preflight: &Preflight) -> Option<String> {
    let fault = match &preflight.result {
        Err(NoResponse::Stopped(_)) => return None,
        Err(NoResponse::Failed(error)) => error.to_string(),
        Ok(response) if !response.status().is_success() => status_text(response),
        Ok(response) => origin_fault(response).or_else(|| unlisted(preflight, response))?,
    };
    Some(format!("OPTIONS for {}: {fault}", preflight.method))
}

/// GET and POST are always allowed; the headers here must be listed.
fn unlisted(preflight: &Preflight, response: &HttpResponse) -> Option<String> {
    let lists = |name: &HeaderName, what| {
        header_lists(response, name, what) || header_lists(response, name, "*")
    };
    let methods = header::ACCESS_CONTROL_ALLOW_METHODS;
    if !matches!(preflight.method, "GET" | "POST") && !lists(&methods, preflight.method) {
        return Some(format!("{methods} lacks {}", preflight.method));
    }
    let headers = header::ACCESS_CONTROL_ALLOW_HEADERS;
    let missing = preflight.header.filter(|header| !lists(&headers, header))?;
    Some(format!("{headers} lacks {missing}"))
}

fn cors(transcript: &Transcript) -> Finding {
    let check = Check::Cors;
    if transcript.session.is_none() {
        return Finding::not_checked(check, NO_SESSION);
    }
    let of_session = [
        &transcript.read,
        &transcript.unchanged,
        &transcript.written,
        &transcript.stale,
        &transcript.deleted,
        &transcript.gone,
    ];
    let creations = transcript.hops.iter().map(|hop| &hop.result);
    let responses = creations.chain(of_session.into_iter().flatten()).flatten();
    let mut faults: Vec<_> = responses
        .filter(|response| !is_from_proxy(response))
        .filter_map(fault)
        .collect();
    faults.dedup();
    if faults.is_empty() {
        return Finding::good(
            check,
            "every response can be read, with its ETag; errors, too",
        );
    }
    Finding::bad(
        check,
        faults.join("; "),
        Advice {
            effect: EFFECT,
            remedy: "The rendezvous server and Synapse send these headers themselves: nginx: no \
                proxy_hide_header Access-Control-…, and no add_header Access-Control-… beside \
                them. For responses of the proxy itself: add_header Access-Control-Allow-Origin * \
                always; and Access-Control-Expose-Headers ETag.",
        },
    )
}

/// A refusal by a proxy is reported by the check whose request it refused.
fn is_from_proxy(response: &HttpResponse) -> bool {
    let status = response.status();
    let is_expected = status.is_success() || matches!(status.as_u16(), 304 | 307);
    !is_expected && error_code(response).is_none()
}

fn fault(response: &HttpResponse) -> Option<String> {
    let status = response.status().as_u16();
    if let Some(fault) = origin_fault(response) {
        return Some(format!("{status}: {fault}"));
    }
    let expose = header::ACCESS_CONTROL_EXPOSE_HEADERS;
    let has_etag = WITH_ETAG.contains(&status) && response.headers().contains_key(header::ETAG);
    let is_exposed =
        header_lists(response, &expose, "etag") || header_lists(response, &expose, "*");
    (has_etag && !is_exposed).then(|| format!("{status}: {expose} lacks ETag"))
}
