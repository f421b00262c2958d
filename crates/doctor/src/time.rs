//! How long a session lives, and whether the servers' clocks are right.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, header};
use matrix_qr_device::http::HttpResponse;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::probe::ProbeResult;
use crate::response::{header_text, status_text};
use crate::transcript::{NO_SESSION, Transcript};

/// In seconds. Below this, hardly anybody signs in.
const TOO_SHORT: i64 = 60;
/// In seconds. Below this, people with a second factor do not sign in.
const SHORT: i64 = 120;
/// In seconds. HTTP's dates are whole seconds, and two of them are compared.
const ROUNDING: i64 = 2;
/// In seconds. More than a slow response explains.
const MAX_SKEW: i64 = 60;

pub(crate) fn check(versions: &ProbeResult, transcript: &Transcript) -> Vec<Finding> {
    vec![
        lifetime(transcript),
        survival(transcript),
        clock(versions, transcript),
    ]
}

/// "Common HTTP response headers": Expires, relative to the Date of the same response.
fn lifetime(transcript: &Transcript) -> Finding {
    let check = Check::Lifetime;
    let Some(created) = transcript.created() else {
        return Finding::not_checked(check, NO_SESSION);
    };
    let reads = [&transcript.read, &transcript.unchanged]
        .into_iter()
        .flatten()
        .flatten();
    let reads = reads.filter(|read| read.status().is_success() || read.status() == 304);
    let mut responses = std::iter::once(created).chain(reads);
    let has_no_expiry = |response: &&HttpResponse| seconds(response, &header::EXPIRES).is_none();
    if let Some(response) = responses.find(has_no_expiry) {
        let value = header_text(response, &header::EXPIRES).unwrap_or_else(|| "missing".to_owned());
        let seen = format!("Expires is {value} in a {}", response.status().as_u16());
        return Finding::bad(check, seen, NO_EXPIRES);
    }
    let expires = seconds(created, &header::EXPIRES);
    let Some((expires, date)) = expires.zip(seconds(created, &header::DATE)) else {
        return Finding::warning(check, "there is no Date to compare Expires with", NO_DATE);
    };
    match expires - date {
        left if left <= 0 => {
            let seen = format!("Expires is {} s before the Date", -left);
            Finding::bad(check, seen, EXPIRES_BEFORE_DATE)
        }
        left if left + ROUNDING < TOO_SHORT => Finding::bad(check, format!("{left} s"), LONGER),
        left if left + ROUNDING < SHORT => Finding::warning(check, format!("{left} s"), LONGER),
        left => Finding::good(check, format!("{left} s")),
    }
}

const NO_EXPIRES: Advice<'_> = Advice {
    effect: "Element X refuses the response, and Element Web ends the sign-in at once.",
    remedy: "Pass the rendezvous server's Expires on. nginx: expires off; and no proxy_hide_header \
        Expires in this location.",
};

const NO_DATE: Advice<'_> = Advice {
    effect: "Clients go by their own clocks: if such a clock is wrong, sessions end too early or \
        too late.",
    remedy: "Pass the rendezvous server's Date on (nginx: proxy_pass_header Date;).",
};

const EXPIRES_BEFORE_DATE: Advice<'_> = Advice {
    effect: "Devices regard the QR code as expired as soon as they show it.",
    remedy: "Date and Expires come from different clocks: set both machines' clocks by NTP, and \
        pass the rendezvous server's own Date on (nginx replaces it, unless: proxy_pass_header \
        Date;). nginx: expires off; in this location.",
};

const LONGER: Advice<'_> = Advice {
    effect: "The time is too short to find the other device, sign in to the consent page and \
        confirm a second factor.",
    remedy: "Synapse's own sessions live 60 s, and that cannot be changed: delegate with \
        msc4108_delegation_endpoint. matrix-qr-rendezvous: --lifetime 300.",
};

fn survival(transcript: &Transcript) -> Finding {
    let check = Check::Survival;
    if transcript.ended_early() {
        let seen = "it was gone (404) before it expired and before it was deleted";
        return Finding::bad(check, seen, ENDED_EARLY);
    }
    match transcript.response(check, &transcript.last) {
        Err(finding) => finding,
        Ok(last) if last.status() == 200 => {
            Finding::good(check, "it was there until it was deleted")
        }
        Ok(last) => {
            let because = format!("the last read was answered with {}", status_text(last));
            Finding::not_checked(check, because)
        }
    }
}

const ENDED_EARLY: Advice<'_> = Advice {
    effect: "Sign-ins end half-way, as if the other device had cancelled.",
    remedy: "Synapse keeps 100 sessions and drops the oldest one for a new one: delegate to \
        matrix-qr-rendezvous (msc4108_delegation_endpoint), which refuses new ones instead. Of \
        matrix-qr-rendezvous run only one process, or let the proxy send a session always to the \
        same one: sessions are in its memory, and end with it.",
};

fn clock(versions: &ProbeResult, transcript: &Transcript) -> Finding {
    let check = Check::Clock;
    let servers = [
        ("the homeserver", versions.as_ref().ok()),
        ("the rendezvous server", transcript.created()),
    ];
    let skews = servers
        .iter()
        .filter_map(|(server, response)| Some((server, skew((*response)?)?)));
    match skews.max_by_key(|(_, skew)| skew.abs()) {
        None => Finding::not_checked(check, "no server says what time it is"),
        Some((_, skew)) if skew.abs() <= MAX_SKEW => Finding::good(
            check,
            format!("within {} s of this machine's clock", skew.abs()),
        ),
        Some((server, skew)) => {
            let direction = if skew > 0 { "ahead of" } else { "behind" };
            let seen = format!(
                "the clock of {server} is {} s {direction} this machine's",
                skew.abs()
            );
            Finding::warning(check, seen, WRONG_CLOCK)
        }
    }
}

const WRONG_CLOCK: Advice<'_> = Advice {
    effect: "matrix-qr goes by the server's own clock. Element Web goes by its user's: its QR \
        codes expire at once, or long after the session has ended.",
    remedy: "Set the clock by NTP (timedatectl set-ntp true) on that server; or on this machine, \
        if this is the one that is wrong.",
};

/// How many seconds the server's clock is ahead of this machine's. The response has just arrived.
fn skew(response: &HttpResponse) -> Option<i64> {
    Some(seconds(response, &header::DATE)? - since_epoch(SystemTime::now()))
}

fn seconds(response: &HttpResponse, name: &HeaderName) -> Option<i64> {
    let text = response.headers().get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok().map(since_epoch)
}

fn since_epoch(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
