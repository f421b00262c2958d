//! What a browser lets a script do and see (Fetch, "CORS protocol"; MSC4108, "CORS").

use http::{HeaderName, header};

use crate::probe::{Answer, ORIGIN, Silence};
use crate::seen::{errcode, header, lists, silent, status};
use crate::visit::{NO_SESSION, Preflight, Visit};
use crate::{Check, Finding};
use matrix_qr_device::http::Response;

/// Answers whose ETag a web client must be able to read: it takes an answer without one for
/// something else.
const WITH_ETAG: [u16; 6] = [200, 201, 202, 204, 304, 412];

pub(crate) fn check(visit: &Visit) -> Vec<Finding> {
    vec![preflight(visit), cors(visit)]
}

/// What keeps a script from reading this answer at all.
pub(crate) fn origin_fault(response: &Response) -> Option<String> {
    let name = header::ACCESS_CONTROL_ALLOW_ORIGIN;
    let mut values = response.headers().get_all(&name).iter();
    match (values.next(), values.next()) {
        (None, _) => Some(format!("{name} is missing")),
        (Some(_), Some(_)) => Some(format!("{name} is there twice, and browsers take neither")),
        (Some(value), None) if value == "*" || value == ORIGIN => None,
        (Some(_), None) => Some(format!(
            "{name} is {}, not *",
            header(response, &name).unwrap_or_default()
        )),
    }
}

const EFFECT: &str = "Element Web and other web clients cannot sign anybody in by QR code.";

fn preflight(visit: &Visit) -> Finding {
    let check = Check::Preflight;
    if visit.preflights.is_empty() {
        return Finding::not_checked(check, NO_SESSION);
    }
    let over = visit
        .preflights
        .iter()
        .find_map(|asked| match &asked.answer {
            Err(silence @ Silence::Over(_)) => Some(silent(check, silence)),
            _ => None,
        });
    let faults: Vec<_> = visit
        .preflights
        .iter()
        .filter_map(preflight_fault)
        .collect();
    match (over, faults.first()) {
        (Some(over), _) => over,
        (None, None) => Finding::good(
            check,
            "POST, GET, PUT and DELETE are allowed, with their headers",
        ),
        (None, Some(_)) => Finding::bad(
            check,
            faults.join("; "),
            (
                EFFECT,
                "Pass OPTIONS on to the rendezvous server, which answers it: nginx: no limit_except or if ($request_method) in this \
                 location, and no redirect; firewalls: allow OPTIONS. Where the proxy answers itself: 204 with \
                 Access-Control-Allow-Origin: *, -Allow-Methods: GET, POST, PUT, DELETE and -Allow-Headers: Content-Type, If-Match, \
                 If-None-Match, Prefer.",
            ),
        ),
    }
}

fn preflight_fault(asked: &Preflight) -> Option<String> {
    let response = match &asked.answer {
        Ok(response) => response,
        Err(Silence::Over(_)) => return None,
        Err(Silence::Failed(error)) => {
            return Some(format!("OPTIONS for {}: {error}", asked.method));
        }
    };
    let fault = if !response.status().is_success() {
        Some(status(response))
    } else if let Some(fault) = origin_fault(response) {
        Some(fault)
    } else {
        unlisted(asked, response)
    };
    fault.map(|fault| format!("OPTIONS for {}: {fault}", asked.method))
}

/// GET and POST need no leave; of the headers, those do that a script may not set freely.
fn unlisted(asked: &Preflight, response: &Response) -> Option<String> {
    let allows =
        |name: &HeaderName, what| lists(response, name, what) || lists(response, name, "*");
    let methods = header::ACCESS_CONTROL_ALLOW_METHODS;
    if !matches!(asked.method, "GET" | "POST") && !allows(&methods, asked.method) {
        return Some(format!("{methods} lacks {}", asked.method));
    }
    let headers = header::ACCESS_CONTROL_ALLOW_HEADERS;
    let wanted = asked.header.filter(|wanted| !allows(&headers, wanted))?;
    Some(format!("{headers} lacks {wanted}"))
}

fn cors(visit: &Visit) -> Finding {
    let check = Check::Cors;
    if visit.session.is_none() {
        return Finding::not_checked(check, NO_SESSION);
    }
    let hops = visit.hops.iter().map(|hop| &hop.answer);
    let calls = [
        &visit.read,
        &visit.unchanged,
        &visit.written,
        &visit.stale,
        &visit.deleted,
        &visit.gone,
    ];
    let answers: Vec<&Answer> = hops.chain(calls.into_iter().flatten()).collect();
    let answers: Vec<&Response> = answers
        .into_iter()
        .filter_map(|answer| answer.as_ref().ok())
        .collect();
    let mut faults: Vec<_> = answers
        .iter()
        .filter(|answer| is_theirs(answer))
        .filter_map(|answer| fault(answer))
        .collect();
    faults.dedup();
    if faults.is_empty() {
        return Finding::good(check, "every answer may be read, with its ETag; errors too");
    }
    Finding::bad(
        check,
        faults.join("; "),
        (
            EFFECT,
            "The rendezvous server and Synapse send these headers themselves: nginx: no proxy_hide_header Access-Control-…, and no \
             add_header Access-Control-… beside them. For answers that the proxy makes itself: add_header Access-Control-Allow-Origin * \
             always; and Access-Control-Expose-Headers ETag.",
        ),
    )
}

/// What a proxy refuses by itself is told where it is refused.
fn is_theirs(answer: &Response) -> bool {
    let status = answer.status();
    status.is_success() || matches!(status.as_u16(), 304 | 307) || errcode(answer).is_some()
}

fn fault(answer: &Response) -> Option<String> {
    let code = answer.status().as_u16();
    if let Some(fault) = origin_fault(answer) {
        return Some(format!("{code}: {fault}"));
    }
    let expose = header::ACCESS_CONTROL_EXPOSE_HEADERS;
    let has_etag = WITH_ETAG.contains(&code) && answer.headers().contains_key(header::ETAG);
    let exposed = lists(answer, &expose, "etag") || lists(answer, &expose, "*");
    (has_etag && !exposed).then(|| format!("{code}: {expose} lacks ETag"))
}
