//! Each planted fault is found, as itself and nothing else; a good deployment has none; nothing is
//! left behind.

use std::{
    future::{pending, ready},
    sync::atomic::{AtomicU32, Ordering},
    time::{Duration, Instant},
};

use axum::http::{Method, header};
use matrix_qr_device::{
    doctor::{Check, Finding, Report, Verdict, examine},
    http::{Http, Policy},
};
use matrix_qr_protocol::homeserver::HomeserverAddress;
use matrix_qr_sandbox::{Fault as Misbehaviour, Options, Sandbox};
use serde_json::{Value, json};

use crate::{
    between::{Between, Fault},
    homeserver::Homeserver,
};

pub async fn look(homeserver: &str) -> Report {
    look_by(homeserver, &stopped()).await
}

async fn look_by(homeserver: &str, clock: &(dyn Fn() -> Instant + Sync)) -> Report {
    let http = Http::new(Policy::HttpsOrLoopback).unwrap();
    examine(
        &http,
        &HomeserverAddress::parse(homeserver).unwrap(),
        clock,
        pending(),
    )
    .await
}

/// By this clock every server answers at once, however busy this machine is.
fn stopped() -> impl Fn() -> Instant + Sync {
    let now = Instant::now();
    move || now
}

/// What is not good: its name, and whether it is bad.
pub fn faults(report: &Report) -> Vec<(Check, bool)> {
    for finding in &report.findings {
        assert_told(finding);
    }
    let fault = |finding: &Finding| match finding.verdict {
        Verdict::Bad => Some((finding.check, true)),
        Verdict::Warning => Some((finding.check, false)),
        Verdict::Good | Verdict::NotChecked { .. } => None,
    };
    report.findings.iter().filter_map(fault).collect()
}

/// What is wrong, for a test that fails.
pub fn told(report: &Report) -> String {
    let wrong = report
        .findings
        .iter()
        .filter(|finding| matches!(finding.verdict, Verdict::Bad | Verdict::Warning));
    wrong
        .map(|finding| format!("\n{}: {}", finding.check.name(), finding.seen))
        .collect()
}

/// What a person needs to know is there: what was seen; and where it is wrong, what breaks and what
/// to do.
fn assert_told(finding: &Finding) {
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

/// A homeserver that delegates to our server, which stands behind this fault.
async fn behind(fault: Fault) -> (Homeserver, Between) {
    let between = Between::start(fault).await;
    (Homeserver::start(&between.url).await, between)
}

async fn assert_found(fault: Fault, expected: &[(Check, bool)]) {
    let (homeserver, between) = behind(fault.clone()).await;
    let report = look(homeserver.url.as_str()).await;
    assert_eq!(faults(&report), expected, "{fault:?}: {}", told(&report));
    let left = between.rendezvous.sessions();
    assert_eq!(
        left > 0,
        matches!(&fault, Fault::Undead | Fault::Refuse(Method::DELETE, _)),
        "{fault:?}"
    );
    // A server that says that it deletes, and does not, can fool whoever does not look again.
    assert!(
        fault == Fault::Undead || report.left_behind == left,
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
    let (homeserver, between) = behind(Fault::None).await;
    // By its name, too, everything but the port 80 of this machine can be checked.
    let report = look(&homeserver.name()).await;
    assert_eq!(faults(&report), []);
    assert_eq!(
        not_checked(&report),
        [Check::Dns, Check::PlainHttp, Check::SignIn]
    );
    assert_eq!((between.rendezvous.sessions(), report.left_behind), (0, 0));
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
        let report = look(&name).await;
        assert_eq!(faults(&report), [], "{}", told(&report));
    }
    let record = sandbox.record();
    assert!(record.devices.is_empty() && record.key_uploads.is_empty());
}

#[tokio::test]
async fn what_the_sandbox_is_told_to_do_wrong_is_found() {
    let cases = [
        (Misbehaviour::NoOauth, Check::OauthMetadata),
        (Misbehaviour::NoDeviceGrant, Check::DeviceGrant),
        (Misbehaviour::NoRegistration, Check::Registration),
        (Misbehaviour::RendezvousFull, Check::Create),
    ];
    for (fault, check) in cases {
        let sandbox = Sandbox::start(Options::default()).await.unwrap();
        sandbox.faults().set(fault);
        let report = look(sandbox.homeserver().as_str()).await;
        assert_eq!(faults(&report), bad(check), "{}", told(&report));
    }
}

#[tokio::test]
async fn a_proxy_that_meddles_with_etags() {
    for fault in [
        Fault::EtagWeak,
        Fault::EtagGone,
        Fault::EtagSuffixed("-gzip"),
        Fault::EtagAnotherEachTime,
    ] {
        assert_found(fault, &bad(Check::Etag)).await;
    }
    for compressed in [Method::GET, Method::POST] {
        assert_found(
            Fault::EtagWeakAndStrange(compressed.clone()),
            &bad(Check::Compression),
        )
        .await;
        assert_found(
            Fault::EtagWeakWhenCompressed(compressed),
            &warning(Check::Compression),
        )
        .await;
    }
    assert_found(Fault::EtagHash, &warning(Check::EtagPerWrite)).await;
    assert_found(Fault::Careless, &bad(Check::StaleWrite)).await;
    assert_found(Fault::Deaf(header::IF_MATCH), &[(Check::Write, true)]).await;
    assert_found(
        Fault::Deaf(header::IF_NONE_MATCH),
        &bad(Check::ConditionalRead),
    )
    .await;
}

#[tokio::test]
async fn a_proxy_that_meddles_with_what_is_said_of_an_answer() {
    assert_found(
        Fault::Without(&[header::CACHE_CONTROL]),
        &bad(Check::Caching),
    )
    .await;
    assert_found(
        Fault::InPlace(header::CACHE_CONTROL, "no-store"),
        &warning(Check::Caching),
    )
    .await;
    assert_found(Fault::InPlace(header::AGE, "1"), &bad(Check::Caching)).await;
    assert_found(
        Fault::InPlace(header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        &bad(Check::ContentType),
    )
    .await;
    assert_found(Fault::Cache, &bad(Check::Caching)).await;
    assert_found(Fault::Rewrite, &bad(Check::Write)).await;
}

#[tokio::test]
async fn a_proxy_that_meddles_with_times() {
    assert_found(Fault::Without(&[header::EXPIRES]), &bad(Check::Lifetime)).await;
    assert_found(Fault::InPlace(header::EXPIRES, "0"), &bad(Check::Lifetime)).await;
    let both = [(Check::Lifetime, true), (Check::Clock, false)];
    assert_found(
        Fault::Skewed {
            date: 600,
            expires: 0,
        },
        &both,
    )
    .await;
    assert_found(
        Fault::Skewed {
            date: -600,
            expires: 0,
        },
        &warning(Check::Clock),
    )
    .await;
    for ten_minutes in [600, -600] {
        let fault = Fault::Skewed {
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
        Fault::Without(&[header::ACCESS_CONTROL_ALLOW_ORIGIN]),
        &both,
    )
    .await;
    assert_found(Fault::Beside(allow.clone(), "*"), &both).await;
    assert_found(Fault::InPlace(allow, "https://element.example"), &both).await;
    assert_found(
        Fault::Without(&[header::ACCESS_CONTROL_EXPOSE_HEADERS]),
        &bad(Check::Cors),
    )
    .await;
    assert_found(Fault::InPlace(expose, "Date"), &bad(Check::Cors)).await;
    assert_found(
        Fault::Without(&[header::ACCESS_CONTROL_ALLOW_METHODS]),
        &bad(Check::Preflight),
    )
    .await;
    assert_found(
        Fault::Without(&[header::ACCESS_CONTROL_ALLOW_HEADERS]),
        &bad(Check::Preflight),
    )
    .await;
    for fault in [
        Fault::Refuse(Method::OPTIONS, 405),
        Fault::Restate(Method::OPTIONS, 405),
    ] {
        assert_found(fault, &bad(Check::Preflight)).await;
    }
}

#[tokio::test]
async fn a_proxy_that_refuses() {
    for status in [401, 403, 404, 429, 502] {
        // What a delegate refuses is the delegation's fault.
        assert_found(Fault::RefuseCreation(status), &bad(Check::Delegation)).await;
    }
    assert_found(Fault::Refuse(Method::GET, 404), &bad(Check::Read)).await;
    for status in [403, 404, 405, 412, 429, 502] {
        assert_found(Fault::Refuse(Method::PUT, status), &bad(Check::Write)).await;
    }
    for stubborn in [Fault::Refuse(Method::DELETE, 405), Fault::Undead] {
        assert_found(stubborn, &bad(Check::Delete)).await;
    }
    assert_found(Fault::Cap(1024), &bad(Check::PayloadLimit)).await;
    assert_found(Fault::Boastful, &warning(Check::PayloadLimit)).await;
    assert_found(Fault::Restate(Method::POST, 200), &warning(Check::Create)).await;
    assert_found(Fault::Restate(Method::PUT, 200), &warning(Check::Write)).await;
    assert_found(Fault::Restate(Method::DELETE, 200), &warning(Check::Delete)).await;
}

#[tokio::test]
async fn a_delegation_that_leads_nowhere() {
    let third = Homeserver::start(&"http://127.0.0.1:1/".parse().unwrap()).await;
    let to = |url: &str| Fault::SendOn(307, url.to_owned());
    assert_found(to("http://rendezvous.example/"), &bad(Check::Delegation)).await;
    assert_found(to(third.url.as_str()), &bad(Check::Delegation)).await;
    assert_found(to("http://127.0.0.1:1/"), &bad(Check::Delegation)).await;
    assert_found(Fault::SendOnNowhere, &bad(Check::Delegation)).await;
    assert_found(Fault::Circle, &bad(Check::Delegation)).await;
    for status in [301, 302, 303, 308] {
        let elsewhere = Fault::SendOn(status, third.url.to_string());
        assert_found(elsewhere, &bad(Check::Delegation)).await;
    }
    // It works, once more than it must. The proxy's own answer lacks what a browser needs.
    assert_found(
        Fault::SendOnOnce,
        &[(Check::Delegation, false), (Check::Cors, true)],
    )
    .await;
}

/// Two causes of one fault are told apart, where something else is to be changed.
#[tokio::test]
async fn each_cause_has_its_own_remedy() {
    let to = |status, url: &str| Fault::SendOn(status, url.to_owned());
    let cases = [
        (Fault::EtagWeak, Check::Etag, "weak", "nginx: gzip off"),
        (
            Fault::EtagGone,
            Check::Etag,
            "missing",
            "proxy_hide_header ETag",
        ),
        (
            Fault::EtagSuffixed("-gzip"),
            Check::Etag,
            "-gzip",
            "SetEnv no-gzip 1",
        ),
        (
            Fault::Skewed {
                date: 600,
                expires: 0,
            },
            Check::Lifetime,
            "before its Date",
            "proxy_pass_header Date",
        ),
        (
            Fault::Without(&[header::EXPIRES]),
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
            "Name an https:// URL",
        ),
        (
            to(307, "http://127.0.0.1:1/"),
            Check::Delegation,
            "refused",
            "msc4108_delegation_endpoint must be",
        ),
        (
            Fault::SendOnNowhere,
            Check::Delegation,
            "without a usable Location",
            "msc4108_delegation_endpoint",
        ),
        (
            Fault::Circle,
            Check::Delegation,
            "in circles",
            "must not lead back",
        ),
        (
            Fault::Cap(1024),
            Check::PayloadLimit,
            "413 from proxy",
            "client_max_body_size",
        ),
        (
            Fault::Refuse(Method::PUT, 405),
            Check::Write,
            "405 from proxy",
            "limit_except",
        ),
        (
            Fault::Deaf(header::IF_MATCH),
            Check::Write,
            "400 M_MISSING_PARAM",
            "If-Match",
        ),
        (
            Fault::Refuse(Method::DELETE, 405),
            Check::Delete,
            "405 from proxy",
            "limit_except",
        ),
        (
            Fault::Undead,
            Check::Delete,
            "still there: 200",
            "proxy_cache off",
        ),
        (
            Fault::EvictAfter(3),
            Check::Survival,
            "404",
            "Synapse keeps 100 sessions",
        ),
    ];
    for (fault, check, seen, remedy) in cases {
        let (homeserver, _between) = behind(fault.clone()).await;
        let report = look(homeserver.url.as_str()).await;
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
        assert_found(Fault::EvictAfter(requests), &bad(Check::Survival)).await;
    }
}

#[tokio::test]
async fn a_session_without_enough_time() {
    for (seconds, expected) in [
        (30, bad(Check::Lifetime)),
        (60, warning(Check::Lifetime)),
        (120, vec![]),
    ] {
        let between = Between::with(Fault::None, |config| {
            config.lifetime = Duration::from_secs(seconds)
        })
        .await;
        let homeserver = Homeserver::start(&between.url).await;
        assert_eq!(
            faults(&look(homeserver.url.as_str()).await),
            expected,
            "{seconds}"
        );
    }
}

#[tokio::test]
async fn a_session_where_nobody_may_go() {
    let between = Between::with(Fault::None, |config| {
        config.public_url = "http://inside.example/".parse().unwrap()
    })
    .await;
    let homeserver = Homeserver::start(&between.url).await;
    let report = look(homeserver.url.as_str()).await;
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
    type Change = Box<dyn FnOnce(&mut crate::homeserver::Said)>;
    type Case = (&'static str, Change, Vec<(Check, bool)>);
    fn set(key: &'static str, value: Value) -> Change {
        Box::new(move |said| said.body[key] = value)
    }
    let status = |status| -> Change { Box::new(move |said| said.status = status) };
    let deaf = || -> Change { Box::new(|said| said.cors = false) };
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
        (well_known, deaf(), bad(Check::WellKnown)),
        (versions, status(404), bad(Check::Versions)),
        (versions, deaf(), bad(Check::Versions)),
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
            deaf(),
            vec![(Check::Preflight, true), (Check::Cors, true)],
        ),
    ];
    let (homeserver, _between) = behind(Fault::None).await;
    homeserver.change(versions, |said| said.body = json!({}));
    let report = look(homeserver.url.as_str()).await;
    assert!(
        report
            .of(Check::Versions)
            .unwrap()
            .seen
            .starts_with("no list of versions")
    );
    for (number, (path, change, expected)) in cases.into_iter().enumerate() {
        let (homeserver, between) = behind(Fault::None).await;
        homeserver.change(path, change);
        let report = look(&homeserver.name()).await;
        assert_eq!(
            faults(&report),
            expected,
            "{number} {path}: {}",
            told(&report)
        );
        assert_eq!((between.rendezvous.sessions(), report.left_behind), (0, 0));
    }
}

/// Synapse serves what it remembers: what is true now is in the authorization server's own
/// document.
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
        let (homeserver, _between) = behind(Fault::None).await;
        homeserver.change(metadata, |said| said.body[field] = Value::Null);
        let remedy = look(&homeserver.name())
            .await
            .of(check)
            .unwrap()
            .remedy
            .clone();
        assert!(remedy.starts_with("Restart Synapse"), "{field}: {remedy}");
        homeserver.change(own, |said| said.body[field] = Value::Null);
        let remedy = look(&homeserver.name())
            .await
            .of(check)
            .unwrap()
            .remedy
            .clone();
        assert!(!remedy.contains("estart Synapse"), "{field}: {remedy}");
    }
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    sandbox.faults().set(Misbehaviour::DeviceGrantDisabled);
    let report = look(&sandbox.server_name()).await;
    assert_eq!(
        faults(&report),
        bad(Check::DeviceGrant),
        "{}",
        told(&report)
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

/// RFC 8414's own place is asked where the other document is not.
#[tokio::test]
async fn the_other_document_counts_too() {
    let (homeserver, _between) = behind(Fault::None).await;
    homeserver.change("/.well-known/openid-configuration", |said| {
        said.status = 404
    });
    homeserver.change("/.well-known/oauth-authorization-server", |said| {
        said.status = 200;
        said.body["grant_types_supported"] = json!(["refresh_token"]);
    });
    let report = look(&homeserver.name()).await;
    assert_eq!(
        faults(&report),
        [(Check::Issuer, false), (Check::DeviceGrant, true)],
        "{}",
        told(&report)
    );
}

#[tokio::test]
async fn an_authorization_server_that_does_not_run() {
    let (homeserver, _between) = behind(Fault::None).await;
    homeserver.change("/_matrix/client/v1/auth_metadata", |said| {
        said.body["issuer"] = json!("http://127.0.0.1:1/")
    });
    let down = look(&homeserver.name()).await;
    homeserver.change("/_matrix/client/v1/auth_metadata", |said| {
        said.body["issuer"] = json!(homeserver.url)
    });
    homeserver.change("/.well-known/openid-configuration", |said| {
        said.status = 502
    });
    for report in [down, look(&homeserver.name()).await] {
        assert_eq!(faults(&report), bad(Check::Issuer), "{}", told(&report));
        assert!(
            report
                .of(Check::Issuer)
                .unwrap()
                .remedy
                .starts_with("Does the authorization server run?")
        );
        let rest = [Check::DeviceGrant, Check::Registration];
        assert!(
            rest.iter()
                .all(|check| not_checked(&report).contains(check)),
            "one finding for one cause"
        );
    }
}

/// By a clock that goes on by so much whenever it is looked at, as it is before and after each
/// answer.
#[tokio::test]
async fn a_slow_server_is_warned_of() {
    for (step, expected) in [(400, vec![]), (1100, warning(Check::Speed))] {
        let (began, looks) = (Instant::now(), AtomicU32::new(0));
        let clock =
            move || began + Duration::from_millis(step) * looks.fetch_add(1, Ordering::SeqCst);
        let (homeserver, _between) = behind(Fault::None).await;
        let report = look_by(&homeserver.name(), &clock).await;
        assert_eq!(faults(&report), expected, "{step} ms: {}", told(&report));
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
        let report = look(&named).await;
        assert_eq!(faults(&report), bad(Check::Dns));
        assert_eq!(report.findings.len(), 1, "{}", told(&report));
        let finding = report.of(Check::Dns).unwrap();
        assert_eq!(finding.seen, format!("no address is known for {nameless}"));
        assert!(
            finding.remedy.starts_with("Check the spelling first"),
            "{}",
            finding.remedy
        );
    }
    // A good name may lead to one.
    let (homeserver, _between) = behind(Fault::None).await;
    homeserver.change("/.well-known/matrix/client", |said| {
        said.body["m.homeserver"]["base_url"] = json!(format!("https://{nameless}/"));
    });
    let report = look(&format!("localhost:{}", homeserver.url.port().unwrap())).await;
    assert_eq!(faults(&report), bad(Check::Dns), "{}", told(&report));
    assert!(
        report.findings.len() == 2 && report.of(Check::WellKnown).unwrap().verdict == Verdict::Good
    );
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let report = look("http://127.0.0.1:1/").await;
    assert!(
        faults(&report).contains(&(Check::Versions, true)),
        "{}",
        told(&report)
    );
    let report = look("127.0.0.1:1").await;
    assert_eq!(faults(&report), bad(Check::WellKnown));
    assert_eq!(not_checked(&report).len(), Check::all().count() - 1);
    let http = Http::new(Policy::HttpsOnly).unwrap();
    let report = examine(
        &http,
        &HomeserverAddress::parse("http://127.0.0.1:1/").unwrap(),
        &stopped(),
        pending(),
    )
    .await;
    assert_eq!(faults(&report), bad(Check::WellKnown));
}

#[tokio::test]
async fn whoever_gives_up_leaves_nothing_behind() {
    let http = Http::new(Policy::HttpsOrLoopback).unwrap();
    for requests in 1.. {
        let (homeserver, between) = behind(Fault::None).await;
        let named = HomeserverAddress::parse(homeserver.url.as_str()).unwrap();
        let report = examine(&http, &named, &stopped(), between.asked(requests)).await;
        assert_eq!(
            (between.rendezvous.sessions(), report.left_behind),
            (0, 0),
            "after {requests}"
        );
        assert_eq!(report.findings.len(), Check::all().count());
        assert!(
            faults(&report).is_empty(),
            "what was interrupted is no fault: {}",
            told(&report)
        );
        if not_checked(&report)
            == [
                Check::Dns,
                Check::WellKnown,
                Check::PlainHttp,
                Check::SignIn,
            ]
        {
            assert!(requests > 15, "{requests}");
            break;
        }
    }
    let report = examine(
        &http,
        &HomeserverAddress::parse("example.org").unwrap(),
        &stopped(),
        ready(()),
    )
    .await;
    assert_eq!(
        not_checked(&report).len(),
        Check::all().count(),
        "nobody was asked"
    );
}

/// A server that stops answering is left at once, and the session that it has is deleted.
#[tokio::test]
async fn whoever_gives_up_does_not_wait() {
    let http = Http::new(Policy::HttpsOrLoopback).unwrap();
    for request in [2, 5] {
        let (homeserver, between) = behind(Fault::HangAt(request)).await;
        let named = HomeserverAddress::parse(homeserver.url.as_str()).unwrap();
        let report = examine(&http, &named, &stopped(), between.asked(request)).await;
        assert_eq!((between.rendezvous.sessions(), report.left_behind), (0, 0));
        assert!(between.requests() > request, "the deletion came after");
    }
}
