//! The requests of a live session: read, write, delete, and their limits.

use http::header;
use matrix_qr_device::http::HttpResponse;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::probe::TEST_PAYLOAD;
use crate::response::{header_text, status_text};
use crate::transcript::{CACHED, NOT_READ, Transcript};

pub(crate) fn check(transcript: &Transcript) -> Vec<Finding> {
    let checks = [
        read,
        content_type,
        conditional_read,
        write,
        stale_write,
        payload_limit,
        delete,
    ];
    let results = checks.map(|check| check(transcript));
    results
        .into_iter()
        .map(|result| result.unwrap_or_else(|finding| finding))
        .collect()
}

/// A finding in both cases: `Err` is what ends a check early, by `?`.
type Checked = Result<Finding, Finding>;

const NO_SIGN_IN: &str = "No sign-in by QR code works.";

fn read(transcript: &Transcript) -> Checked {
    let check = Check::Read;
    let response = transcript.response(check, &transcript.read)?;
    Ok(match response.status().as_u16() {
        200 => Finding::good(check, "200"),
        404 => {
            let seen = format!("{} right after the creation", status_text(response));
            Finding::bad(check, seen, NOT_ROUTED)
        }
        _ => Finding::bad(check, status_text(response), NOT_ROUTED),
    })
}

const NOT_ROUTED: Advice<'_> = Advice {
    effect: NO_SIGN_IN,
    remedy: "The proxy does not pass the session's URL on. Synapse's sessions are below \
        /_synapse/client/rendezvous: nginx: location ~ ^(/_matrix|/_synapse/client) { proxy_pass \
        http://127.0.0.1:8008; }, Caddy: reverse_proxy /_synapse/client/* 127.0.0.1:8008. \
        matrix-qr-rendezvous's are below /rendezvous/ of its --public-url.",
};

/// matrix-js-sdk compares the whole value, and takes any other one to mean that nothing is new.
fn content_type(transcript: &Transcript) -> Checked {
    let check = Check::ContentType;
    let response = transcript.response(check, &transcript.read)?;
    if response.status() != 200 {
        return Err(Finding::not_checked(check, NOT_READ));
    }
    let found =
        header_text(response, &header::CONTENT_TYPE).unwrap_or_else(|| "missing".to_owned());
    if found == "text/plain" {
        return Ok(Finding::good(check, found));
    }
    let advice = Advice {
        effect: "Element Web never sees what the other device wrote.",
        remedy: "Send exactly text/plain. nginx: charset off; in this location, and no \
            default_type or add_header Content-Type.",
    };
    Ok(Finding::bad(
        check,
        format!("Content-Type is {found}"),
        advice,
    ))
}

/// "Receive a payload": 304 for the ETag that the device already has.
fn conditional_read(transcript: &Transcript) -> Checked {
    let check = Check::ConditionalRead;
    let response = transcript.response(check, &transcript.unchanged)?;
    let remedy = "Pass If-None-Match on to the rendezvous server, and its 304 back. nginx: no \
        proxy_set_header If-None-Match \"\"; no proxy_cache in this location.";
    Ok(match response.status().as_u16() {
        304 => Finding::good(check, "304"),
        200 => {
            let effect =
                "Element X mistakes its own message for the other device's, and ends the sign-in.";
            Finding::bad(
                check,
                "200, although nothing has changed",
                Advice { effect, remedy },
            )
        }
        _ => Finding::bad(
            check,
            status_text(response),
            Advice {
                effect: NO_SIGN_IN,
                remedy,
            },
        ),
    })
}

/// "Send a payload": 202; then a read returns what was written.
fn write(transcript: &Transcript) -> Checked {
    let check = Check::Write;
    let written = transcript.response(check, &transcript.written)?;
    if !written.status().is_success() {
        let advice = Advice {
            effect: NO_SIGN_IN,
            remedy: refusal_remedy(written),
        };
        return Err(Finding::bad(check, status_text(written), advice));
    }
    let read = transcript.response(check, &transcript.read_back)?;
    if read.status() == 200 && !read.body().is_empty() && read.body() != TEST_PAYLOAD {
        let remedy = "A proxy changes the payload: nginx: no sub_filter; CDNs: no feature that \
            rewrites content.";
        let advice = Advice {
            effect: NO_SIGN_IN,
            remedy,
        };
        return Err(Finding::bad(
            check,
            "a read returns something other than what was written",
            advice,
        ));
    }
    if !matches!(read.status().as_u16(), 200 | 304) {
        let seen = format!("a read after it is answered with {}", status_text(read));
        return Err(Finding::bad(check, seen, NOT_ROUTED));
    }
    Ok(match written.status().as_u16() {
        202 => Finding::good(check, "202, and a read returns it"),
        other => {
            let seen = format!("{other}, but MSC4108 says 202; a read returns it");
            let advice = Advice {
                effect: "Strict clients refuse the response.",
                remedy: "Update the rendezvous server.",
            };
            Finding::warning(check, seen, advice)
        }
    })
}

/// What to change if this is the response to a PUT or a DELETE.
fn refusal_remedy(response: &HttpResponse) -> &'static str {
    match response.status().as_u16() {
        400 => {
            "The proxy drops If-Match, Content-Type or Content-Length: pass them on. nginx: no \
             proxy_set_header If-Match \"\"."
        }
        401 | 403 | 405 | 501 => {
            "Something forbids PUT or DELETE: let both through. nginx: limit_except GET POST PUT \
             DELETE OPTIONS; firewalls (ModSecurity): allow PUT and DELETE for this path."
        }
        412 => {
            "The ETag or If-Match was changed on its way: nginx: gzip off; and no proxy_set_header \
             If-Match in this location."
        }
        413 => {
            "nginx: client_max_body_size 16k; (or more) in this location. Caddy: request_body \
             max_size 16KB."
        }
        429 => {
            "Something limits requests; a sign-in sends a few of them each second. nginx: no \
             limit_req in this location."
        }
        _ => "The service behind the proxy does not run or fails: check its log and the proxy's.",
    }
}

/// "Concurrent writes": 412, and nothing is lost.
fn stale_write(transcript: &Transcript) -> Checked {
    let check = Check::StaleWrite;
    let response = transcript.response(check, &transcript.stale)?;
    Ok(match response.status().as_u16() {
        412 => Finding::good(check, status_text(response)),
        200..=299 => {
            let advice = Advice {
                effect: "Two devices that write at once overwrite each other's message, and \
                    neither notices.",
                remedy: "If-Match must reach the rendezvous server: nginx: no proxy_set_header \
                    If-Match in this location. If it does, update that server.",
            };
            Finding::bad(
                check,
                format!("{}: it is accepted", status_text(response)),
                advice,
            )
        }
        _ => {
            let advice = Advice {
                effect: NO_SIGN_IN,
                remedy: refusal_remedy(response),
            };
            Finding::bad(check, status_text(response), advice)
        }
    })
}

/// "Maximum payload size".
fn payload_limit(transcript: &Transcript) -> Checked {
    let check = Check::PayloadLimit;
    let full = transcript.response(check, &transcript.full)?;
    if !full.status().is_success() {
        let advice = Advice {
            effect: "The last messages of a sign-in are the longest: it stops shortly before its \
                end.",
            remedy: refusal_remedy(full),
        };
        let seen = format!("4096 bytes are refused: {}", status_text(full));
        return Err(Finding::bad(check, seen, advice));
    }
    let oversized = transcript.response(check, &transcript.oversized)?;
    Ok(match oversized.status().as_u16() {
        413 => Finding::good(check, "4097 bytes are refused with 413"),
        200..=299 => {
            let advice = Advice {
                effect: "Strangers can store more than messages here.",
                remedy: "Update the rendezvous server: MSC4108 says 4096 bytes.",
            };
            Finding::warning(check, "4097 bytes are accepted, too", advice)
        }
        _ => {
            let seen = format!(
                "4097 bytes are refused with {}, not 413",
                status_text(oversized)
            );
            let advice = Advice {
                effect: "Clients cannot say what was wrong.",
                remedy: "Pass the rendezvous server's own response on.",
            };
            Finding::warning(check, seen, advice)
        }
    })
}

/// "Cancel a rendezvous session".
fn delete(transcript: &Transcript) -> Checked {
    let check = Check::Delete;
    let deleted = transcript.response(check, &transcript.deleted)?;
    let effect =
        "The other device does not learn of a cancellation: it waits until the time is up.";
    match deleted.status().as_u16() {
        204 => {}
        200..=299 => {
            let advice = Advice {
                effect: "Strict clients treat it as a failure.",
                remedy: "Update the rendezvous server: MSC4108 says 204.",
            };
            return Err(Finding::warning(check, status_text(deleted), advice));
        }
        _ => {
            let advice = Advice {
                effect,
                remedy: refusal_remedy(deleted),
            };
            return Err(Finding::bad(check, status_text(deleted), advice));
        }
    }
    if transcript.is_cached() {
        return Err(Finding::not_checked(check, CACHED));
    }
    let gone = transcript.response(check, &transcript.gone)?;
    if gone.status() == 404 {
        return Ok(Finding::good(check, "204, then 404"));
    }
    let remedy = "A cache responds, or the rendezvous server did not delete it: nginx: proxy_cache \
        off; in this location.";
    let seen = format!("it is still there: {}", status_text(gone));
    Ok(Finding::bad(check, seen, Advice { effect, remedy }))
}
