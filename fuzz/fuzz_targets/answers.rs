//! Whatever a homeserver and its authorization server answer: every call ends in time, sends no
//! secret to a server that may not have it, and fails with a text that shows no token and drives no
//! terminal.
//!
//! The first byte of an input is the call. Then come the answers, with 0xFF between them: the status
//! in two bytes, and the body. A body that begins with `Name: value` and a line break has a header.
#![no_main]

use std::{cell::RefCell, fmt, rc::Rc, sync::LazyLock, time::Duration};

use http::{Response, StatusCode};
use libfuzzer_sys::fuzz_target;
use matrix_qr_device::{
    DeviceId, OwnedUserId,
    client_server_api::Homeserver,
    discovery::{ServerMetadata, resolve, server_metadata},
    http::{Http, Policy, fuzzing::answer_with},
    keys::{HeldIdentity, await_verified},
    oauth::{Client, OAuth, TokenOutcome, Tokens},
    secret::Secret,
};
use matrix_qr_protocol::{
    error::ToUserError,
    harmless,
    homeserver::HomeserverAddress,
    login::{
        VerificationOutcome,
        message::{CrossSigning, SecretKey},
    },
};
use tokio::time::timeout;
use url::Url;

const HOMESERVER: &str = "https://matrix.example.org/";
const ISSUER: &str = "https://id.example.org/";
/// What is ours and secret, each in a form that nothing else has.
const ACCESS: &str = "mat_access_0123456789";
const REFRESH: &str = "mar_refresh_0123456789";

static HTTP: LazyLock<Http> = LazyLock::new(|| Http::new(Policy::HttpsOnly).expect("a client"));

/// What happened on the wire.
#[derive(Default)]
struct Wire {
    answers: Vec<Response<Vec<u8>>>,
    requests: usize,
}

fn answer(bytes: &[u8]) -> Response<Vec<u8>> {
    let (status, mut body) = match bytes {
        [high, low, body @ ..] => (u16::from_be_bytes([*high, *low]) % 1000, body),
        _ => (404, bytes),
    };
    let mut answer = Response::new(Vec::new());
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::OK);
    *answer.status_mut() = status;
    while let Some(end) = body.iter().position(|byte| *byte == b'\n') {
        let Some((name, value)) = header(&body[..end]) else {
            break;
        };
        answer.headers_mut().append(name, value);
        body = &body[end + 1..];
    }
    *answer.body_mut() = body.to_vec();
    answer
}

fn header(line: &[u8]) -> Option<(http::HeaderName, http::HeaderValue)> {
    let colon = line.windows(2).position(|two| two == b": ")?;
    Some((
        line[..colon].try_into().ok()?,
        line[colon + 2..].try_into().ok()?,
    ))
}

/// What a server may see of what is ours.
fn check_request(url: &Url, authorization: &str, body: &str) {
    assert_eq!(url.scheme(), "https", "{url}");
    let at = |base: &str| url.as_str().starts_with(base);
    assert!(!authorization.contains(ACCESS) || at(HOMESERVER), "{url}");
    for secret in [ACCESS, REFRESH] {
        assert!(!url.as_str().contains(secret), "{url}");
        let may_have = at("https://id.example.org/token") || at("https://id.example.org/revoke");
        assert!(!body.contains(secret) || may_have, "{url}");
    }
}

fn listen(bytes: &[u8]) -> Rc<RefCell<Wire>> {
    let answers = bytes
        .split(|byte| *byte == 0xff)
        .take(16)
        .map(answer)
        .collect();
    let wire = Rc::new(RefCell::new(Wire {
        answers,
        requests: 0,
    }));
    let this = wire.clone();
    answer_with(Box::new(move |request| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let authorization = request.headers().get("authorization");
        let authorization = text(authorization.map_or(b"", |value| value.as_bytes()));
        let body = text(
            request
                .body()
                .and_then(|body| body.as_bytes())
                .unwrap_or_default(),
        );
        check_request(request.url(), &authorization, &body);
        let mut wire = this.borrow_mut();
        let number = wire.requests;
        wire.requests += 1;
        // The last one again and again.
        let number = number.min(wire.answers.len() - 1);
        wire.answers[number].clone()
    }));
    wire
}

fn metadata() -> ServerMetadata {
    let at = |path: &str| format!("{ISSUER}{path}").parse::<Url>().expect("a URL");
    ServerMetadata {
        issuer: at(""),
        token_endpoint: at("token"),
        registration_endpoint: Some(at("register")),
        revocation_endpoint: Some(at("revoke")),
        device_authorization_endpoint: Some(at("device")),
        account_management_uri: None,
        grant_types_supported: None,
        scopes_supported: None,
    }
}

fn oauth() -> OAuth {
    OAuth::resume(HTTP.clone(), metadata(), "client".to_owned())
}

fn homeserver() -> Homeserver {
    Homeserver::new(
        HTTP.clone(),
        HOMESERVER.parse().expect("a URL"),
        Secret::new(ACCESS),
    )
}

/// The tokens and codes in the answers, where they are in a place of their own.
fn tokens(wire: &Wire) -> Vec<String> {
    const PLACES: [&str; 3] = ["access_token", "refresh_token", "device_code"];
    let mut found = Vec::new();
    for answer in &wire.answers {
        let Ok(value) = serde_json::from_slice::<serde_json::Value>(answer.body()) else {
            continue;
        };
        let places = PLACES.iter().filter_map(|place| value[place].as_str());
        found.extend(places.filter(|text| text.len() > 8).map(str::to_owned));
    }
    // A server that says a token in a sentence of its own has told it already.
    let times = |token: &String| {
        let all = wire.answers.iter().map(|answer| {
            String::from_utf8_lossy(answer.body())
                .matches(token)
                .count()
        });
        all.sum::<usize>()
    };
    found.retain(|token| times(token) == 1);
    found
}

/// A text that a person sees.
fn check_text(text: &str, wire: &Wire) {
    assert_eq!(text, harmless(text));
    assert!(text.chars().count() < 1500, "{text:?}");
    check_secrets(text, wire);
}

fn check_secrets(text: &str, wire: &Wire) {
    for secret in tokens(wire)
        .iter()
        .map(String::as_str)
        .chain([ACCESS, REFRESH])
    {
        assert!(!text.contains(secret), "{text:?}");
    }
}

/// What became of a call: of an error, what is said and logged.
fn check_outcome<T, E: ToUserError + fmt::Debug>(outcome: Result<T, E>, wire: &Wire) -> Option<T> {
    match outcome {
        Ok(done) => Some(done),
        Err(error) => {
            check_text(&error.what(), wire);
            assert!(!error.advice().is_empty());
            check_secrets(&format!("{error:?}"), wire);
            None
        }
    }
}

fn check_tokens(tokens: &Tokens, wire: &Wire) {
    let token = tokens.access_token.expose();
    assert!(
        !token.is_empty() && token.bytes().all(|byte| byte.is_ascii_graphic()),
        "{token:?}"
    );
    check_secrets(&format!("{tokens:?}"), wire);
}

async fn discover(wire: &RefCell<Wire>, name: &str) {
    let address = HomeserverAddress::parse(name).expect("a homeserver");
    let base = resolve(&HTTP, &address).await;
    let Some(base) = check_outcome(base, &wire.borrow()) else {
        return;
    };
    assert!(
        base.scheme() == "https" && base.username().is_empty() && base.query().is_none(),
        "{base}"
    );
    let found = server_metadata(&HTTP, &base).await;
    let Some(found) = check_outcome(found, &wire.borrow()) else {
        return;
    };
    let endpoints = [
        Some(&found.issuer),
        Some(&found.token_endpoint),
        found.registration_endpoint.as_ref(),
        found.revocation_endpoint.as_ref(),
        found.device_authorization_endpoint.as_ref(),
        found.account_management_uri.as_ref(),
    ];
    for url in endpoints.into_iter().flatten() {
        assert!(url.scheme() == "https" && url.host().is_some(), "{url}");
    }
    assert!(found.issuer.query().is_none() && found.issuer.fragment().is_none());
    check_outcome(found.device_grant(), &wire.borrow());
}

async fn sign_in(wire: &RefCell<Wire>) {
    let client = OAuth::connect(HTTP.clone(), metadata(), &Client::default()).await;
    let Some(client) = check_outcome(client, &wire.borrow()) else {
        return;
    };
    assert!(!client.client_id().is_empty());
    authorize(wire, &client).await;
}

async fn authorize(wire: &RefCell<Wire>, client: &OAuth) {
    let authorization = client.authorize_device("ABCDEFGHIJ").await;
    let Some(authorization) = check_outcome(authorization, &wire.borrow()) else {
        return;
    };
    let code = authorization.user_code();
    assert!((1..=64).contains(&code.len()) && !code.contains(char::is_control));
    let link = authorization.link();
    for uri in std::iter::once(&link.verification_uri).chain(&link.verification_uri_complete) {
        assert!(
            uri.as_str().len() <= 1024 && uri.scheme() == "https",
            "{uri}"
        );
    }
    assert!(authorization.interval() >= Duration::from_secs(1));
    assert!(authorization.expires_in() <= Duration::from_secs(24 * 60 * 60));
    check_secrets(&format!("{authorization:?}"), &wire.borrow());
    match client.await_token(&authorization).await {
        TokenOutcome::Granted(tokens) => check_tokens(&tokens, &wire.borrow()),
        TokenOutcome::Failed(error) => drop(check_outcome(Err::<(), _>(error), &wire.borrow())),
        TokenOutcome::Denied | TokenOutcome::Expired => {}
    }
    // One poll a second is the most, whatever a server says.
    let most = authorization.expires_in().as_secs() + 16;
    assert!(u64::try_from(wire.borrow().requests).is_ok_and(|requests| requests <= most));
}

async fn refresh(wire: &RefCell<Wire>) {
    let outcome = oauth().refresh(&Secret::new(REFRESH)).await;
    let Some(tokens) = check_outcome(outcome, &wire.borrow()) else {
        return;
    };
    check_tokens(&tokens, &wire.borrow());
    assert!(
        tokens.refresh_token.is_some(),
        "the old one is kept where there is no new one"
    );
    assert_eq!(
        wire.borrow().requests,
        1,
        "a second use of a refresh token looks like theft"
    );
}

async fn revoke(wire: &RefCell<Wire>) {
    let tokens = Tokens {
        access_token: Secret::new(ACCESS),
        refresh_token: Some(Secret::new(REFRESH)),
        expires_in: None,
    };
    check_outcome(oauth().revoke(&tokens).await, &wire.borrow());
    assert!((2..=6).contains(&wire.borrow().requests));
}

/// Nobody without the account's keys makes a device look verified.
async fn keys() {
    let key = |byte| SecretKey::new(&[byte; 32]);
    let held = HeldIdentity::of(&CrossSigning {
        master_key: key(1),
        self_signing_key: key(2),
        user_signing_key: key(3),
    });
    let user = OwnedUserId::try_from("@alice:example.org").expect("a user ID");
    let minute = Duration::from_secs(60);
    let device: &DeviceId = "ABCDEFGHIJ".into();
    let outcome = await_verified(&homeserver(), &user, &held, device, minute).await;
    assert_ne!(outcome, VerificationOutcome::Verified);
}

async fn run(call: u8, wire: &RefCell<Wire>) {
    match call % 8 {
        0 => discover(wire, "example.org").await,
        1 => discover(wire, "https://matrix.example.org").await,
        2 => sign_in(wire).await,
        3 => authorize(wire, &oauth()).await,
        4 => refresh(wire).await,
        5 => revoke(wire).await,
        6 => {
            let outcome = homeserver().whoami().await;
            check_outcome(outcome, &wire.borrow());
            let device: &DeviceId = "ABCDEFGHIJ".into();
            let outcome = homeserver().device(device).await;
            check_outcome(outcome, &wire.borrow());
            assert!(wire.borrow().requests <= 8);
        }
        _ => keys().await,
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((&call, answers)) = bytes.split_first() else {
        return;
    };
    // What a server says itself may be shown. (libFuzzer reads constants out of comparisons.)
    let says = |secret: &str| {
        answers
            .windows(secret.len())
            .any(|text| text == secret.as_bytes())
    };
    if says(ACCESS) || says(REFRESH) {
        return;
    }
    let wire = listen(answers);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build();
    runtime.expect("a runtime").block_on(async {
        let whole = timeout(Duration::from_secs(25 * 60 * 60), run(call, &wire));
        whole.await.expect("every call ends");
    });
});
