//! What is told of an answer: bounded, without control characters, without a path.

use http::{HeaderName, header};
use matrix_qr_protocol::printable;
use serde_json::Value;
use url::Url;

use super::probe::{Answer, Silence};
use super::{Check, Finding};
use crate::http::{HttpError, Response};

/// A status, and who seems to have given it.
pub(super) fn status(response: &Response) -> String {
    let status = response.status().as_u16();
    match (errcode(response), header(response, &header::SERVER)) {
        (Some(errcode), _) => format!("{status} {errcode}"),
        (None, Some(server)) if !response.status().is_success() => {
            format!("{status} from {server}")
        }
        _ => status.to_string(),
    }
}

/// Matrix's or OAuth's error code: then it is not a proxy that refuses.
pub(super) fn errcode(response: &Response) -> Option<String> {
    let body = json(response)?;
    let code = body.get("errcode").or_else(|| body.get("error"))?;
    code.as_str().map(printable)
}

pub(super) fn json(response: &Response) -> Option<Value> {
    serde_json::from_slice(response.body()).ok()
}

/// All values of a header, as one text.
pub(super) fn header(response: &Response, name: &HeaderName) -> Option<String> {
    let values: Vec<_> = response
        .headers()
        .get_all(name)
        .iter()
        .map(|value| value.to_str())
        .collect();
    let whole = values
        .into_iter()
        .collect::<Result<Vec<_>, _>>()
        .unwrap_or_else(|_| vec!["(not text)"])
        .join(", ");
    response
        .headers()
        .contains_key(name)
        .then(|| printable(&whole))
}

/// Whether a list in a header has this member, in any case.
pub(super) fn lists(response: &Response, name: &HeaderName, member: &str) -> bool {
    let values = response
        .headers()
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .any(|item| item.trim().eq_ignore_ascii_case(member))
}

/// `https://host:port`, and nothing of what follows.
pub(super) fn place(url: &Url) -> String {
    printable(&url.origin().ascii_serialization())
}

/// No answer at all, told for a check whose request it was.
pub(super) fn silent(check: Check, silence: &Silence) -> Finding {
    match silence {
        Silence::Over(why) => Finding::not_checked(check, *why),
        Silence::Failed(error) => {
            let what = error.to_string();
            Finding::bad(
                check,
                printable(&what),
                if what.contains("certificate") {
                    TLS
                } else {
                    unreachable(error)
                },
            )
        }
    }
}

const TLS: (&str, &str) = (
    "No client connects.",
    "Install a certificate for this name, with its whole chain (nginx: ssl_certificate takes fullchain.pem). Caddy fetches its own.",
);

fn unreachable(error: &HttpError) -> (&'static str, &'static str) {
    match error {
        HttpError::NotAllowed { .. } => (
            "Clients refuse to go there: only https is allowed.",
            "Serve it with TLS and name it with https://.",
        ),
        HttpError::LoopbackHttp { .. } => (
            "Nothing, for others: it is this command that goes to no http address.",
            "To examine a server on this machine itself, give this command --allow-loopback-http.",
        ),
        HttpError::Unresolved { .. } => (
            "No client finds the server.",
            "Check the spelling first, and whether this machine has a network connection. Then set an A or AAAA record for that name \
             at whoever runs its DNS.",
        ),
        HttpError::NoNetwork { .. } => (
            "Nothing, perhaps, for others: it is this machine that has no way there.",
            "Check this machine's network connection, or examine the server from another one.",
        ),
        HttpError::TooLarge { .. } => (
            "Clients stop reading.",
            "Something else than Matrix answers here: look at where the proxy sends this path.",
        ),
        _ => (
            "Clients wait, and then say that the server cannot be reached.",
            "See that the service runs, that its proxy points to it (nginx: proxy_pass; Caddy: reverse_proxy), and that DNS and \
             firewall let clients through.",
        ),
    }
}

/// The answer that a check is about; or why there is none.
pub(super) fn answered<'a>(
    check: Check,
    answer: &'a Option<Answer>,
    why_not: &str,
) -> Result<&'a Response, Finding> {
    match answer {
        None => Err(Finding::not_checked(check, why_not)),
        Some(Err(silence)) => Err(silent(check, silence)),
        Some(Ok(response)) => Ok(response),
    }
}
