//! `Prefer: wait=N` with `?sequence_token=`: held until there is something to say.

use std::time::Duration;

use matrix_qr_rendezvous::Config;
use reqwest::Method;
use serde_json::json;
use tokio::time::timeout;

use super::*;

each_store! {
    a_write_lets_the_reader_go,
    a_delete_lets_the_reader_go,
    the_end_of_the_session_lets_the_reader_go,
    a_stop_lets_the_reader_go_without_a_promise,
    once_released_nobody_is_held,
    the_time_that_was_asked_for_lets_the_reader_go,
    who_has_news_to_read_or_asks_for_no_wait_is_not_held,
    the_token_is_percent_decoded,
    all_who_wait_are_let_go_each_round,
}

async fn a_write_lets_the_reader_go<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for (collection, _) in COLLECTIONS {
        let (session, other) = (
            server.name_at(collection, "first").await,
            server.name("other").await,
        );
        let waiting = held(server.wait(&session, "30")).await;
        server.write(&other, "not yours").await;
        let written = server.write(&session, "second").await;
        let response = answer(waiting).await;
        assert_eq!(header(&response, "preference-applied"), "wait=30");
        let heard = granted(response).await;
        assert_eq!(
            (&heard["data"], &heard["sequence_token"]),
            (&json!("second"), &json!(written))
        );
        assert!(heard["expires_in_ms"].as_u64().unwrap() <= 300_000);
    }
}

async fn a_delete_lets_the_reader_go<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("first").await;
    let waiting = held(server.wait(&session, "30")).await;
    server
        .request(Method::DELETE, &session.path)
        .send()
        .await
        .unwrap();
    assert_error(answer(waiting).await, 404, "M_NOT_FOUND").await;
}

async fn the_end_of_the_session_lets_the_reader_go<S: TestStore>() {
    let second = |config: &mut Config| config.lifetime = Duration::from_secs(1);
    let server = TestServer::<S>::with(second).await;
    let session = server.name("first").await;
    let waiting = held(server.wait(&session, "30")).await;
    assert_error(answer(waiting).await, 404, "M_NOT_FOUND").await;
}

async fn a_stop_lets_the_reader_go_without_a_promise<S: TestStore>() {
    let mut server = TestServer::<S>::start().await;
    let session = server.name("first").await;
    let waiting = held(server.wait(&session, "30")).await;
    server.tell_to_stop();
    let response = answer(waiting).await;
    assert!(response.headers().get("preference-applied").is_none());
    assert_eq!(granted(response).await["sequence_token"], session.token);
    timeout(SOON, server.stop())
        .await
        .expect("it does not stop");
}

async fn once_released_nobody_is_held<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("first").await;
    server.rendezvous.release_waiters();
    let response = timeout(SOON, server.wait(&session, "30").send())
        .await
        .unwrap()
        .unwrap();
    assert!(response.headers().get("preference-applied").is_none());
    assert_eq!(granted(response).await["data"], "first");
}

async fn the_time_that_was_asked_for_lets_the_reader_go<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("first").await;
    for seconds in ["0", "1"] {
        let asked = std::time::Instant::now();
        let response = timeout(SOON, server.wait(&session, seconds).send())
            .await
            .unwrap()
            .unwrap();
        assert!(asked.elapsed() >= Duration::from_secs(seconds.parse().unwrap()));
        assert_eq!(
            header(&response, "preference-applied"),
            format!("wait={seconds}")
        );
        let heard = granted(response).await;
        assert_eq!(
            (&heard["data"], &heard["sequence_token"]),
            (&json!("first"), &json!(session.token))
        );
    }
}

async fn who_has_news_to_read_or_asks_for_no_wait_is_not_held<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("first").await;
    let with_token = format!("{}?sequence_token={}", session.path, session.token);
    for request in [
        server
            .request(Method::GET, &session.path)
            .header("prefer", "wait=30"),
        server
            .request(
                Method::GET,
                &format!("{}?other={}", session.path, session.token),
            )
            .header("prefer", "wait=30"),
        server.request(Method::GET, &with_token),
        server
            .request(Method::GET, &with_token)
            .header("prefer", "wait=long"),
        server
            .request(Method::GET, &with_token)
            .header("prefer", "respond-async"),
        // A condition of the other API has no effect here.
        server
            .request(Method::GET, &session.path)
            .header("if-none-match", format!("\"{}\"", session.token)),
    ] {
        let response = timeout(SOON, request.send()).await.unwrap().unwrap();
        assert!(response.headers().get("preference-applied").is_none());
        assert_eq!(granted(response).await["data"], "first");
    }
    server.write(&session, "second").await;
    for token in [session.token.as_str(), "none-of-ours", "", "%FF"] {
        let behind = SessionAtToken {
            token: token.to_owned(),
            ..session.clone()
        };
        let response = timeout(SOON, server.wait(&behind, "900").send())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(header(&response, "preference-applied"), "wait=30");
        assert_eq!(granted(response).await["data"], "second");
    }
}

async fn the_token_is_percent_decoded<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("first").await;
    let encoded: String = session
        .token
        .bytes()
        .map(|byte| format!("%{byte:02x}"))
        .collect();
    for query in [
        format!("sequence_token={encoded}"),
        format!("a=b&sequence%5Ftoken={encoded}&c"),
        format!("sequence_token={}&sequence_token=other", session.token),
    ] {
        let request = server.request(Method::GET, &format!("{}?{query}", session.path));
        let waiting = held(request.header("prefer", "wait=30")).await;
        waiting.abort();
    }
}

async fn all_who_wait_are_let_go_each_round<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut session = server.name("0").await;
    for round in 1..=30 {
        let waiting: Vec<_> = (0..4)
            .map(|_| tokio::spawn(server.wait(&session, "30").send()))
            .collect();
        // No reader misses the write, whether it comes before, during or after the start of the
        // waits.
        let written = server.write(&session, &round.to_string()).await;
        for task in waiting {
            let response = timeout(SOON, task).await.unwrap().unwrap().unwrap();
            assert_eq!(granted(response).await["data"], round.to_string());
        }
        session.token = written;
    }
}
