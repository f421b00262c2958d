//! What is found of MSC4388's sessions: if there are none, if they are not for everybody, and if
//! they deviate from the proposal.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    extract::Request,
    http::{Method, StatusCode},
    response::{IntoResponse, Response},
};
use matrix_qr_doctor::{Check, Finding, Verdict};
use matrix_qr_rendezvous::{Config, Rendezvous};
use matrix_qr_sandbox::{Fault, Options, Sandbox};
use tokio::net::TcpListener;
use tower::ServiceExt as _;

use crate::{faults::examined, scripted_homeserver::ScriptedHomeserver};

const COLLECTION: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";

/// What the odd server does in place of the answer to one request, with the number of writes so
/// far. `None`: answers it as it should.
type Oddity = fn(&Method, Place, usize) -> Option<Response>;

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Collection,
    Session,
}

/// What is found of our server behind that oddity, and how many sessions are left there.
async fn found(oddity: Oddity) -> (Finding, usize) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let rendezvous = Rendezvous::new(Config::new(url.parse().unwrap()));
    let (service, puts) = (rendezvous.router(), Arc::new(AtomicUsize::new(0)));
    let app = Router::new().fallback(async move |request: Request| {
        let place = match request.uri().path().strip_prefix(COLLECTION) {
            // What is asked of MSC4108.
            None => return service.oneshot(request).await.unwrap(),
            Some("") => Place::Collection,
            Some(_) => Place::Session,
        };
        let put = usize::from(request.method() == Method::PUT);
        let puts = puts.fetch_add(put, Ordering::SeqCst) + put;
        match oddity(request.method(), place, puts) {
            Some(odd) => odd,
            None => service.oneshot(request).await.unwrap(),
        }
    });
    tokio::spawn(async move { axum::serve(listener, app).await });
    let report = examined(&url).await;
    (
        report.of(Check::Msc4388).unwrap().clone(),
        rendezvous.sessions(),
    )
}

const TOKEN: &str = r#"{"sequence_token":"another"}"#;
const OTHER: &str = r#"{"data":"other","sequence_token":"another","expires_in_ms":1000}"#;

/// This request is answered oddly.
struct Odd;

impl Odd {
    fn then(self, status: u16, body: &'static str) -> Option<Response> {
        Some((StatusCode::from_u16(status).unwrap(), body).into_response())
    }
}

fn at(method: &Method, odd_method: Method, place: Place, odd_place: Place) -> Option<Odd> {
    (*method == odd_method && place == odd_place).then_some(Odd)
}

fn nth_put(method: &Method, puts: usize, nth: usize) -> Option<Odd> {
    (*method == Method::PUT && puts == nth).then_some(Odd)
}

#[tokio::test]
async fn each_oddity_is_reported() {
    let cases: [(Oddity, &str); 10] = [
        (
            |method, place, _| at(method, Method::GET, place, Place::Session)?.then(404, ""),
            "cannot be read",
        ),
        (
            |method, _, puts| nth_put(method, puts, 1)?.then(405, ""),
            "a write fails",
        ),
        (
            |method, _, puts| nth_put(method, puts, 2)?.then(409, "{}"),
            "a repeated write does not have the expected effect",
        ),
        (
            |method, _, puts| nth_put(method, puts, 2)?.then(200, TOKEN),
            "a repeated write does not have the expected effect",
        ),
        (
            |method, _, puts| nth_put(method, puts, 3)?.then(200, TOKEN),
            "a write with an old token does not have the expected effect",
        ),
        (
            |method, _, puts| {
                (*method == Method::GET && puts == 3)
                    .then_some(Odd)?
                    .then(200, OTHER)
            },
            "a read does not have the expected effect",
        ),
        (
            |method, _, _| (*method == Method::DELETE).then_some(Odd)?.then(200, "{}"),
            "a read after the deletion",
        ),
        (
            |method, place, _| {
                at(method, Method::GET, place, Place::Collection)?.then(200, "<html>")
            },
            "200 to the discovery under",
        ),
        (
            |method, place, _| at(method, Method::GET, place, Place::Collection)?.then(302, ""),
            "302",
        ),
        (
            |method, place, _| at(method, Method::POST, place, Place::Collection)?.then(403, "{}"),
            "a session cannot be created",
        ),
    ];
    for (number, (oddity, expected)) in cases.into_iter().enumerate() {
        let (finding, left) = found(oddity).await;
        assert_eq!(finding.verdict, Verdict::Warning, "{number}: {finding:?}");
        // If a server only pretends to delete a session, only a second look shows it.
        assert_eq!(
            left,
            usize::from(expected.ends_with("deletion")),
            "{number}"
        );
        assert!(
            finding.seen.contains(expected),
            "{number}: {expected}: {finding:?}"
        );
        assert!(finding.effect.len() > 2 && finding.remedy.len() > 2);
    }
}

#[tokio::test]
async fn a_good_one_is_tried_out_and_left_clean() {
    let (finding, left) = found(|_, _, _| None).await;
    assert_eq!(
        (finding.verdict, finding.seen.as_str(), left),
        (
            Verdict::Good,
            "offered to everybody, under the unstable path; written, read, deleted",
            0
        )
    );
}

#[tokio::test]
async fn one_that_is_not_for_everybody_is_as_good() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    sandbox.faults().set(Fault::RendezvousWantsToken);
    let report = examined(sandbox.homeserver().as_str()).await;
    let finding = report.of(Check::Msc4388).unwrap();
    assert_eq!(finding.verdict, Verdict::Good);
    assert_eq!(
        finding.seen,
        "offered to signed-in users, under the unstable path"
    );
}

#[tokio::test]
async fn the_other_name_is_asked_for_next() {
    let (finding, left) =
        found(|_, place, _| (place == Place::Collection).then_some(Odd)?.then(404, "")).await;
    assert_eq!(
        (finding.verdict, finding.seen.as_str(), left),
        (
            Verdict::Good,
            "offered to everybody, under the stable path; written, read, deleted",
            0
        )
    );
}

/// The case of nearly every homeserver.
#[tokio::test]
async fn nothing_is_missing_where_there_is_none() {
    let homeserver = ScriptedHomeserver::start(&"http://127.0.0.1:1/".parse().unwrap()).await;
    let report = examined(homeserver.url.as_str()).await;
    let finding = report.of(Check::Msc4388).unwrap();
    assert_eq!(
        (&finding.verdict, finding.seen.as_str()),
        (
            &Verdict::Good,
            "not offered, and no app in use requests them"
        )
    );
}
