//! First of all: do the names lead anywhere?

use url::{Host, Url};

use crate::probe::{Probe, Silence};
use crate::seen::silent;
use crate::{Check, Finding};

/// Looks up the hosts of these URLs, in this order, up to the first that has no address.
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
        let look = async { probe.http().look_up(url).await.map_err(Silence::Failed) };
        if let Err(silence) = probe.until_over(look).await {
            return silent(check, &silence);
        }
        names.push(name);
    }
    if names.is_empty() {
        return Finding::not_checked(check, "an address was given, which needs no look-up");
    }
    Finding::good(check, names.join(", "))
}
