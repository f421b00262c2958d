//! Each planted fault is found, and nothing else is reported; a good deployment has none; no
//! session is left behind.

use std::{
    future::{pending, ready},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use axum::http::{Method, header};
use matrix_qr_device::http::{Http, Policy};
use matrix_qr_doctor::{Check, Finding, Report, Verdict, examine};
use matrix_qr_protocol::homeserver::HomeserverAddress;
use matrix_qr_sandbox::{Fault, Options, Sandbox};
use serde_json::{Value, json};

use crate::{
    meddling_proxy::{MeddlingProxy, ProxyFault},
    scripted_homeserver::ScriptedHomeserver,
};

pub async fn examined(homeserver: &str) -> Report {
    examined_with_clock(homeserver, &stopped_clock()).await
}

async fn examined_with_clock(homeserver: &str, clock: &(dyn Fn() -> Instant + Sync)) -> Report {
    let http = Http::new(Policy::HttpsOrLoopback).unwrap();
    examine(
        &http,
        &HomeserverAddress::parse(homeserver).unwrap(),
        clock,
        pending(),
    )
    .await
}

/// By this clock every server responds at once, however busy this machine is.
fn stopped_clock() -> impl Fn() -> Instant + Sync {
    let now = Instant::now();
    move || now
}

/// The checks that are not good, and whether they are bad.
pub fn faults(report: &Report) -> Vec<(Check, bool)> {
    for finding in &report.findings {
        assert_explained(finding);
    }
    let fault = |finding: &Finding| match finding.verdict {
        Verdict::Bad => Some((finding.check, true)),
        Verdict::Warning => Some((finding.check, false)),
        Verdict::Good | Verdict::NotChecked { .. } => None,
    };
    report.findings.iter().filter_map(fault).collect()
}

/// What was found, for the message of a test that fails.
pub fn describe(report: &Report) -> String {
    let wrong = report
        .findings
        .iter()
        .filter(|finding| matches!(finding.verdict, Verdict::Bad | Verdict::Warning));
    wrong
        .map(|finding| format!("\n{}: {}", finding.check.name(), finding.seen))
        .collect()
}

/// A finding says what was seen and, if something is wrong, what breaks and what to do.
fn assert_explained(finding: &Finding) {
    match &finding.verdict {
        Verdict::Good => assert!(!finding.seen.is_empty(), "{finding:?}"),
        Verdict::NotChecked { because } => assert!(!because.is_empty(), "{finding:?}"),
        Verdict::Warning | Verdict::Bad => {
            let texts = [&finding.seen, &finding.effect, &finding.remedy];
            assert!(texts.iter().all(|text| text.len() > 2), "{finding:?}");
        }
    }
    let texts = [&finding.seen, &finding.effect, &finding.remedy]
        .map(|text| text.as_str())
        .concat();
    assert!(
        !texts.contains("/rendezvous/A") && !texts.contains("  "),
        "{texts}"
    );
}

fn not_checked(report: &Report) -> Vec<Check> {
    let unknown = |finding: &&Finding| matches!(finding.verdict, Verdict::NotChecked { .. });
    report
        .findings
        .iter()
        .filter(unknown)
        .map(|finding| finding.check)
        .collect()
}

/// A homeserver that delegates to our server behind a proxy with this fault.
async fn behind(fault: ProxyFault) -> (ScriptedHomeserver, MeddlingProxy) {
    let proxy = MeddlingProxy::start(fault).await;
    (ScriptedHomeserver::start(&proxy.url).await, proxy)
}

async fn assert_found(fault: ProxyFault, expected: &[(Check, bool)]) {
    let (homeserver, proxy) = behind(fault.clone()).await;
    let report = examined(homeserver.url.as_str()).await;
    assert_eq!(
        faults(&report),
        expected,
        "{fault:?}: {}",
        describe(&report)
    );
    let left = proxy.rendezvous.sessions();
    assert_eq!(
        left > 0,
        matches!(
            &fault,
            ProxyFault::IgnoreDeletion | ProxyFault::Refuse(Method::DELETE, _)
        ),
        "{fault:?}"
    );
    // If a server only pretends to delete a session, only a second look shows it.
    assert!(
        fault == ProxyFault::IgnoreDeletion || report.left_behind == left,
        "{fault:?}"
    );
}

fn bad(check: Check) -> Vec<(Check, bool)> {
    vec![(check, true)]
}

fn warning(check: Check) -> Vec<(Check, bool)> {
    vec![(check, false)]
}

#[tokio::test]
async fn a_good_deployment_has_no_fault() {
    let (homeserver, proxy) = behind(ProxyFault::None).await;
    // By its name, everything except port 80 of this machine can be checked.
    let report = examined(&homeserver.name()).await;
    assert_eq!(faults(&report), []);
    assert_eq!(
        not_checked(&report),
        [Check::Dns, Check::PlainHttp, Check::SignIn]
    );
    assert_eq!((proxy.rendezvous.sessions(), report.left_behind), (0, 0));
    assert!(
        report
            .of(Check::Delegation)
            .unwrap()
            .seen
            .starts_with("307 to http://127.0.0.1:")
    );
}

#[tokio::test]
async fn the_sandbox_has_no_fault() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    for name in [sandbox.homeserver().to_string(), sandbox.server_name()] {
        let report = examined(&name).await;
        assert_eq!(faults(&report), [], "{}", describe(&report));
    }
    let record = sandbox.record();
    assert!(record.devices.is_empty() && record.key_uploads.is_empty());
}

#[tokio::test]
async fn each_fault_of_the_sandbox_is_found() {
    let cases = [
        (Fault::NoOauth, Check::OauthMetadata),
        (Fault::NoDeviceGrant, Check::DeviceGrant),
        (Fault::NoRegistration, Check::Registration),
        (Fault::RendezvousFull, Check::Create),
    ];
    for (fault, check) in cases {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        sandbox.faults().set(fault);
        let report = examined(sandbox.homeserver().as_str()).await;
        assert_eq!(faults(&report), bad(check), "{}", describe(&report));
    }
}

#[tokio::test]
async fn a_proxy_that_meddles_with_etags() {
    for fault in [
        ProxyFault::EtagWeak,
        ProxyFault::EtagMissing,
        ProxyFault::EtagSuffixed("-gzip"),
        ProxyFault::EtagDifferentEachTime,
    ] {
        assert_found(fault, &bad(Check::Etag)).await;
    }
    for compressed in [Method::GET, Method::POST] {
        assert_found(
            ProxyFault::EtagWeakAndUnknown(compressed.clone()),
            &bad(Check::Compression),
        )
        .await;
        assert_found(
            ProxyFault::EtagWeakWhenCompressed(compressed),
            &warning(Check::Compression),
        )
        .await;
    }
    assert_found(ProxyFault::EtagHash, &warning(Check::EtagPerWrite)).await;
    assert_found(ProxyFault::IgnoreIfMatch, &bad(Check::StaleWrite)).await;
    assert_found(
        ProxyFault::DropRequestHeader(header::IF_MATCH),
        &[(Check::Write, true)],
    )
    .await;
    assert_found(
        ProxyFault::DropRequestHeader(header::IF_NONE_MATCH),
        &bad(Check::ConditionalRead),
    )
    .await;
}

#[tokio::test]
async fn a_proxy_that_meddles_with_headers() {
    assert_found(
        ProxyFault::RemoveHeaders(&[header::CACHE_CONTROL]),
        &bad(Check::Caching),
    )
    .await;
    assert_found(
        ProxyFault::ReplaceHeader(header::CACHE_CONTROL, "no-store"),
        &warning(Check::Caching),
    )
    .await;
    assert_found(
        ProxyFault::ReplaceHeader(header::AGE, "1"),
        &bad(Check::Caching),
    )
    .await;
    assert_found(
        ProxyFault::ReplaceHeader(header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        &bad(Check::ContentType),
    )
    .await;
    assert_found(ProxyFault::Cache, &bad(Check::Caching)).await;
    assert_found(ProxyFault::Rewrite, &bad(Check::Write)).await;
}

#[tokio::test]
async fn a_proxy_that_meddles_with_times() {
    assert_found(
        ProxyFault::RemoveHeaders(&[header::EXPIRES]),
        &bad(Check::Lifetime),
    )
    .await;
    assert_found(
        ProxyFault::ReplaceHeader(header::EXPIRES, "0"),
        &bad(Check::Lifetime),
    )
    .await;
    let both = [(Check::Lifetime, true), (Check::Clock, false)];
    assert_found(
        ProxyFault::Skewed {
            date: 600,
            expires: 0,
        },
        &both,
    )
    .await;
    assert_found(
        ProxyFault::Skewed {
            date: -600,
            expires: 0,
        },
        &warning(Check::Clock),
    )
    .await;
    for ten_minutes in [600, -600] {
        let fault = ProxyFault::Skewed {
            date: ten_minutes,
            expires: ten_minutes,
        };
        assert_found(fault, &warning(Check::Clock)).await;
    }
}

#[tokio::test]
async fn a_proxy_that_keeps_browsers_out() {
    let (allow, expose) = (
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        header::ACCESS_CONTROL_EXPOSE_HEADERS,
    );
    let both = [(Check::Preflight, true), (Check::Cors, true)];
    assert_found(
        ProxyFault::RemoveHeaders(&[header::ACCESS_CONTROL_ALLOW_ORIGIN]),
        &both,
    )
    .await;
    assert_found(ProxyFault::AddHeader(allow.clone(), "*"), &both).await;
    assert_found(
        ProxyFault::ReplaceHeader(allow, "https://element.example"),
        &both,
    )
    .await;
    assert_found(
        ProxyFault::RemoveHeaders(&[header::ACCESS_CONTROL_EXPOSE_HEADERS]),
        &bad(Check::Cors),
    )
    .await;
    assert_found(ProxyFault::ReplaceHeader(expose, "Date"), &bad(Check::Cors)).await;
    assert_found(
        ProxyFault::RemoveHeaders(&[header::ACCESS_CONTROL_ALLOW_METHODS]),
        &bad(Check::Preflight),
    )
    .await;
    assert_found(
        ProxyFault::RemoveHeaders(&[header::ACCESS_CONTROL_ALLOW_HEADERS]),
        &bad(Check::Preflight),
    )
    .await;
    for fault in [
        ProxyFault::Refuse(Method::OPTIONS, 405),
        ProxyFault::ChangeStatus(Method::OPTIONS, 405),
    ] {
        assert_found(fault, &bad(Check::Preflight)).await;
    }
}

#[tokio::test]
async fn a_proxy_that_refuses() {
    for status in [401, 403, 404, 429, 502] {
        // If the server of a delegation refuses, the delegation is at fault.
        assert_found(ProxyFault::RefuseCreation(status), &bad(Check::Delegation)).await;
    }
    assert_found(ProxyFault::Refuse(Method::GET, 404), &bad(Check::Read)).await;
    for status in [403, 404, 405, 412, 429, 502] {
        assert_found(ProxyFault::Refuse(Method::PUT, status), &bad(Check::Write)).await;
    }
    for stubborn in [
        ProxyFault::Refuse(Method::DELETE, 405),
        ProxyFault::IgnoreDeletion,
    ] {
        assert_found(stubborn, &bad(Check::Delete)).await;
    }
    assert_found(ProxyFault::CapPayload(1024), &bad(Check::PayloadLimit)).await;
    assert_found(ProxyFault::PretendToAccept, &warning(Check::PayloadLimit)).await;
    assert_found(
        ProxyFault::ChangeStatus(Method::POST, 200),
        &warning(Check::Create),
    )
    .await;
    assert_found(
        ProxyFault::ChangeStatus(Method::PUT, 200),
        &warning(Check::Write),
    )
    .await;
    assert_found(
        ProxyFault::ChangeStatus(Method::DELETE, 200),
        &warning(Check::Delete),
    )
    .await;
}

#[tokio::test]
async fn a_delegation_that_leads_nowhere() {
    let third = ScriptedHomeserver::start(&"http://127.0.0.1:1/".parse().unwrap()).await;
    let to = |url: &str| ProxyFault::Redirect(307, url.to_owned());
    assert_found(to("http://rendezvous.example/"), &bad(Check::Delegation)).await;
    assert_found(to(third.url.as_str()), &bad(Check::Delegation)).await;
    assert_found(to("http://127.0.0.1:1/"), &bad(Check::Delegation)).await;
    assert_found(ProxyFault::RedirectWithoutLocation, &bad(Check::Delegation)).await;
    assert_found(ProxyFault::RedirectLoop, &bad(Check::Delegation)).await;
    for status in [301, 302, 303, 308] {
        let elsewhere = ProxyFault::Redirect(status, third.url.to_string());
        assert_found(elsewhere, &bad(Check::Delegation)).await;
    }
    // It works, with one redirect too many. The proxy's own response lacks what a browser needs.
    assert_found(
        ProxyFault::RedirectOnce,
        &[(Check::Delegation, false), (Check::Cors, true)],
    )
    .await;
}

/// Two causes of one fault have different remedies.
#[tokio::test]
async fn each_cause_has_its_own_remedy() {
    let to = |status, url: &str| ProxyFault::Redirect(status, url.to_owned());
    let cases = [
        (ProxyFault::EtagWeak, Check::Etag, "weak", "nginx: gzip off"),
        (
            ProxyFault::EtagMissing,
            Check::Etag,
            "missing",
            "proxy_hide_header ETag",
        ),
        (
            ProxyFault::EtagSuffixed("-gzip"),
            Check::Etag,
            "-gzip",
            "SetEnv no-gzip 1",
        ),
        (
            ProxyFault::Skewed {
                date: 600,
                expires: 0,
            },
            Check::Lifetime,
            "before the Date",
            "proxy_pass_header Date",
        ),
        (
            ProxyFault::RemoveHeaders(&[header::EXPIRES]),
            Check::Lifetime,
            "missing",
            "expires off",
        ),
        (
            to(301, "http://127.0.0.1:1/"),
            Check::Delegation,
            "with 301",
            "return 307",
        ),
        (
            to(307, "http://a.example/"),
            Check::Delegation,
            "http://a.example",
            "an https:// URL",
        ),
        (
            to(307, "http://127.0.0.1:1/"),
            Check::Delegation,
            "refused",
            "msc4108_delegation_endpoint must be",
        ),
        (
            ProxyFault::RedirectWithoutLocation,
            Check::Delegation,
            "without a usable Location",
            "msc4108_delegation_endpoint",
        ),
        (
            ProxyFault::RedirectLoop,
            Check::Delegation,
            "in a loop",
            "must not lead back",
        ),
        (
            ProxyFault::CapPayload(1024),
            Check::PayloadLimit,
            "413 from proxy",
            "client_max_body_size",
        ),
        (
            ProxyFault::Refuse(Method::PUT, 405),
            Check::Write,
            "405 from proxy",
            "limit_except",
        ),
        (
            ProxyFault::DropRequestHeader(header::IF_MATCH),
            Check::Write,
            "400 M_MISSING_PARAM",
            "If-Match",
        ),
        (
            ProxyFault::Refuse(Method::DELETE, 405),
            Check::Delete,
            "405 from proxy",
            "limit_except",
        ),
        (
            ProxyFault::IgnoreDeletion,
            Check::Delete,
            "still there: 200",
            "proxy_cache off",
        ),
        (
            ProxyFault::EvictAfter(3),
            Check::Survival,
            "404",
            "Synapse keeps 100 sessions",
        ),
    ];
    for (fault, check, seen, remedy) in cases {
        let (homeserver, _proxy) = behind(fault.clone()).await;
        let report = examined(homeserver.url.as_str()).await;
        let finding = report.of(check).unwrap();
        assert!(finding.seen.contains(seen), "{fault:?}: {}", finding.seen);
        assert!(
            finding.remedy.contains(remedy),
            "{fault:?}: {}",
            finding.remedy
        );
    }
}

#[tokio::test]
async fn a_session_that_ends_before_its_time() {
    // The creation is the first request; the read is the second.
    for requests in 1..=8 {
        assert_found(ProxyFault::EvictAfter(requests), &bad(Check::Survival)).await;
    }
}

#[tokio::test]
async fn a_session_without_enough_time() {
    for (seconds, expected) in [
        (30, bad(Check::Lifetime)),
        (60, warning(Check::Lifetime)),
        (120, vec![]),
    ] {
        let proxy = MeddlingProxy::with(ProxyFault::None, |config| {
            config.lifetime = Duration::from_secs(seconds)
        })
        .await;
        let homeserver = ScriptedHomeserver::start(&proxy.url).await;
        assert_eq!(
            faults(&examined(homeserver.url.as_str()).await),
            expected,
            "{seconds}"
        );
    }
}

#[tokio::test]
async fn a_session_url_that_clients_must_not_use() {
    let proxy = MeddlingProxy::with(ProxyFault::None, |config| {
        config.public_url = "http://inside.example/".parse().unwrap()
    })
    .await;
    let homeserver = ScriptedHomeserver::start(&proxy.url).await;
    let report = examined(homeserver.url.as_str()).await;
    assert_eq!(faults(&report), bad(Check::SessionUrl));
    assert!(
        report
            .of(Check::SessionUrl)
            .unwrap()
            .seen
            .ends_with("at http://inside.example")
    );
}

#[tokio::test]
async fn a_homeserver_that_says_the_wrong_thing() {
    type Change = Box<dyn FnOnce(&mut crate::scripted_homeserver::ScriptedResponse)>;
    type Case = (&'static str, Change, Vec<(Check, bool)>);
    fn set(key: &'static str, value: Value) -> Change {
        Box::new(move |response| response.body[key] = value)
    }
    let status = |status| -> Change { Box::new(move |response| response.status = status) };
    let without_cors = || -> Change { Box::new(|response| response.cors = false) };
    let (versions, well_known) = ("/_matrix/client/versions", "/.well-known/matrix/client");
    let (metadata, issuer) = (
        "/_matrix/client/v1/auth_metadata",
        "/.well-known/openid-configuration",
    );
    let rendezvous = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";
    let cases: Vec<Case> = vec![
        (well_known, status(404), bad(Check::WellKnown)),
        (
            well_known,
            set("m.homeserver", json!({ "base_url": "http://m.example" })),
            bad(Check::WellKnown),
        ),
        (
            well_known,
            set("m.homeserver", json!({ "base_url": "m.example" })),
            bad(Check::WellKnown),
        ),
        (well_known, without_cors(), bad(Check::WellKnown)),
        (versions, status(404), bad(Check::Versions)),
        (versions, without_cors(), bad(Check::Versions)),
        (
            versions,
            set("unstable_features", Value::Null),
            bad(Check::Versions),
        ),
        (
            versions,
            set("unstable_features", json!({ "org.matrix.msc4108": false })),
            bad(Check::Versions),
        ),
        (metadata, status(502), bad(Check::OauthMetadata)),
        (metadata, status(404), bad(Check::OauthMetadata)),
        (
            metadata,
            set("issuer", json!("http://m.example/")),
            bad(Check::OauthMetadata),
        ),
        (
            metadata,
            set("revocation_endpoint", Value::Null),
            bad(Check::OauthMetadata),
        ),
        (
            metadata,
            set("device_authorization_endpoint", Value::Null),
            bad(Check::DeviceGrant),
        ),
        (
            metadata,
            set("grant_types_supported", Value::Null),
            bad(Check::DeviceGrant),
        ),
        (
            metadata,
            set("registration_endpoint", Value::Null),
            bad(Check::Registration),
        ),
        (
            issuer,
            set("issuer", json!("https://other.example/")),
            bad(Check::Issuer),
        ),
        (issuer, status(404), warning(Check::Issuer)),
        (issuer, status(502), bad(Check::Issuer)),
        (
            issuer,
            set("token_endpoint", json!("https://other.example/token")),
            bad(Check::Issuer),
        ),
        (
            issuer,
            set("device_authorization_endpoint", Value::Null),
            bad(Check::DeviceGrant),
        ),
        (
            issuer,
            set("grant_types_supported", json!(["refresh_token"])),
            bad(Check::DeviceGrant),
        ),
        ("/register", status(403), bad(Check::Registration)),
        ("/register", status(404), bad(Check::Registration)),
        ("/register", status(201), warning(Check::Registration)),
        ("/device", status(404), bad(Check::DeviceGrant)),
        (rendezvous, status(403), bad(Check::Create)),
        (rendezvous, status(404), bad(Check::Create)),
        (
            rendezvous,
            without_cors(),
            vec![(Check::Preflight, true), (Check::Cors, true)],
        ),
    ];
    let (homeserver, _proxy) = behind(ProxyFault::None).await;
    homeserver.change(versions, |response| response.body = json!({}));
    let report = examined(homeserver.url.as_str()).await;
    assert!(
        report
            .of(Check::Versions)
            .unwrap()
            .seen
            .starts_with("no list of versions")
    );
    for (number, (path, change, expected)) in cases.into_iter().enumerate() {
        let (homeserver, proxy) = behind(ProxyFault::None).await;
        homeserver.change(path, change);
        let report = examined(&homeserver.name()).await;
        assert_eq!(
            faults(&report),
            expected,
            "{number} {path}: {}",
            describe(&report)
        );
        assert_eq!((proxy.rendezvous.sessions(), report.left_behind), (0, 0));
    }
}

/// Synapse may serve old metadata. The authorization server's own document is current.
#[tokio::test]
async fn a_homeserver_that_remembers_the_metadata() {
    let (metadata, own) = (
        "/_matrix/client/v1/auth_metadata",
        "/.well-known/openid-configuration",
    );
    let fields = [
        ("revocation_endpoint", Check::OauthMetadata),
        ("registration_endpoint", Check::Registration),
        ("device_authorization_endpoint", Check::DeviceGrant),
        ("grant_types_supported", Check::DeviceGrant),
    ];
    for (field, check) in fields {
        let (homeserver, _proxy) = behind(ProxyFault::None).await;
        homeserver.change(metadata, |response| response.body[field] = Value::Null);
        let remedy = examined(&homeserver.name())
            .await
            .of(check)
            .unwrap()
            .remedy
            .clone();
        assert!(remedy.starts_with("Restart Synapse"), "{field}: {remedy}");
        homeserver.change(own, |response| response.body[field] = Value::Null);
        let remedy = examined(&homeserver.name())
            .await
            .of(check)
            .unwrap()
            .remedy
            .clone();
        assert!(!remedy.contains("estart Synapse"), "{field}: {remedy}");
    }
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    sandbox.faults().set(Fault::DeviceGrantDisabled);
    let report = examined(&sandbox.server_name()).await;
    assert_eq!(
        faults(&report),
        bad(Check::DeviceGrant),
        "{}",
        describe(&report)
    );
    let finding = report.of(Check::DeviceGrant).unwrap();
    assert!(
        finding
            .seen
            .ends_with("the homeserver still says that it does"),
        "{}",
        finding.seen
    );
    assert!(
        finding.remedy.contains("Then restart Synapse"),
        "{}",
        finding.remedy
    );
}

/// If there is no `openid-configuration`, the URL of RFC 8414 is tried.
#[tokio::test]
async fn the_document_of_rfc_8414_counts_too() {
    let (homeserver, _proxy) = behind(ProxyFault::None).await;
    homeserver.change("/.well-known/openid-configuration", |response| {
        response.status = 404
    });
    homeserver.change("/.well-known/oauth-authorization-server", |response| {
        response.status = 200;
        response.body["grant_types_supported"] = json!(["refresh_token"]);
    });
    let report = examined(&homeserver.name()).await;
    assert_eq!(
        faults(&report),
        [(Check::Issuer, false), (Check::DeviceGrant, true)],
        "{}",
        describe(&report)
    );
}

#[tokio::test]
async fn an_authorization_server_that_does_not_run() {
    let (homeserver, _proxy) = behind(ProxyFault::None).await;
    homeserver.change("/_matrix/client/v1/auth_metadata", |response| {
        response.body["issuer"] = json!("http://127.0.0.1:1/")
    });
    let down = examined(&homeserver.name()).await;
    homeserver.change("/_matrix/client/v1/auth_metadata", |response| {
        response.body["issuer"] = json!(homeserver.url)
    });
    homeserver.change("/.well-known/openid-configuration", |response| {
        response.status = 502
    });
    for report in [down, examined(&homeserver.name()).await] {
        assert_eq!(faults(&report), bad(Check::Issuer), "{}", describe(&report));
        assert!(
            report
                .of(Check::Issuer)
                .unwrap()
                .remedy
                .starts_with("Check whether the authorization server runs")
        );
        let rest = [Check::DeviceGrant, Check::Registration];
        assert!(
            rest.iter()
                .all(|check| not_checked(&report).contains(check)),
            "one finding for one cause"
        );
    }
}

/// The clock advances by this much whenever it is read, which is before and after each response.
#[tokio::test]
async fn a_slow_server_gets_a_warning() {
    for (step, expected) in [(400, vec![]), (1100, warning(Check::Speed))] {
        let (began, readings) = (Instant::now(), AtomicU32::new(0));
        let clock =
            move || began + Duration::from_millis(step) * readings.fetch_add(1, Ordering::SeqCst);
        let (homeserver, _proxy) = behind(ProxyFault::None).await;
        let report = examined_with_clock(&homeserver.name(), &clock).await;
        assert_eq!(
            faults(&report),
            expected,
            "{step} ms: {}",
            describe(&report)
        );
        let seen = &report.of(Check::Speed).unwrap().seen;
        assert!(
            seen.contains(&format!(
                "{} takes {step} ms",
                homeserver.url.origin().ascii_serialization()
            )),
            "{seen}"
        );
    }
}

/// One finding, and it is the cause.
#[tokio::test]
async fn a_name_without_an_address() {
    let nameless = format!("{}.example", "a".repeat(64));
    for named in [nameless.clone(), format!("https://{nameless}/")] {
        let report = examined(&named).await;
        assert_eq!(faults(&report), bad(Check::Dns));
        assert_eq!(report.findings.len(), 1, "{}", describe(&report));
        let finding = report.of(Check::Dns).unwrap();
        assert_eq!(finding.seen, format!("no address was found for {nameless}"));
        assert!(
            finding.remedy.starts_with("First check the spelling"),
            "{}",
            finding.remedy
        );
    }
    // A good name may lead to such a name.
    let (homeserver, _proxy) = behind(ProxyFault::None).await;
    homeserver.change("/.well-known/matrix/client", |response| {
        response.body["m.homeserver"]["base_url"] = json!(format!("https://{nameless}/"));
    });
    let report = examined(&format!("localhost:{}", homeserver.url.port().unwrap())).await;
    assert_eq!(faults(&report), bad(Check::Dns), "{}", describe(&report));
    assert!(
        report.findings.len() == 2 && report.of(Check::WellKnown).unwrap().verdict == Verdict::Good
    );
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let report = examined("http://127.0.0.1:1/").await;
    assert!(
        faults(&report).contains(&(Check::Versions, true)),
        "{}",
        describe(&report)
    );
    let report = examined("127.0.0.1:1").await;
    assert_eq!(faults(&report), bad(Check::WellKnown));
    assert_eq!(not_checked(&report).len(), Check::all().count() - 1);
    let http = Http::new(Policy::HttpsOnly).unwrap();
    let report = examine(
        &http,
        &HomeserverAddress::parse("http://127.0.0.1:1/").unwrap(),
        &stopped_clock(),
        pending(),
    )
    .await;
    assert_eq!(faults(&report), bad(Check::WellKnown));
}

/// How many requests an examination does not need: it sends about half as many.
const MORE_THAN_ALL: usize = 60;

#[tokio::test]
async fn an_interrupted_examination_leaves_nothing_behind() {
    let http = Http::new(Policy::HttpsOrLoopback).unwrap();
    let mut is_complete = false;
    for requests in 1..=MORE_THAN_ALL {
        let (homeserver, proxy) = behind(ProxyFault::None).await;
        let named = HomeserverAddress::parse(homeserver.url.as_str()).unwrap();
        let report = examine(
            &http,
            &named,
            &stopped_clock(),
            proxy.has_requests(requests),
        )
        .await;
        assert_eq!(
            (proxy.rendezvous.sessions(), report.left_behind),
            (0, 0),
            "after {requests}"
        );
        assert_eq!(report.findings.len(), Check::all().count());
        assert!(
            faults(&report).is_empty(),
            "what was interrupted is no fault: {}",
            describe(&report)
        );
        is_complete = not_checked(&report)
            == [
                Check::Dns,
                Check::WellKnown,
                Check::PlainHttp,
                Check::SignIn,
            ];
        if is_complete {
            assert!(requests > 15, "{requests}");
            break;
        }
    }
    assert!(is_complete, "it is interrupted by request {MORE_THAN_ALL}");
    let report = examine(
        &http,
        &HomeserverAddress::parse("example.org").unwrap(),
        &stopped_clock(),
        ready(()),
    )
    .await;
    assert_eq!(
        not_checked(&report).len(),
        Check::all().count(),
        "nobody was asked"
    );
}

/// The examination does not wait for a server that stops responding, and deletes its session.
#[tokio::test]
async fn an_interrupted_examination_does_not_wait() {
    let http = Http::new(Policy::HttpsOrLoopback).unwrap();
    for request in [2, 5] {
        let (homeserver, proxy) = behind(ProxyFault::HangAt(request)).await;
        let named = HomeserverAddress::parse(homeserver.url.as_str()).unwrap();
        let report = examine(&http, &named, &stopped_clock(), proxy.has_requests(request)).await;
        assert_eq!((proxy.rendezvous.sessions(), report.left_behind), (0, 0));
        assert!(proxy.requests() > request, "the deletion came after");
    }
}
