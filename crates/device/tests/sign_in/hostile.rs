//! A homeserver and an authorization server that are hostile, or out of order in every way, against
//! two whole devices: what each of their answers can do, at each request of each role.
//!
//! Whatever it is: a good end or one clear sentence on each side, within a bound, and nothing half
//! made.

use std::{
    collections::{BTreeSet, VecDeque},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::{Body, Bytes},
    http::{Response, StatusCode, header},
};
use futures_util::stream;
use matrix_qr_device::session::SessionDir;
use matrix_qr_protocol::{
    error::{Cause, Error},
    login::message::Reason,
    revision::{Revision, Role},
};
use matrix_qr_sandbox::{Fault, Options, RecordedUpload};
use serde_json::{Value, json};
use tokio::{net::TcpListener, time::Instant};
use url::form_urlencoded;

use crate::{
    attacker::leaping,
    failures::{assert_no_new_device, assert_no_session, uploads, was_told},
    fault_proxy::{FaultProxy, ServerRequest, is_rendezvous},
    meeting::{Meeting, Plan, When},
    paths::assert_complete,
    revision,
    test_env::{SignInEnd, TestEnv},
};

/// How long a session lives here, by the clock of the servers. That of the devices leaps.
const SESSION: Duration = Duration::from_secs(15);
/// The longest time from the beginning of a sign-in to its end on both sides: half a minute before
/// there is a session, the session, and half a minute to take back what there is.
const BOUND: Duration = Duration::from_secs(80);

/// Two devices, and what forges and changes the answers of their servers.
async fn hostile_world() -> TestEnv {
    let options = Options {
        session_lifetime: SESSION,
        ..Options::default()
    };
    TestEnv::with_fault_proxy_and(options).await
}

/// A request that a role sends to one of the two servers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct RoleRequest {
    by_existing: bool,
    /// The method and the path, without the ID of a device.
    name: String,
}

impl RoleRequest {
    fn of(asked: &ServerRequest<'_>, existing_token: &str) -> Self {
        let name = match asked.name.split_once("/devices/") {
            Some((before, _)) => format!("{before}/devices/"),
            None => asked.name.to_owned(),
        };
        Self {
            by_existing: asked.token == Some(existing_token),
            name,
        }
    }
}

fn proxy(world: &TestEnv) -> &FaultProxy {
    world.fault_proxy.as_ref().unwrap()
}

fn existing_token(world: &TestEnv) -> String {
    let session = SessionDir::new(world.existing_dir()).load().unwrap();
    session.user.access_token.expose().to_owned()
}

/// Every request of a sign-in to the two servers. Those to the rendezvous session are not theirs.
async fn requests(shown_by: Role) -> BTreeSet<RoleRequest> {
    let world = TestEnv::with_fault_proxy().await;
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let (notes, existing) = (seen.clone(), existing_token(&world));
    proxy(&world).forge(move |asked| {
        let request = RoleRequest::of(asked, &existing);
        if !is_rendezvous(asked.name) {
            notes.lock().unwrap().insert(request);
        }
        None
    });
    let end = world.sign_in(&Plan::shown_by(shown_by)).await;
    assert_complete(&world, &end).await;
    let seen = seen.lock().unwrap().clone();
    assert!(seen.len() > 10, "{seen:?}");
    seen
}

/// Whether this is the request in question.
type IsMeant = Box<dyn Fn(&ServerRequest<'_>) -> bool + Send>;

/// At each request of each role, in a sign-in of its own, the answer is this one.
async fn at_each_request(
    forged: impl Fn(&ServerRequest<'_>) -> Response<Body> + Clone + Send + 'static,
) {
    at_each(&|proxy, is_meant| {
        let forged = forged.clone();
        proxy.forge(move |asked| is_meant(asked).then(|| forged(asked)));
    })
    .await;
}

/// Both revisions, and both directions: the servers do not know which it is.
const WAYS: [(Revision, Role); 2] = [
    (Revision::Msc4108, Role::New),
    (Revision::Msc4388, Role::Existing),
];

/// The same for whatever is done to a request.
async fn at_each(misbehave: &dyn Fn(&FaultProxy, IsMeant)) {
    for (revision, shown_by) in WAYS {
        revision::with(revision, Box::pin(at_each_shown_by(shown_by, misbehave))).await;
    }
}

async fn at_each_shown_by(shown_by: Role, misbehave: &dyn Fn(&FaultProxy, IsMeant)) {
    let left = Mutex::new(VecDeque::from_iter(requests(shown_by).await));
    let lane = async || {
        let mut world = hostile_world().await;
        loop {
            let Some(request) = left.lock().unwrap().pop_front() else {
                return;
            };
            if !Box::pin(at_request(&world, &request, shown_by, misbehave)).await {
                world = hostile_world().await;
            }
        }
    };
    tokio::join!(
        Box::pin(lane()),
        Box::pin(lane()),
        Box::pin(lane()),
        Box::pin(lane()),
    );
}

/// Whether the account is afterwards as it was before.
async fn at_request(
    world: &TestEnv,
    request: &RoleRequest,
    shown_by: Role,
    misbehave: &dyn Fn(&FaultProxy, IsMeant),
) -> bool {
    let (meant, existing) = (request.clone(), existing_token(world));
    let is_meant = move |asked: &ServerRequest<'_>| RoleRequest::of(asked, &existing) == meant;
    misbehave(proxy(world), Box::new(is_meant));
    let begin = Instant::now();
    let end = world.sign_in(&Plan::shown_by(shown_by)).await;
    assert!(
        begin.elapsed() < BOUND,
        "{request:?}: {:?}",
        begin.elapsed()
    );
    proxy(world).be_honest();
    assert_sound(world, &end, &format!("{request:?}")).await
}

/// All or nothing, and said in one clear sentence on each side.
async fn assert_sound(world: &TestEnv, end: &SignInEnd, why: &str) -> bool {
    let sides = [
        (Role::New, end.new.as_ref().err()),
        (Role::Existing, end.existing.as_ref().err()),
    ];
    for (role, error) in sides {
        // One that got no code to scan did not begin.
        if let (Some(error), true) = (error, was_told(end, role, "Checking")) {
            assert_clear(error, why);
        }
    }
    assert_eq!(end.record.unsigned_moments, 0, "{why}");
    // The clock of the servers does not leap: there it has yet to end by itself.
    let is_late = |error: &Error| matches!(error, Error::Expired | Error::ExpiredWithProblem(_));
    if !sides.iter().filter_map(|(_, error)| *error).any(is_late) {
        assert_no_session(end).await;
    }
    assert_keeps_secrets(world, end, why);
    // Whatever the servers said, this device is what it was.
    world.existing.check_cross_signing().await.unwrap();
    if end.new.is_ok() {
        let new = world.reopen_new().await;
        assert!(new.verification().await.unwrap().verified, "{why}");
        new.log_out().await.unwrap();
        return true;
    }
    // The other one may have stopped looking before, and says then that it saw nothing.
    let seen = end.existing.as_ref().is_ok_and(|granted| granted.verified);
    assert!(!seen, "{why}: {:?}", end.told);
    if was_told(end, Role::New, "DeviceLeft") {
        let of_it = |upload: &RecordedUpload| end.record.devices.contains(&upload.device_id);
        let uploads = end.record.key_uploads.iter().filter(|upload| of_it(upload));
        assert_eq!(uploads.count(), 1, "{why}: it has no keys");
        return false;
    }
    assert_no_new_device(world, end);
    true
}

/// No token or code is in what either person was told, or in how it ended.
fn assert_keeps_secrets(world: &TestEnv, end: &SignInEnd, why: &str) {
    let existing = SessionDir::new(world.existing_dir()).load().unwrap();
    let own = [
        Some(existing.user.access_token),
        existing.user.refresh_token,
    ];
    let own = own
        .into_iter()
        .flatten()
        .map(|token| token.expose().to_owned());
    let seen = proxy(world).seen();
    let answers = seen
        .iter()
        .filter_map(|seen| serde_json::from_slice::<Value>(&seen.answer).ok());
    let given = answers.flat_map(|answer| {
        ["access_token", "refresh_token", "device_code"]
            .map(|name| answer.get(name).and_then(Value::as_str).map(str::to_owned))
    });
    let said = format!("{}\n{:?}\n{:?}", end.printed, end.new, end.existing);
    for secret in own.chain(given.flatten()).filter(|secret| secret.len() > 8) {
        assert!(!said.contains(&secret), "{why}: {secret} is in {said}");
    }
}

fn assert_clear(error: &Error, why: &str) {
    for sentence in [error.to_string(), error.advice().to_owned()] {
        assert!(
            (10..400).contains(&sentence.len()) && !sentence.contains(char::is_control),
            "{why}: {sentence:?}"
        );
        assert!(!sentence.contains("hostile"), "{why}: {sentence:?}");
    }
    let accused = [Cause::ThirdParty, Cause::RendezvousServer];
    assert!(!accused.contains(&error.cause()), "{why}: {error:?}");
}

fn redirect(status: u16, location: &str) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(header::LOCATION, location)
        .body(Body::empty())
        .unwrap()
}

fn page(status: u16) -> Response<Body> {
    let page = "<!DOCTYPE html><html><body>hostile</body></html>";
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "text/html")
        .header(header::LOCATION, "http://127.0.0.1:1/hostile")
        .header(header::RETRY_AFTER, u64::MAX)
        .body(page.into())
        .unwrap()
}

fn json_of(text: String) -> Response<Body> {
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(text.into())
        .unwrap()
}

/// More and more of it, until nobody reads any more.
fn endless(chunk: &'static str, pause: Duration) -> Response<Body> {
    let chunks = stream::unfold((), move |()| async move {
        tokio::time::sleep(pause).await;
        Some((
            Ok::<_, std::io::Error>(Bytes::from_static(chunk.as_bytes())),
            (),
        ))
    });
    Response::builder()
        .header(header::CONTENT_TYPE, "application/json")
        .body(Body::from_stream(chunks))
        .unwrap()
}

const MUCH: &str = match std::str::from_utf8(&[b' '; 1 << 16]) {
    Ok(text) => text,
    Err(_) => "",
};

#[test]
fn a_page_with_a_success() {
    leaping(at_each_request(|_| page(200)));
    leaping(at_each_request(|_| page(204)));
}

/// Back to where it was asked.
#[test]
fn a_redirection_in_a_circle() {
    leaping(at_each_request(|asked| {
        let (_, path) = asked.name.split_once(' ').unwrap();
        redirect(308, path)
    }));
}

/// Nobody goes there, with a token or without.
#[test]
fn a_redirection_to_another_server() {
    leaping(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (there, visits) = (
            listener.local_addr().unwrap(),
            Arc::new(AtomicUsize::new(0)),
        );
        let visited = visits.clone();
        tokio::spawn(async move {
            while listener.accept().await.is_ok() {
                visited.fetch_add(1, Ordering::Relaxed);
            }
        });
        for status in [302, 307] {
            at_each_request(move |_| redirect(status, &format!("http://{there}/hostile"))).await;
        }
        assert_eq!(visits.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_page_that_asks_for_a_password() {
    leaping(at_each_request(|_| page(401)));
}

#[test]
fn a_page_that_refuses() {
    for status in [400, 403, 405] {
        leaping(at_each_request(move |_| page(status)));
    }
}

#[test]
fn a_page_that_was_not_found() {
    leaping(at_each_request(|_| page(404)));
}

#[test]
fn a_page_that_asks_to_wait_for_ever() {
    leaping(at_each_request(|_| page(429)));
}

#[test]
fn a_page_of_a_server_that_is_out_of_order() {
    for status in [500, 502, 503] {
        leaping(at_each_request(move |_| page(status)));
    }
}

#[test]
fn an_answer_without_end() {
    leaping(at_each_request(|_| endless(MUCH, Duration::ZERO)));
}

#[test]
fn an_answer_that_drips() {
    leaping(at_each_request(|_| {
        endless(" ", Duration::from_millis(200))
    }));
}

#[test]
fn json_that_is_deep() {
    leaping(at_each_request(|_| json_of("[".repeat(50_000))));
    leaping(at_each_request(|_| {
        json_of(format!(
            "{}1{}",
            r#"{"a":"#.repeat(10_000),
            "}".repeat(10_000)
        ))
    }));
}

#[test]
fn json_of_nothing() {
    leaping(at_each_request(|_| json_of("{}".to_owned())));
}

/// Each key of an honest answer twice, at every depth, with another value first or last. What one reader takes and
/// another does not must make no half of anything.
#[test]
fn json_with_each_key_twice() {
    for honest_first in [true, false] {
        leaping(at_each(&|proxy, is_meant| {
            proxy.rewrite(move |asked, answer| match is_meant(asked) {
                true => twice(&answer, honest_first),
                false => answer,
            });
        }));
    }
}

fn twice(answer: &Bytes, honest_first: bool) -> Bytes {
    match serde_json::from_slice(answer) {
        Ok(value) => doubled(&value, honest_first).into(),
        Err(_) => answer.clone(),
    }
}

/// At every depth.
fn doubled(value: &Value, honest_first: bool) -> String {
    let joined = |parts: Vec<String>| parts.join(",");
    match value {
        Value::Object(fields) => {
            let both = fields.iter().map(|(key, value)| {
                let (key, other) = (json!(key), "\"hostile\"");
                let value = doubled(value, honest_first);
                match honest_first {
                    true => format!("{key}:{value},{key}:{other}"),
                    false => format!("{key}:{other},{key}:{value}"),
                }
            });
            format!("{{{}}}", joined(both.collect()))
        }
        Value::Array(items) => {
            let items = items.iter().map(|item| doubled(item, honest_first));
            format!("[{}]", joined(items.collect()))
        }
        value => value.to_string(),
    }
}

/// A refusal that repeats the tokens and codes of the request, plain and with escapes: no error has
/// them, and nobody is told.
#[test]
fn a_refusal_that_repeats_what_was_sent() {
    let repeated = Arc::new(Mutex::new(BTreeSet::new()));
    let notes = repeated.clone();
    leaping(at_each_request(move |asked| {
        let sent = secrets_of(asked);
        let refusal = refusal(&sent.join(" "));
        notes.lock().unwrap().extend(sent);
        refusal
    }));
    let repeated = repeated.lock().unwrap().len();
    assert!(repeated > 5, "{repeated}");
}

/// The access token, and the values of the form but those that are no secret.
fn secrets_of(asked: &ServerRequest<'_>) -> Vec<String> {
    let form = form_urlencoded::parse(asked.body)
        .filter(|(name, _)| ["token", "refresh_token", "device_code"].contains(&name.as_ref()))
        .map(|(_, value)| value.into_owned());
    asked
        .token
        .map(str::to_owned)
        .into_iter()
        .chain(form)
        .collect()
}

/// `error` is what OAuth and Matrix call it, `error_description` what OAuth alone does.
fn refusal(said: &str) -> Response<Body> {
    let escaped: String = said.bytes().map(|byte| format!("\\u{byte:04x}")).collect();
    let text = format!(
        r#"{{"errcode":"M_{said}","error":"{escaped}","error_description":"{said} {escaped}"}}"#
    );
    let mut refusal = json_of(text);
    *refusal.status_mut() = StatusCode::FORBIDDEN;
    refusal
}

/// Two devices at honest servers, until this changes what one of them answers.
async fn changed(
    world: &TestEnv,
    at: When,
    change: impl FnMut(&str, &mut Value) + Send + 'static,
) -> SignInEnd {
    let misbehave = async |meeting: &Meeting| {
        meeting.until(&at).await;
        proxy(world).change(change);
    };
    let plan = Plan::shown_by(Role::New);
    let end = world.sign_in_while(&plan, misbehave).await;
    proxy(world).be_honest();
    end
}

const BEGIN: When = When::Told(Role::Existing, "Session");

async fn an_account_whose_name_cannot_be_shown() {
    let world = TestEnv::with_fault_proxy().await;
    for name in ["@al\u{1b}[2Jice:a.example", "@al\nice:a.example"] {
        let end = changed(&world, BEGIN, move |request, answer| {
            if request.ends_with("/whoami") {
                answer["user_id"] = json!(name);
            }
        })
        .await;
        let Err(Error::NotAuthorized(trouble)) = &end.new else {
            panic!("{:?}", end.new)
        };
        assert_eq!(trouble.cause, Cause::Homeserver);
        assert!(trouble.what.contains("an invalid user ID"), "{trouble:?}");
        for never in ["Account", "asked for account", "sent m.login.success"] {
            assert!(!was_told(&end, Role::New, never), "{:?}", end.told);
        }
        assert!(assert_sound(&world, &end, name).await);
    }
    assert_eq!(world.sandbox.record().revocations.len(), 2);
}

/// What the server gives as a token is no token: it may have given one, and the person is told of
/// the device.
async fn a_token_that_cannot_be_used() {
    let changes: [fn(&mut Value); 4] = [
        |answer| answer["token_type"] = json!("mac"),
        |answer| answer["access_token"] = json!("a b"),
        |answer| answer["access_token"] = json!(7),
        |answer| answer["padding"] = json!(" ".repeat(1 << 20)),
    ];
    for change in changes {
        let world = TestEnv::with_fault_proxy().await;
        let end = changed(&world, BEGIN, move |request, answer| {
            if request == "POST /oauth2/token" && answer.get("access_token").is_some() {
                change(answer);
            }
        })
        .await;
        let Err(Error::NotAuthorized(trouble)) = &end.new else {
            panic!("{:?}", end.new)
        };
        assert_eq!(trouble.cause, Cause::AuthorizationServer);
        let left = end.record.devices.iter();
        let left: Vec<_> = left
            .filter(|id| !end.record.bootstrap.contains(id))
            .collect();
        let [left] = left.as_slice() else {
            panic!("one device is left: {left:?}")
        };
        let says = format!("and the device {left} ");
        assert!(trouble.what.contains(&says), "{trouble:?}");
        assert!(trouble.what.ends_with(" left behind"), "{trouble:?}");
        assert!(was_told(&end, Role::New, "DeviceLeft"), "{:?}", end.told);
        assert!(!assert_sound(&world, &end, &says).await);
        assert!(!world.new_dir().exists());
    }
}

/// It is what the account's devices trust, at every moment.
async fn another_identity_at_each_moment() {
    let world = TestEnv::with_fault_proxy().await;
    for moment in [
        When::Told(Role::Existing, "Session"),
        When::Told(Role::Existing, "secure"),
        When::Told(Role::Existing, "LookingForDevice"),
        When::Told(Role::Existing, "DeviceFound"),
        When::Told(Role::Existing, "SharingSecrets"),
        When::Told(Role::Existing, "sent m.login.secrets"),
        When::Told(Role::New, "ImportingSecrets"),
    ] {
        let reset = async |meeting: &Meeting| {
            meeting.until(&moment).await;
            world.sandbox.faults().set(Fault::WrongIdentity);
        };
        let end = world.sign_in_while(&Plan::shown_by(Role::New), reset).await;
        world.sandbox.faults().clear();
        if let Err(error) = &end.new {
            let refused = matches!(
                error,
                Error::SecretsRefused(_) | Error::Peer(Reason::UserCancelled)
            );
            assert!(refused, "{moment:?}: {error:?}");
        }
        assert!(assert_sound(&world, &end, &format!("{moment:?}")).await);
    }
}

/// Keys that nobody asked for make no difference. That they reach no store is in
/// `keys::identity::tests`.
async fn keys_of_other_users() {
    let world = TestEnv::with_fault_proxy().await;
    let end = changed(&world, BEGIN, |request, answer| {
        if !request.ends_with("/keys/query") {
            return;
        }
        for kind in [
            "device_keys",
            "master_keys",
            "self_signing_keys",
            "user_signing_keys",
        ] {
            let of_users = answer[kind].as_object_mut().unwrap();
            let (user_id, keys) = of_users.iter().next().unwrap();
            let text = keys.to_string().replace(user_id, "@mallory:a.example");
            let keys = serde_json::from_str(&text).unwrap();
            of_users.insert("@mallory:a.example".to_owned(), keys);
        }
    })
    .await;
    assert!(end.existing.as_ref().unwrap().verified);
    assert!(assert_sound(&world, &end, "keys of other users").await);
}

/// Every token is refused, and every refresh brings another one.
async fn tokens_that_are_refreshed_and_refused_for_ever() {
    for moment in [
        "Session",
        "LookingForDevice",
        "DeviceFound",
        "SharingSecrets",
    ] {
        let world = TestEnv::with_fault_proxy().await;
        let new = world.new_dir();
        let refuse = async |meeting: &Meeting| {
            meeting.until(&When::Told(Role::Existing, moment)).await;
            proxy(&world).forget();
            proxy(&world).end_tokens(move |token| !is_token_of(&new, token));
        };
        let end = world
            .sign_in_while(&Plan::shown_by(Role::New), refuse)
            .await;
        let refreshes = proxy(&world).seen();
        let refreshes = refreshes.iter().filter(|seen| is_refresh(&seen.request));
        let refreshes = refreshes.count();
        assert!(refreshes <= 40, "{moment}: {refreshes} refreshes");
        proxy(&world).be_honest();
        if let Err(error) = &end.existing {
            let ended = error.to_string().starts_with("this session has ended: ");
            assert!(ended, "{moment}: {error}");
        }
        assert_sound(&world, &end, moment).await;
    }
}

fn is_refresh(body: &[u8]) -> bool {
    String::from_utf8_lossy(body).contains("grant_type=refresh_token")
}

/// Whether it is the new device's, in its directory.
fn is_token_of(directory: &std::path::Path, token: &str) -> bool {
    let files = ["session.pending.json", "session.json"];
    let mut texts = files
        .iter()
        .filter_map(|name| std::fs::read_to_string(directory.join(name)).ok());
    texts.any(|text| text.contains(token))
}

/// The token is another user's, or another device's.
async fn a_refreshed_token_for_somebody_else() {
    for (field, other) in [("user_id", "@mallory:a.example"), ("device_id", "MALLORY")] {
        let world = TestEnv::with_fault_proxy().await;
        proxy(&world).change(move |request, answer| {
            if request.ends_with("/whoami") {
                answer[field] = json!(other);
            }
        });
        let error = world.existing.stay_signed_in().await.unwrap_err();
        assert_eq!(error.cause, Cause::Homeserver);
        assert!(
            error.what.contains("for another account or device"),
            "{error:?}"
        );
        let end = world.sign_in(&Plan::shown_by(Role::Existing)).await;
        proxy(&world).be_honest();
        let Err(Error::NoSecrets(trouble)) = &end.existing else {
            panic!("{:?}", end.existing)
        };
        assert_eq!(trouble, &error);
        assert!(assert_sound(&world, &end, other).await);
    }
}

/// What is taken back at the end goes to the same servers.
async fn servers_that_let_nothing_be_taken_back() {
    let answers: [fn() -> Response<Body>; 4] = [
        || page(200),
        || page(503),
        || json_of("{}".to_owned()),
        || endless(MUCH, Duration::ZERO),
    ];
    for forged in answers {
        let world = TestEnv::with_fault_proxy().await;
        let misbehave = async |meeting: &Meeting| {
            meeting.until(&When::Told(Role::New, "Token")).await;
            world.sandbox.faults().set(Fault::WrongDevice);
            proxy(&world).forge(move |asked| asked.name.contains("/oauth2/").then(forged));
        };
        let begin = Instant::now();
        let end = world
            .sign_in_while(&Plan::shown_by(Role::New), misbehave)
            .await;
        assert!(begin.elapsed() < BOUND);
        proxy(&world).be_honest();
        world.sandbox.faults().clear();
        assert!(end.new.is_err() && end.existing.is_err());
        assert!(was_told(&end, Role::New, "DeviceLeft"), "{:?}", end.told);
        assert_eq!(uploads(&end), 0);
        // With what was kept, the next sign-in takes it back.
        let next = world.sign_in(&Plan::shown_by(Role::New)).await;
        assert!(was_told(&next, Role::New, "Cleared"), "{:?}", next.told);
        assert_complete(&world, &next).await;
        assert_eq!(world.sandbox.record().devices.len(), 2);
    }
}

each_revision![
    an_account_whose_name_cannot_be_shown,
    a_token_that_cannot_be_used,
    another_identity_at_each_moment,
    keys_of_other_users,
    tokens_that_are_refreshed_and_refused_for_ever,
    a_refreshed_token_for_somebody_else,
    servers_that_let_nothing_be_taken_back,
];
