//! Looks at a deployment from outside, as somebody with a support request in hand does: what does a
//! client see there, what breaks for users, and what is to be changed, where?
//!
//! It does what two devices and a browser would do (MSC4108, section "Insecure rendezvous
//! session"), and leaves nothing behind: it deletes its own rendezvous sessions, registers no
//! client and needs no account.

use std::{future::pending, pin::pin, time::Instant};

use matrix_qr_protocol::homeserver::HomeserverAddress;
use tokio::sync::watch;

use crate::http::Http;

mod browser;
mod creation;
mod dns;
mod etag;
mod finding;
mod homeserver;
mod newer;
mod oauth;
mod own;
mod plain_http;
mod probe;
mod seen;
mod session;
mod speed;
mod time;
mod visit;

pub use finding::{Check, Finding, Report, Verdict};
use probe::Probe;
use visit::Visit;

/// Examines a homeserver and everything that it leads to. Takes two minutes at most, mostly a few
/// seconds.
///
/// When `given_up` is ready the rest is not checked, and what was begun is still cleaned up. How
/// long the servers take is told by `clock`.
pub async fn examine(
    http: &Http,
    homeserver: &HomeserverAddress,
    clock: &(dyn Fn() -> Instant + Sync),
    given_up: impl Future<Output = ()>,
) -> Report {
    let stop = watch::Sender::new(false);
    let probe = Probe::new(http, clock, stop.subscribe());
    let hear = async {
        given_up.await;
        stop.send_replace(true);
        pending().await
    };
    let mut work = pin!(work(&probe, homeserver));
    let mut findings = tokio::select! {
        findings = &mut work => findings,
        never = hear => never,
    };
    let left_behind = probe.clean_up().await;
    finding::complete(&mut findings, probe.why_over());
    Report {
        homeserver: homeserver.to_string(),
        findings,
        left_behind,
    }
}

async fn work(probe: &Probe<'_>, named: &HomeserverAddress) -> Vec<Finding> {
    let (base, mut findings) = homeserver::find(probe, named).await;
    let Some(base) = base else { return findings };
    let versions = homeserver::ask_versions(probe, &base).await;
    findings.push(plain_http::check(probe, &base).await);
    findings.push(homeserver::versions(&versions));
    findings.extend(oauth::check(probe, &base).await);
    let visit = Visit::make(probe, &base).await;
    findings.extend(creation::check(&visit));
    findings.extend(session::check(&visit));
    findings.extend(etag::check(&visit));
    findings.extend(time::check(&versions, &visit));
    findings.extend(browser::check(&visit));
    findings.push(newer::check(probe, &base).await);
    findings.push(speed::check(&probe.times()));
    findings
}
