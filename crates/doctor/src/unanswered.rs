//! What it means that a request got no response.

use matrix_qr_device::http::HttpError;
use matrix_qr_protocol::printable;

use crate::check::Check;
use crate::finding::{Advice, Finding};
use crate::probe::NoResponse;

/// The finding of a check whose request got no response.
pub(crate) fn unanswered(check: Check, no_response: &NoResponse) -> Finding {
    match no_response {
        NoResponse::Stopped(why) => Finding::not_checked(check, *why),
        NoResponse::Failed(error) => {
            let what = error.to_string();
            let advice = if what.contains("certificate") {
                BAD_CERTIFICATE
            } else {
                advice(error)
            };
            Finding::bad(check, printable(&what), advice)
        }
    }
}

const BAD_CERTIFICATE: Advice<'_> = Advice {
    effect: "No client connects.",
    remedy: "Install a certificate for this name with its complete chain (nginx: ssl_certificate \
        takes fullchain.pem). Caddy obtains its own.",
};

fn advice(error: &HttpError) -> Advice<'static> {
    match error {
        HttpError::NotAllowed { .. } => Advice {
            effect: "Clients refuse this URL: only https is allowed.",
            remedy: "Serve it with TLS, and write its URL with https://.",
        },
        HttpError::LoopbackHttp { .. } => Advice {
            effect: "Nothing for other people: only this command refuses http URLs on its own \
                machine.",
            remedy: "To examine a server on this machine, run this command with \
                --allow-loopback-http.",
        },
        HttpError::Unresolved { .. } => Advice {
            effect: "No client finds the server.",
            remedy: "First check the spelling and this machine's network connection. Then add an A \
                or AAAA record for that name to its DNS zone.",
        },
        HttpError::NoNetwork { .. } => Advice {
            effect: "Perhaps nothing for other people: this machine has no network route to the \
                server.",
            remedy: "Check this machine's network connection, or examine the server from another \
                one.",
        },
        HttpError::TooLarge { .. } => Advice {
            effect: "Clients stop reading the response.",
            remedy: "Something other than a Matrix server responds here: check where the proxy \
                sends this path.",
        },
        _ => Advice {
            effect: "Clients wait, and then report that the server cannot be reached.",
            remedy: "Make sure that the service runs, that its proxy points to it (nginx: \
                proxy_pass; Caddy: reverse_proxy), and that DNS and the firewall let clients \
                through.",
        },
    }
}
