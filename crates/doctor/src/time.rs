//! How long a session lives, and by whose clock.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::{HeaderName, header};

use crate::probe::Answer;
use crate::seen::header;
use crate::visit::{NO_SESSION, Visit};
use crate::{Check, Finding};
use matrix_qr_device::http::Response;

/// Below this hardly anybody gets through; below the other one those with a second factor do not.
const TOO_SHORT: i64 = 60;
const SHORT: i64 = 120;
/// HTTP's dates are whole seconds, and two of them are compared.
const ROUNDING: i64 = 2;
/// More than a slow answer explains.
const SKEW: i64 = 60;

pub(crate) fn check(versions: &Answer, visit: &Visit) -> Vec<Finding> {
    vec![lifetime(visit), clock(versions, visit)]
}

/// "Common HTTP response headers": Expires, in relation to the Date of the same answer.
fn lifetime(visit: &Visit) -> Finding {
    let check = Check::Lifetime;
    let Some(created) = visit.created() else {
        return Finding::not_checked(check, NO_SESSION);
    };
    let answers = [&visit.read, &visit.unchanged]
        .into_iter()
        .flatten()
        .filter_map(|answer| answer.as_ref().ok());
    let answers: Vec<_> = answers
        .filter(|answer| answer.status().is_success() || answer.status() == 304)
        .collect();
    let expires = |answer: &&&Response| seconds(answer, &header::EXPIRES).is_some();
    if let Some(without) = std::iter::once(&created)
        .chain(&answers)
        .find(|answer| !expires(answer))
    {
        let found = header(without, &header::EXPIRES).unwrap_or_else(|| "missing".to_owned());
        return Finding::bad(
            check,
            format!("Expires is {found} in a {}", without.status().as_u16()),
            NO_EXPIRES,
        );
    }
    let Some((expires, date)) =
        seconds(created, &header::EXPIRES).zip(seconds(created, &header::DATE))
    else {
        return Finding::warning(check, "there is no Date to compare Expires with", NO_DATE);
    };
    match expires - date {
        left if left <= 0 => Finding::bad(
            check,
            format!("it has expired {} s before its Date", -left),
            AGAINST_DATE,
        ),
        left if left + ROUNDING < TOO_SHORT => Finding::bad(check, format!("{left} s"), LONGER),
        left if left + ROUNDING < SHORT => Finding::warning(check, format!("{left} s"), LONGER),
        left => Finding::good(check, format!("{left} s")),
    }
}

const NO_EXPIRES: (&str, &str) = (
    "Element X refuses the answer, and Element Web ends the sign-in at once.",
    "Let the rendezvous server's Expires through. nginx: expires off; and no proxy_hide_header Expires in this location.",
);

const NO_DATE: (&str, &str) = (
    "Clients count by their own clock: where that is wrong, sessions end too early or too late.",
    "Let the rendezvous server's Date through (nginx: proxy_pass_header Date;).",
);

const AGAINST_DATE: (&str, &str) = (
    "Devices take the QR code for expired as soon as it is there.",
    "The Date and the Expires are of different clocks: set both machines' clocks by NTP, and let the rendezvous server's own Date through \
     (nginx replaces it, unless: proxy_pass_header Date;). nginx: expires off; in this location.",
);

const LONGER: (&str, &str) = (
    "A person who must find the other device, sign in to the consent page and confirm a second factor does not make it in time.",
    "Synapse's own sessions live 60 s, and that cannot be changed: delegate with msc4108_delegation_endpoint. matrix-qr-rendezvous: \
     --lifetime 300.",
);

fn clock(versions: &Answer, visit: &Visit) -> Finding {
    let check = Check::Clock;
    let servers = [
        ("the homeserver", versions.as_ref().ok()),
        ("the rendezvous server", visit.created()),
    ];
    let skews: Vec<_> = servers
        .iter()
        .filter_map(|(who, answer)| Some((*who, skew((*answer)?)?)))
        .collect();
    match skews.iter().max_by_key(|(_, skew)| skew.abs()) {
        None => Finding::not_checked(check, "no server says what time it is"),
        Some((_, worst)) if worst.abs() <= SKEW => {
            Finding::good(check, format!("{} s from this machine's", worst.abs()))
        }
        Some((who, worst)) => {
            let way = if *worst > 0 { "ahead of" } else { "behind" };
            Finding::warning(
                check,
                format!("{who}'s is {} s {way} this machine's", worst.abs()),
                (
                    "matrix-qr counts by the server's own clock. Element Web counts by its user's: its QR codes expire at once, or long \
                     after the session has ended.",
                    "Set the clock by NTP (timedatectl set-ntp true) there; or here, if it is this machine's that is wrong.",
                ),
            )
        }
    }
}

/// How many seconds its clock is ahead of ours. The answer came a moment ago.
fn skew(answer: &Response) -> Option<i64> {
    Some(seconds(answer, &header::DATE)? - since_epoch(SystemTime::now()))
}

fn seconds(answer: &Response, name: &HeaderName) -> Option<i64> {
    let text = answer.headers().get(name)?.to_str().ok()?;
    httpdate::parse_http_date(text).ok().map(since_epoch)
}

fn since_epoch(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
