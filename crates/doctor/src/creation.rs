//! How a session comes to be: the create path, the way on from there, and the URL that is given
//! out.

use http::{StatusCode, header};

use crate::seen::{errcode, header, place, silent, status};
use crate::visit::{Hop, MAX_HOPS, Visit};
use crate::{Check, Finding};
use matrix_qr_device::http::Response;

pub(crate) fn check(visit: &Visit) -> Vec<Finding> {
    let Some(last) = visit.hops.last() else {
        return Vec::new();
    };
    vec![
        create(last, visit),
        delegation(last, visit),
        session_url(visit),
    ]
}

/// "Create a rendezvous session": 201. What goes wrong after a redirect is the redirect's fault.
fn create(last: &Hop, visit: &Visit) -> Finding {
    let check = Check::Create;
    let response = match &last.answer {
        Err(_) if visit.hops.len() > 1 => return not_this_way(),
        Err(silence) => return silent(check, silence),
        Ok(response) => response,
    };
    let at = place(&last.url);
    match response.status().as_u16() {
        201 => Finding::good(check, format!("201 at {at}{}", last.url.path())),
        200..=299 => Finding::warning(
            check,
            format!("{} at {at}, where the text says 201", status(response)),
            (
                "Clients that look closely refuse it.",
                "Update the rendezvous server.",
            ),
        ),
        300..=399 => not_this_way(),
        _ if visit.hops.len() > 1 => not_this_way(),
        _ => Finding::bad(
            check,
            format!("{} at {at}", status(response)),
            refused(response),
        ),
    }
}

fn not_this_way() -> Finding {
    Finding::not_checked(Check::Create, "the way there is broken")
}

fn refused(response: &Response) -> (&'static str, &'static str) {
    const NOBODY: &str = "Nobody can sign in by QR code here.";
    match response.status().as_u16() {
        429 => (
            "Clients give up, or wait.",
            "The rendezvous server is full or limits requests. Synapse: delegate to matrix-qr-rendezvous \
             (msc4108_delegation_endpoint), and raise its --max-sessions. nginx: no limit_req on this path, or a generous one.",
        ),
        500..=599 => (
            NOBODY,
            "The service behind the proxy does not run, or fails: look at its log and at the proxy's.",
        ),
        401 | 403 => (
            NOBODY,
            "Something forbids the request, which needs no account: let the proxy (its firewall rules, auth_basic, limit_except) \
             pass POST on this path.",
        ),
        400 if errcode(response).as_deref() == Some("M_MISSING_PARAM") => (
            NOBODY,
            "The proxy drops Content-Type or Content-Length: pass both on, and do not send requests in chunks.",
        ),
        _ => (
            NOBODY,
            "Synapse: experimental_features: msc4108_delegation_endpoint: \"https://rendezvous.example.org/\" (or \
             msc4108_enabled: true), and restart it. Its proxy must pass /_matrix/client/unstable/org.matrix.msc4108/rendezvous.",
        ),
    }
}

fn delegation(last: &Hop, visit: &Visit) -> Finding {
    let check = Check::Delegation;
    let arrived = place(&last.url);
    match &last.answer {
        Ok(response) if response.status().is_redirection() => astray(visit, last, response),
        Ok(response) if visit.hops.len() > 1 && !response.status().is_success() => Finding::bad(
            check,
            format!("it leads to {arrived}, and there is {}", status(response)),
            NOT_THERE,
        ),
        Err(silence) if visit.hops.len() > 1 => Finding {
            remedy: NOT_THERE.1.to_owned(),
            ..silent(check, silence)
        },
        _ if visit.hops.len() == 1 => Finding::good(check, "the homeserver does it itself"),
        _ if visit.hops.len() == 2 => Finding::good(check, format!("307 to {arrived}")),
        _ => Finding::warning(
            check,
            format!(
                "{} redirects, to {arrived} in the end",
                visit.hops.len() - 1
            ),
            (
                "Each of them takes time and can break; some clients follow one only.",
                "Name the last place directly in Synapse's msc4108_delegation_endpoint.",
            ),
        ),
    }
}

const NOT_THERE: (&str, &str) = (
    "Nobody can sign in by QR code here: devices are sent to a place that is no rendezvous server.",
    "Synapse: msc4108_delegation_endpoint must be the URL that creates sessions there: for matrix-qr-rendezvous its --public-url \
     with a slash at the end (or with its --create-path). See that it runs, and that its proxy points to it.",
);

/// "Create a rendezvous session": clients follow 307 only, with method and body, and never away
/// from https.
fn astray(visit: &Visit, last: &Hop, response: &Response) -> Finding {
    let (check, at, code) = (Check::Delegation, place(&last.url), response.status());
    let target = header(response, &header::LOCATION).and_then(|text| last.url.join(&text).ok());
    let to = target.as_ref().map_or_else(|| "nowhere".to_owned(), place);
    if code != StatusCode::TEMPORARY_REDIRECT {
        return Finding::bad(
            check,
            format!("{at} sends on to {to} with {}", code.as_u16()),
            NOT_307,
        );
    }
    let Some(target) = target else {
        return Finding::bad(
            check,
            format!("{at} answers 307 without a usable Location"),
            NOT_THERE,
        );
    };
    let circle = visit.hops.iter().any(|hop| hop.url == target);
    if circle || visit.hops.len() > MAX_HOPS {
        return Finding::bad(
            check,
            format!("{at} and {to} send on in circles"),
            IN_CIRCLES,
        );
    }
    Finding::bad(check, format!("{at} sends on to {to}"), NOT_HTTPS)
}

const NOT_307: (&str, &str) = (
    "Clients follow 307 only: after any other redirect the request would arrive without its method and body.",
    "nginx: return 307 …; (not 301, 302 or 308; `rewrite … redirect` is 302). Caddy: redir … 307. Better no redirect at all: \
     proxy_pass, or Synapse's msc4108_delegation_endpoint, which answers 307.",
);

const NOT_HTTPS: (&str, &str) = (
    "Clients refuse to leave https, so nobody can sign in by QR code here.",
    "Name an https:// URL in Synapse's msc4108_delegation_endpoint, and serve it with TLS.",
);

const IN_CIRCLES: (&str, &str) = (
    "Clients give up after a few redirects, so nobody can sign in by QR code here.",
    "msc4108_delegation_endpoint must not lead back to the homeserver: name the rendezvous server's own URL, and let its proxy \
     pass requests on (proxy_pass) rather than redirect them.",
);

fn session_url(visit: &Visit) -> Finding {
    let check = Check::SessionUrl;
    match (&visit.session, &visit.unusable_session) {
        (Some(session), _) => Finding::good(check, format!("below {}", place(session))),
        (None, Some(what)) => Finding::bad(
            check,
            what,
            (
                "The other device cannot go there, or must not.",
                "matrix-qr-rendezvous: --public-url https://… as clients reach it. Synapse: public_baseurl: https://….",
            ),
        ),
        (None, None) => Finding::not_checked(check, crate::visit::NO_SESSION),
    }
}
