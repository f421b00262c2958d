//! Whether the host names resolve. Without an address there is nothing else to check.

use url::{Host, Url};

use crate::check::Check;
use crate::finding::Finding;
use crate::probe::{NoResponse, Probe};
use crate::unanswered::unanswered;

/// Resolves the hosts of these URLs, in this order, up to the first that has no address.
pub(crate) async fn check(probe: &Probe<'_>, urls: &[Url]) -> Finding {
    let check = Check::Dns;
    let mut names: Vec<&str> = Vec::new();
    for url in urls {
        let Some(Host::Domain(name)) = url.host() else {
            continue;
        };
        if names.contains(&name) {
            continue;
        }
        let look_up = async { probe.http().look_up(url).await.map_err(NoResponse::Failed) };
        if let Err(no_response) = probe.until_stopped(look_up).await {
            return unanswered(check, &no_response);
        }
        names.push(name);
    }
    match names.is_empty() {
        true => Finding::not_checked(check, "an IP address was given, which needs no lookup"),
        false => Finding::good(check, names.join(", ")),
    }
}
