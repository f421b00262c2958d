//! `Prefer: wait=N`: a read that waits for a change.

use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::time::timeout;

use crate::support::*;

async fn a_write_lets_the_reader_go<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("first").await;
    let others = server.create("other").await;
    let waiting = held(server.poll(&session).header("prefer", "wait=30")).await;
    server.put(&others, "not yours").send().await.unwrap();
    let written = server.put(&session, "second").send().await.unwrap();
    let response = answer(waiting).await;
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "preference-applied"), "wait=30");
    assert_eq!(header(&response, "etag"), header(&written, "etag"));
    assert_session_headers(&response);
    assert_eq!(response.text().await.unwrap(), "second");
}

async fn a_delete_lets_the_reader_go<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("first").await;
    let waiting = held(server.poll(&session).header("prefer", "wait=30")).await;
    server.delete(&session).await;
    assert_error(answer(waiting).await, 404, "M_NOT_FOUND").await;
}

async fn the_end_of_the_session_lets_the_reader_go<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.lifetime = Duration::from_secs(1)).await;
    let session = server.create("first").await;
    let waiting = held(server.poll(&session).header("prefer", "wait=30")).await;
    assert_error(answer(waiting).await, 404, "M_NOT_FOUND").await;
}

async fn a_stop_lets_the_reader_go_without_a_promise<S: TestStore>() {
    let mut server = TestServer::<S>::start().await;
    let session = server.create("first").await;
    let waiting = held(server.poll(&session).header("prefer", "wait=30")).await;
    server.tell_to_stop();
    let response = answer(waiting).await;
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_session_headers(&response);
    assert!(response.headers().get("preference-applied").is_none());
    timeout(SOON, server.stop())
        .await
        .expect("it does not stop");
}

async fn once_released_nobody_is_held<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("first").await;
    server.rendezvous.release_waiters();
    let response = timeout(
        SOON,
        server.poll(&session).header("prefer", "wait=30").send(),
    )
    .await
    .unwrap()
    .unwrap();
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert!(response.headers().get("preference-applied").is_none());
}

async fn the_time_that_was_asked_for_lets_the_reader_go<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("first").await;
    for seconds in ["0", "1"] {
        let request = server
            .poll(&session)
            .header("prefer", format!("wait={seconds}"));
        let response = timeout(SOON, request.send()).await.unwrap().unwrap();
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(
            header(&response, "preference-applied"),
            format!("wait={seconds}")
        );
        assert_session_headers(&response);
    }
}

async fn who_has_news_to_read_or_asks_for_no_wait_is_not_held<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("first").await;
    let unconditional = server
        .request(Method::GET, &session.path)
        .header("prefer", "wait=30");
    let nonsense = server.poll(&session).header("prefer", "wait=long");
    let other = server.poll(&session).header("prefer", "respond-async");
    for (request, status) in [(unconditional, 200), (nonsense, 304), (other, 304)] {
        let response = timeout(SOON, request.send()).await.unwrap().unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert!(response.headers().get("preference-applied").is_none());
    }
    server.put(&session, "second").send().await.unwrap();
    let behind = server.poll(&session).header("prefer", "wait=900");
    let response = timeout(SOON, behind.send()).await.unwrap().unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(header(&response, "preference-applied"), "wait=30");
}

async fn all_who_wait_are_let_go_each_round<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut session = server.create("0").await;
    for round in 1..=30 {
        let poll = |_| tokio::spawn(server.poll(&session).header("prefer", "wait=30").send());
        let waiting: Vec<_> = (0..4).map(poll).collect();
        // No reader misses the write, whether it comes before, during or after the start of the
        // waits.
        let written = server
            .put(&session, round.to_string())
            .send()
            .await
            .unwrap();
        for task in waiting {
            let response = timeout(SOON, task).await.unwrap().unwrap().unwrap();
            assert_eq!(response.text().await.unwrap(), round.to_string());
        }
        session.etag = header(&written, "etag");
    }
}

each_store! {
    a_write_lets_the_reader_go,
    a_delete_lets_the_reader_go,
    the_end_of_the_session_lets_the_reader_go,
    a_stop_lets_the_reader_go_without_a_promise,
    once_released_nobody_is_held,
    the_time_that_was_asked_for_lets_the_reader_go,
    who_has_news_to_read_or_asks_for_no_wait_is_not_held,
    all_who_wait_are_let_go_each_round,
}
