#![doc = include_str!("../README.md")]
//! # How it works
//!
//! [`examine`] does what two devices and a browser would do (MSC4108, section "Insecure rendezvous
//! session") and leaves nothing behind. These are the modules, in the order in which they are used:
//!
//! | module | what it does |
//! |---|---|
//! | `check`, `finding` | what is checked ([`Check`], one table), and the [`Report`] |
//! | `probe` | sends every request: bounded in time, stopped on demand; deletes what it created |
//! | `response`, `unanswered` | what may be quoted from a response; what to say without one |
//! | `dns`, `homeserver` | host names, `.well-known`, `/versions` |
//! | `plain_http` | what happens to a client that starts with `http://` |
//! | `oauth`, `issuer_document` | the authorization server; its own metadata |
//! | `exercise`, `transcript` | uses one session from creation to deletion; what came back |
//! | `creation`, `session` | judge how the session was created, and each of its requests |
//! | `etag`, `caching` | judge what a proxy did to the ETags, and whether it caches |
//! | `time` | judges the servers' clocks and the session's expiry |
//! | `cors` | judges what a page in a browser may read |
//! | `entity_tag` | which ETags MSC4108 accepts, and what proxies do to them |
//! | `msc4388` | the same for the sessions of MSC4388, in one check |
//! | `speed` | how long the servers took for all of this |
//!
//! To add a check, add its row to the table in `check`, and let one of the modules return a finding
//! for it. A check without a finding is reported as not checked.

use std::{future::pending, pin::pin, time::Instant};

use matrix_qr_device::http::Http;
use matrix_qr_protocol::homeserver::HomeserverAddress;
use tokio::sync::watch;

mod caching;
mod check;
mod cors;
mod creation;
mod dns;
mod entity_tag;
mod etag;
mod exercise;
mod finding;
mod homeserver;
mod issuer_document;
mod msc4388;
mod oauth;
mod plain_http;
mod probe;
mod response;
mod session;
mod speed;
mod time;
mod transcript;
mod unanswered;

pub use check::Check;
pub use finding::{Finding, Report, Verdict};
use probe::Probe;

/// Examines a homeserver and every server that it refers to. This takes a few seconds, and at most
/// two minutes.
///
/// When `interrupted` is ready, the remaining checks are skipped, and what was created is still
/// deleted. `clock` measures how long the servers take to respond.
pub async fn examine(
    http: &Http,
    homeserver: &HomeserverAddress,
    clock: &(dyn Fn() -> Instant + Sync),
    interrupted: impl Future<Output = ()>,
) -> Report {
    let stop = watch::Sender::new(false);
    let probe = Probe::new(http, clock, stop.subscribe());
    let stop_when_interrupted = async {
        interrupted.await;
        stop.send_replace(true);
        pending().await
    };
    let mut all_checks = pin!(run_checks(&probe, homeserver));
    let mut findings = tokio::select! {
        findings = &mut all_checks => findings,
        never = stop_when_interrupted => never,
    };
    let left_behind = probe.clean_up().await;
    finding::complete(&mut findings, probe.why_stopped());
    Report {
        homeserver: homeserver.to_string(),
        findings,
        left_behind,
    }
}

async fn run_checks(probe: &Probe<'_>, named: &HomeserverAddress) -> Vec<Finding> {
    let (base, mut findings) = homeserver::find(probe, named).await;
    let Some(base) = base else { return findings };
    let versions = homeserver::request_versions(probe, &base).await;
    findings.push(plain_http::check(probe, &base).await);
    findings.push(homeserver::versions(&versions));
    findings.extend(oauth::check(probe, &base).await);
    let transcript = exercise::run(probe, &base).await;
    findings.extend(creation::check(&transcript));
    findings.extend(session::check(&transcript));
    findings.extend(etag::check(&transcript));
    findings.push(caching::check(&transcript));
    findings.extend(time::check(&versions, &transcript));
    findings.extend(cors::check(&transcript));
    findings.push(msc4388::check(probe, &base).await);
    findings.push(speed::check(&probe.times()));
    findings
}
