//! The calls on a session: receive, send, cancel, and their limits.

use http::header;

use crate::etag::came_back;
use crate::seen::{errcode, header, status};
use crate::visit::{NO_SESSION, Visit};
use crate::{Check, Finding};
use matrix_qr_device::http::Response;

pub(crate) fn check(visit: &Visit) -> Vec<Finding> {
    let checks = [
        read,
        content_type,
        conditional_read,
        write,
        stale_write,
        payload_limit,
        delete,
        survival,
    ]
    .map(|of| of(visit));
    checks
        .into_iter()
        .map(|result| result.unwrap_or_else(|finding| finding))
        .collect()
}

/// A finding either way: what ends a check early is on the right of `?`.
type Checked = Result<Finding, Finding>;

const NO_SIGN_IN: &str = "No sign-in by QR code works.";

fn read(visit: &Visit) -> Checked {
    let check = Check::Read;
    let response = visit.answered(check, &visit.read)?;
    Ok(match response.status().as_u16() {
        200 => Finding::good(check, "200"),
        404 => Finding::bad(
            check,
            format!("{} right after it was created", status(response)),
            NOT_ROUTED,
        ),
        _ => Finding::bad(check, status(response), NOT_ROUTED),
    })
}

const NOT_ROUTED: (&str, &str) = (
    NO_SIGN_IN,
    "The proxy does not pass the session's URL on. Synapse's sessions are below /_synapse/client/rendezvous: nginx: location ~ \
     ^(/_matrix|/_synapse/client) { proxy_pass http://127.0.0.1:8008; }, Caddy: reverse_proxy /_synapse/client/* 127.0.0.1:8008. \
     matrix-qr-rendezvous's are below /rendezvous/ of its --public-url.",
);

/// matrix-js-sdk compares the whole value, and takes anything else for "nothing new".
fn content_type(visit: &Visit) -> Checked {
    let check = Check::ContentType;
    let response = visit.answered(check, &visit.read)?;
    if response.status() != 200 {
        return Err(Finding::not_checked(check, "the session could not be read"));
    }
    let found = header(response, &header::CONTENT_TYPE).unwrap_or_else(|| "missing".to_owned());
    if found == "text/plain" {
        return Ok(Finding::good(check, found));
    }
    let advice = (
        "Element Web never sees what the other device wrote.",
        "Send exactly text/plain. nginx: charset off; in this location, and no default_type or add_header Content-Type.",
    );
    Ok(Finding::bad(
        check,
        format!("Content-Type is {found}"),
        advice,
    ))
}

/// "Receive a payload": 304 for the ETag that is known.
fn conditional_read(visit: &Visit) -> Checked {
    let check = Check::ConditionalRead;
    let response = visit.answered(check, &visit.unchanged)?;
    let remedy = "Pass If-None-Match on to the rendezvous server, and its 304 back. nginx: no proxy_set_header If-None-Match \"\"; no \
                  proxy_cache in this location.";
    Ok(match response.status().as_u16() {
        304 => Finding::good(check, "304"),
        200 => Finding::bad(
            check,
            "200, though nothing has changed",
            (
                "Element X takes its own message for the other device's, and ends the sign-in.",
                remedy,
            ),
        ),
        _ => Finding::bad(check, status(response), (NO_SIGN_IN, remedy)),
    })
}

/// "Send a payload": 202; and then it is there, as it was sent.
fn write(visit: &Visit) -> Checked {
    let check = Check::Write;
    let written = visit.answered(check, &visit.written)?;
    match written.status().as_u16() {
        200..=299 => {}
        status_code => {
            return Err(Finding::bad(
                check,
                status(written),
                (NO_SIGN_IN, write_remedy(status_code)),
            ));
        }
    }
    let read = visit.answered(check, &visit.read_back)?;
    if read.status() == 200 && !read.body().is_empty() && !came_back(read) {
        let remedy = "A proxy changes the payload: nginx: no sub_filter; CDNs: no feature that rewrites content.";
        return Err(Finding::bad(
            check,
            "what comes back is not what was written",
            (NO_SIGN_IN, remedy),
        ));
    }
    if !matches!(read.status().as_u16(), 200 | 304) {
        return Err(Finding::bad(
            check,
            format!("after it a read says {}", status(read)),
            NOT_ROUTED,
        ));
    }
    Ok(match written.status().as_u16() {
        202 => Finding::good(check, "202, and it is there"),
        other => Finding::warning(
            check,
            format!("{other}, where the text says 202; it is there"),
            (
                "Clients that look closely refuse it.",
                "Update the rendezvous server.",
            ),
        ),
    })
}

fn write_remedy(status: u16) -> &'static str {
    match status {
        400 => {
            "The proxy drops If-Match, Content-Type or Content-Length: pass them on. nginx: no proxy_set_header If-Match \"\"."
        }
        401 | 403 | 405 | 501 => {
            "Something forbids PUT: let it through. nginx: limit_except GET POST PUT DELETE OPTIONS; firewalls (ModSecurity): allow PUT \
             and DELETE for this path."
        }
        412 => {
            "The ETag or If-Match was changed on the way: nginx: gzip off; and no proxy_set_header If-Match in this location."
        }
        413 => {
            "nginx: client_max_body_size 16k; (or more) in this location. Caddy: request_body max_size 16KB."
        }
        429 => {
            "Something limits requests; a sign-in makes a few each second. nginx: no limit_req in this location."
        }
        _ => {
            "The service behind the proxy does not run, or fails: look at its log and at the proxy's."
        }
    }
}

/// "Concurrent writes": 412, and nothing is lost.
fn stale_write(visit: &Visit) -> Checked {
    let check = Check::StaleWrite;
    let response = visit.answered(check, &visit.stale)?;
    Ok(match response.status().as_u16() {
        412 => Finding::good(check, format!("412{}", concurrent(response))),
        200..=299 => Finding::bad(
            check,
            format!("{}: it is accepted", status(response)),
            (
                "Two devices that write at once overwrite each other's message, and nobody notices.",
                "If-Match must reach the rendezvous server: nginx: no proxy_set_header If-Match in this location. Else update that server.",
            ),
        ),
        code => Finding::bad(check, status(response), (NO_SIGN_IN, write_remedy(code))),
    })
}

fn concurrent(response: &Response) -> String {
    errcode(response)
        .map(|code| format!(" {code}"))
        .unwrap_or_default()
}

/// "Maximum payload size".
fn payload_limit(visit: &Visit) -> Checked {
    let check = Check::PayloadLimit;
    let full = visit.answered(check, &visit.full)?;
    if !full.status().is_success() {
        let effect =
            "The last messages of a sign-in are the longest: it stops shortly before its end.";
        let seen = format!("4096 bytes are refused: {}", status(full));
        return Err(Finding::bad(
            check,
            seen,
            (effect, write_remedy(full.status().as_u16())),
        ));
    }
    let oversized = visit.answered(check, &visit.oversized)?;
    Ok(match oversized.status().as_u16() {
        413 => Finding::good(check, "4096 bytes are taken, 4097 are not (413)"),
        200..=299 => Finding::warning(
            check,
            "4097 bytes are taken, too",
            (
                "Strangers can keep more than messages here.",
                "Update the rendezvous server: MSC4108 says 4096 bytes.",
            ),
        ),
        _ => Finding::warning(
            check,
            format!("4097 bytes are refused with {}, not 413", status(oversized)),
            (
                "Clients cannot say what was wrong.",
                "Let the rendezvous server's own answer through.",
            ),
        ),
    })
}

/// "Cancel a rendezvous session".
fn delete(visit: &Visit) -> Checked {
    let check = Check::Delete;
    let deleted = visit.answered(check, &visit.deleted)?;
    let effect = "Whoever cancels is not heard: the other device waits until the time is up.";
    match deleted.status().as_u16() {
        204 => {}
        200..=299 => {
            let advice = (
                "Clients that look closely take it for a failure.",
                "Update the rendezvous server: MSC4108 says 204.",
            );
            return Err(Finding::warning(check, status(deleted), advice));
        }
        code => {
            return Err(Finding::bad(
                check,
                status(deleted),
                (effect, write_remedy(code)),
            ));
        }
    }
    if visit.is_cached() {
        return Err(Finding::not_checked(
            check,
            "a cache answers in place of the server",
        ));
    }
    let gone = visit.answered(check, &visit.gone)?;
    if gone.status() == 404 {
        return Ok(Finding::good(check, "204, and then 404"));
    }
    let remedy = "A cache answers, or the rendezvous server has forgotten nothing: nginx: proxy_cache off; in this location.";
    Ok(Finding::bad(
        check,
        format!("it is still there: {}", status(gone)),
        (effect, remedy),
    ))
}

fn survival(visit: &Visit) -> Checked {
    let check = Check::Survival;
    if visit.died() {
        return Err(Finding::bad(
            check,
            "it was gone (404) before its time and before it was deleted",
            DIED,
        ));
    }
    if visit.session.is_none() {
        return Err(Finding::not_checked(check, NO_SESSION));
    }
    let last = visit.answered(check, &visit.last)?;
    Ok(match last.status().as_u16() {
        200 => Finding::good(check, "it was there until it was deleted"),
        _ => Finding::not_checked(check, format!("the last read said {}", status(last))),
    })
}

const DIED: (&str, &str) = (
    "Sign-ins end half-way, as if the other device had cancelled.",
    "Synapse keeps 100 sessions and drops the oldest when another is made: delegate to matrix-qr-rendezvous \
     (msc4108_delegation_endpoint), which refuses new ones instead. Of matrix-qr-rendezvous itself run one process, or let the proxy \
     send a session always to the same: sessions are in its memory, and end with it.",
);
