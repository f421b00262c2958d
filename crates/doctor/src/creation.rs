//! How a session is created: the path, the redirects from there, and the URL in the response.

use http::{StatusCode, header};
use matrix_qr_device::http::HttpResponse;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::response::{error_code, header_text, origin, status_text};
use crate::transcript::{Hop, MAX_REDIRECTS, NO_SESSION, Transcript};
use crate::unanswered::unanswered;

pub(crate) fn check(transcript: &Transcript) -> Vec<Finding> {
    let Some(last) = transcript.hops.last() else {
        return Vec::new();
    };
    let redirects = transcript.hops.len() - 1;
    vec![
        create(last, redirects),
        delegation(last, transcript),
        session_url(transcript),
    ]
}

/// "Create a rendezvous session": 201. A fault after a redirect is the redirect's fault.
fn create(last: &Hop, redirects: usize) -> Finding {
    let check = Check::Create;
    let not_reached = || Finding::not_checked(check, "the rendezvous server is not reached");
    let response = match &last.result {
        Err(_) if redirects > 0 => return not_reached(),
        Err(no_response) => return unanswered(check, no_response),
        Ok(response) => response,
    };
    let at = origin(&last.url);
    match response.status().as_u16() {
        201 => Finding::good(check, format!("201 at {at}{}", last.url.path())),
        200..=299 => Finding::warning(
            check,
            format!("{} at {at}, but MSC4108 says 201", status_text(response)),
            Advice {
                effect: "Strict clients refuse the response.",
                remedy: "Update the rendezvous server.",
            },
        ),
        300..=399 => not_reached(),
        _ if redirects > 0 => not_reached(),
        _ => Finding::bad(
            check,
            format!("{} at {at}", status_text(response)),
            refused(response),
        ),
    }
}

fn refused(response: &HttpResponse) -> Advice<'static> {
    let status = response.status().as_u16();
    let effect = match status {
        429 => "Clients give up, or wait.",
        _ => "Nobody can sign in by QR code here.",
    };
    let remedy = match status {
        429 => {
            "The rendezvous server is full or limits requests. Synapse: delegate to \
             matrix-qr-rendezvous (msc4108_delegation_endpoint), and raise its --max-sessions. \
             nginx: no limit_req on this path, or a generous one."
        }
        500..=599 => {
            "The service behind the proxy does not run or fails: check its log and the proxy's."
        }
        401 | 403 => {
            "Something forbids the request, which needs no account: let the proxy (its firewall \
             rules, auth_basic, limit_except) pass POST on this path."
        }
        400 if error_code(response).as_deref() == Some("M_MISSING_PARAM") => {
            "The proxy drops Content-Type or Content-Length: pass both on, and do not send \
             requests in chunks."
        }
        _ => {
            "Synapse: experimental_features: msc4108_delegation_endpoint: \
             \"https://rendezvous.example.org/\" (or msc4108_enabled: true), and restart it. Its \
             proxy must pass /_matrix/client/unstable/org.matrix.msc4108/rendezvous."
        }
    };
    Advice { effect, remedy }
}

fn delegation(last: &Hop, transcript: &Transcript) -> Finding {
    let check = Check::Delegation;
    let (arrived, redirects) = (origin(&last.url), transcript.hops.len() - 1);
    match (&last.result, redirects) {
        (Ok(response), _) if response.status().is_redirection() => {
            bad_redirect(transcript, last, response)
        }
        (Ok(response), 1..) if !response.status().is_success() => {
            let seen = format!(
                "redirected to {arrived}, which answers {}",
                status_text(response)
            );
            Finding::bad(check, seen, NOT_THERE)
        }
        (Err(no_response), 1..) => Finding {
            remedy: NOT_THERE.remedy.to_owned(),
            ..unanswered(check, no_response)
        },
        (_, 0) => Finding::good(check, "the homeserver hosts the sessions itself"),
        (_, 1) => Finding::good(check, format!("307 to {arrived}")),
        _ => Finding::warning(
            check,
            format!("{redirects} redirects, the last one to {arrived}"),
            Advice {
                effect: "Each redirect takes time and can break; some clients follow only one.",
                remedy: "Set Synapse's msc4108_delegation_endpoint to the URL of the last \
                    redirect.",
            },
        ),
    }
}

const NOT_THERE: Advice<'_> = Advice {
    effect: "Nobody can sign in by QR code here: devices are redirected to a URL that is no \
        rendezvous server.",
    remedy: "Synapse: msc4108_delegation_endpoint must be the URL that creates sessions: for \
        matrix-qr-rendezvous its --public-url with a slash at the end (or with its --create-path). \
        Make sure that the server runs, and that its proxy points to it.",
};

/// "Create a rendezvous session": clients follow 307 only, with method and body, and never away
/// from https.
fn bad_redirect(transcript: &Transcript, last: &Hop, response: &HttpResponse) -> Finding {
    let (check, at, status) = (Check::Delegation, origin(&last.url), response.status());
    let location = header_text(response, &header::LOCATION);
    let target = location.and_then(|location| last.url.join(&location).ok());
    if status != StatusCode::TEMPORARY_REDIRECT {
        let to = target
            .as_ref()
            .map_or_else(|| "no usable Location".to_owned(), origin);
        return Finding::bad(
            check,
            format!("{at} redirects to {to} with {}", status.as_u16()),
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
    let to = origin(&target);
    let is_loop = transcript.hops.iter().any(|hop| hop.url == target);
    if is_loop || transcript.hops.len() > MAX_REDIRECTS {
        return Finding::bad(check, format!("{at} and {to} redirect in a loop"), LOOP);
    }
    Finding::bad(check, format!("{at} redirects to {to}"), NOT_HTTPS)
}

const NOT_307: Advice<'_> = Advice {
    effect: "Clients follow 307 only: after any other redirect the request would arrive without \
        its method and body.",
    remedy: "nginx: return 307 …; (not 301, 302 or 308; `rewrite … redirect` is 302). Caddy: redir \
        … 307. It is better not to redirect: proxy_pass, or Synapse's msc4108_delegation_endpoint, \
        which answers 307.",
};

const NOT_HTTPS: Advice<'_> = Advice {
    effect: "Clients refuse to leave https, so nobody can sign in by QR code here.",
    remedy: "Set Synapse's msc4108_delegation_endpoint to an https:// URL, and serve it with TLS.",
};

const LOOP: Advice<'_> = Advice {
    effect: "Clients give up after a few redirects, so nobody can sign in by QR code here.",
    remedy: "msc4108_delegation_endpoint must not lead back to the homeserver: set it to the \
        rendezvous server's own URL, and let its proxy pass requests on (proxy_pass) instead of \
        redirecting them.",
};

fn session_url(transcript: &Transcript) -> Finding {
    let check = Check::SessionUrl;
    match (&transcript.session, &transcript.unusable_session) {
        (Some(session), _) => Finding::good(check, format!("at {}", origin(session))),
        (None, Some(what)) => Finding::bad(
            check,
            what,
            Advice {
                effect: "The other device cannot use this URL, or must not.",
                remedy: "matrix-qr-rendezvous: --public-url https://… as clients reach it. \
                    Synapse: public_baseurl: https://….",
            },
        ),
        (None, None) => Finding::not_checked(check, NO_SESSION),
    }
}
