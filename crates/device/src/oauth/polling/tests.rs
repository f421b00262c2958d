#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::VecDeque;
use std::sync::Mutex;

use oauth2::{ClientId, TokenUrl, basic::BasicClient};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::*;
use crate::{
    http::{HttpError, Policy},
    oauth::OAuth,
};

fn authorization(expires_in: u64, interval: u64) -> DeviceAuthorization {
    let answer = json!({
        "device_code": "device-code-1", "user_code": "ABCDEF", "verification_uri": "https://a.example/link",
        "expires_in": expires_in, "interval": interval,
    });
    let answer = serde_json::from_value(answer).unwrap();
    DeviceAuthorization::read(answer, Policy::HttpsOnly).unwrap()
}

fn client() -> TokenClient {
    BasicClient::new(ClientId::new("client".to_owned()))
        .set_token_uri(TokenUrl::new("https://a.example/token".to_owned()).unwrap())
}

fn says(status: u16, body: Value) -> Result<HttpResponse, OAuthError> {
    let answer = http::Response::builder()
        .status(status)
        .header("content-type", "application/json");
    Ok(answer.body(body.to_string().into_bytes()).unwrap())
}

fn error(code: &str) -> Result<HttpResponse, OAuthError> {
    says(400, json!({ "error": code }))
}

fn granted() -> Result<HttpResponse, OAuthError> {
    says(
        200,
        json!({ "access_token": "access-1", "refresh_token": "refresh-1", "token_type": "Bearer", "expires_in": 300 }),
    )
}

fn lost() -> Result<HttpResponse, OAuthError> {
    Err(HttpError::Unreachable {
        host: "a.example".to_owned(),
        why: "lost".to_owned(),
    }
    .into())
}

fn bad_gateway() -> Result<HttpResponse, OAuthError> {
    Err(OAuthError::Unavailable {
        host: "a.example".to_owned(),
        status: 502,
    })
}

type Script = Vec<Result<HttpResponse, OAuthError>>;

/// Plays the answers in turn, and `authorization_pending` from then on. Says at which seconds it
/// was asked.
async fn play(authorization: &DeviceAuthorization, script: Script) -> (TokenOutcome, Vec<u64>) {
    let (begin, script, asked) = (
        Instant::now(),
        Mutex::new(VecDeque::from(script)),
        Mutex::new(Vec::new()),
    );
    let send = |request: HttpRequest| {
        let body = String::from_utf8(request.into_body()).unwrap();
        assert!(
            body.contains("device_code=device-code-1") && body.contains("client_id=client"),
            "{body}"
        );
        asked.lock().unwrap().push(begin.elapsed().as_secs());
        let answer = script
            .lock()
            .unwrap()
            .pop_front()
            .unwrap_or_else(|| error("authorization_pending"));
        Box::pin(async move { answer }) as Exchanging<'_>
    };
    let outcome = await_token(&client(), authorization, &send).await;
    (outcome, asked.into_inner().unwrap())
}

#[tokio::test(start_paused = true)]
async fn the_first_poll_waits_for_the_interval_too() {
    let (outcome, asked) = play(
        &authorization(300, 5),
        vec![error("authorization_pending"), granted()],
    )
    .await;
    let TokenOutcome::Granted(tokens) = outcome else {
        panic!("{outcome:?}")
    };
    assert_eq!(tokens.access_token.expose(), "access-1");
    assert_eq!(tokens.refresh_token.unwrap().expose(), "refresh-1");
    assert_eq!(tokens.expires_in, Some(Duration::from_secs(300)));
    assert_eq!(asked, [5, 10]);
}

#[tokio::test(start_paused = true)]
async fn slow_down_adds_five_seconds_for_good() {
    let pending = || error("authorization_pending");
    let script = vec![
        pending(),
        error("slow_down"),
        pending(),
        error("slow_down"),
        pending(),
        granted(),
    ];
    let (outcome, asked) = play(&authorization(300, 5), script).await;
    assert!(matches!(outcome, TokenOutcome::Granted(_)), "{outcome:?}");
    assert_eq!(asked, [5, 10, 20, 30, 45, 60]);
}

#[tokio::test(start_paused = true)]
async fn the_person_says_no() {
    for code in ["access_denied", "authorization_declined"] {
        let (outcome, asked) = play(&authorization(300, 5), vec![error(code)]).await;
        assert!(
            matches!(outcome, TokenOutcome::Denied),
            "{code}: {outcome:?}"
        );
        assert_eq!(asked, [5]);
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_decides_in_time() {
    let (outcome, _) = play(&authorization(300, 5), vec![error("expired_token")]).await;
    assert!(matches!(outcome, TokenOutcome::Expired), "{outcome:?}");
    // The server goes on and on; `expires_in` is the end.
    let (outcome, asked) = play(&authorization(12, 5), vec![]).await;
    assert!(matches!(outcome, TokenOutcome::Expired), "{outcome:?}");
    assert_eq!(asked, [5, 10]);
}

#[tokio::test(start_paused = true)]
async fn other_errors_are_final() {
    for code in ["invalid_grant", "invalid_client", "unsupported_grant_type"] {
        let (outcome, asked) = play(&authorization(300, 5), vec![error(code)]).await;
        let TokenOutcome::Failed(OAuthError::Refused { error, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!((error.as_str(), asked), (code, vec![5]));
    }
}

#[tokio::test(start_paused = true)]
async fn lost_connections_and_error_pages_are_survived_with_growing_pauses() {
    let script = vec![
        lost(),
        bad_gateway(),
        lost(),
        bad_gateway(),
        bad_gateway(),
        granted(),
    ];
    let (outcome, asked) = play(&authorization(300, 5), script).await;
    assert!(matches!(outcome, TokenOutcome::Granted(_)), "{outcome:?}");
    assert_eq!(asked, [5, 10, 20, 40, 60, 80]);
}

/// The server cannot give it twice, and the person must know that there is a device that nobody
/// has.
#[tokio::test(start_paused = true)]
async fn a_token_whose_answer_was_lost_is_named() {
    let too_large = HttpError::TooLarge {
        host: "a.example".to_owned(),
        limit: 1,
    };
    for lost in [lost(), Err(too_large.into())] {
        let (outcome, _) = play(&authorization(300, 5), vec![lost, error("invalid_grant")]).await;
        assert!(
            matches!(outcome, TokenOutcome::Failed(OAuthError::TokenLost)),
            "{outcome:?}"
        );
    }
}

/// Also when it was lost before the polling was dropped and begun again.
#[tokio::test(start_paused = true)]
async fn a_token_that_was_lost_before_the_polling_began_again_is_named() {
    let authorization = authorization(300, 5);
    let soon = Duration::from_secs(7);
    let first = tokio::time::timeout(soon, play(&authorization, vec![lost()])).await;
    assert!(first.is_err());
    let (outcome, _) = play(&authorization, vec![error("invalid_grant")]).await;
    assert!(
        matches!(outcome, TokenOutcome::Failed(OAuthError::TokenLost)),
        "{outcome:?}"
    );
}

/// The same for a poll that was still under way.
#[tokio::test]
async fn a_poll_that_nobody_waited_for_may_have_brought_the_token() {
    let under_way = UnderWay::default();
    let never = std::future::pending();
    let first = tokio::time::timeout(Duration::from_millis(1), under_way.run(never)).await;
    assert!(first.is_err() && !under_way.has_lost());
    let _ = under_way.run(async { error("invalid_grant") }).await;
    assert!(under_way.has_lost());
}

/// A pause after a lost connection is never shorter than what the server asked for.
#[tokio::test(start_paused = true)]
async fn a_lost_connection_after_slow_down_keeps_the_slower_pace() {
    let script = vec![error("slow_down"), error("slow_down"), lost(), granted()];
    let (_, asked) = play(&authorization(300, 5), script).await;
    assert_eq!(asked, [5, 15, 30, 45]);
}

#[tokio::test(start_paused = true)]
async fn a_network_that_stays_away_ends_when_the_codes_do() {
    let script = std::iter::repeat_with(lost).take(100).collect();
    let (outcome, _) = play(&authorization(300, 5), script).await;
    assert!(matches!(outcome, TokenOutcome::Expired), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn dropped_and_called_again_it_goes_on() {
    let authorization = authorization(300, 5);
    let began = Instant::now();
    let first = tokio::time::timeout(Duration::from_secs(12), play(&authorization, vec![])).await;
    assert!(first.is_err());
    let (outcome, _) = play(&authorization, vec![granted()]).await;
    assert!(matches!(outcome, TokenOutcome::Granted(_)), "{outcome:?}");
    // The end is still that of the codes, not counted anew.
    let (outcome, _) = play(&authorization, vec![]).await;
    assert!(matches!(outcome, TokenOutcome::Expired), "{outcome:?}");
    assert_eq!(began.elapsed().as_secs(), 300);
}

#[tokio::test(start_paused = true)]
async fn a_server_cannot_make_us_hammer_it_nor_wait_for_ever() {
    let hasty = authorization(3, 0);
    assert_eq!(hasty.interval(), MIN_INTERVAL);
    let (_, asked) = play(&hasty, vec![]).await;
    assert_eq!(asked, [1, 2, 3]);
    let eternal = authorization(u64::MAX, u64::MAX);
    assert_eq!(eternal.expires_in(), MAX_LIFETIME);
    let (outcome, asked) = play(&eternal, vec![]).await;
    assert!(
        matches!(outcome, TokenOutcome::Expired) && asked.is_empty(),
        "{outcome:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn tokens_that_no_header_can_carry_are_refused() {
    let cases = [
        ("Bearer", "a b"),
        ("Bearer", "a\r\nb"),
        ("Bearer", ""),
        ("mac", "access-1"),
    ];
    for (token_type, token) in cases {
        let answer = says(
            200,
            json!({ "access_token": token, "token_type": token_type }),
        );
        let (outcome, _) = play(&authorization(300, 5), vec![answer]).await;
        let TokenOutcome::Failed(error @ OAuthError::Malformed { .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert!(!error.to_string().contains("access-1"));
    }
}

/// The library's own error holds the whole answer: it must not be passed on.
#[tokio::test(start_paused = true)]
async fn an_unreadable_grant_is_not_quoted() {
    let answer = says(200, json!({ "access_token": "access-1", "token_type": 7 }));
    let (outcome, _) = play(&authorization(300, 5), vec![answer]).await;
    let TokenOutcome::Failed(error) = &outcome else {
        panic!("{outcome:?}")
    };
    assert!(
        !format!("{error} {outcome:?}").contains("access-1"),
        "{outcome:?}"
    );
}

#[test]
fn nothing_secret_is_printed() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    let printed = runtime.block_on(async { format!("{:?}", authorization(300, 5)) });
    assert_eq!(
        printed,
        "DeviceAuthorization { [redacted], expires_in: 300s, interval: 5s }"
    );
}

/// The driver may be spawned.
#[test]
fn the_futures_can_cross_threads() {
    fn is_send<T: std::marker::Send>(
        _: impl FnOnce(&'static OAuth, &'static DeviceAuthorization) -> T,
    ) {
    }
    is_send(|oauth, authorization| oauth.await_token(authorization));
    is_send(|oauth, _| oauth.authorize_device(""));
}
