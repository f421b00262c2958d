//! Limits: the same as in the other API, and counted together with it. Only the code is another.

use std::time::Duration;

use matrix_qr_rendezvous::{Limits, Rate};
use reqwest::Method;

use super::*;

each_store! {
    a_full_server_refuses_new_sessions_and_keeps_the_live,
    sessions_of_both_apis_are_counted_together,
    a_network_that_asks_too_fast_waits_alone,
    a_network_that_creates_too_fast_waits_in_both_apis,
    one_who_asks_too_fast_learns_nothing_of_any_session,
    networks_can_be_shut_out,
    places_come_back_when_sessions_expire,
}

async fn assert_refused(request: RequestBuilder) {
    assert_refused_for_now(request, "M_LIMIT_EXCEEDED").await;
}

async fn a_full_server_refuses_new_sessions_and_keeps_the_live<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.max_sessions = 2).await;
    let live = [server.name("1").await, server.name("2").await];
    for (collection, _) in COLLECTIONS {
        assert_refused(server.post_json(collection, "3")).await;
    }
    for session in &live {
        server.write(session, "x").await;
        assert_eq!(server.data(session).await, "x");
    }
    assert_eq!(
        status(server.request(Method::DELETE, &live[0].path)).await,
        200
    );
    server.name("3").await;
    assert_eq!(server.rendezvous.sessions(), 2);
}

async fn sessions_of_both_apis_are_counted_together<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.sessions_per_network = Some(2)).await;
    assert_eq!(status(server.post(STABLE, "x").from(ONE)).await, 201);
    assert_eq!(status(server.post_json(STABLE, "x").from(ONE)).await, 200);
    assert_refused(server.post_json(STABLE, "x").from(ONE)).await;
    // With the error codes of this API.
    let response = server.post(STABLE, "x").from(ONE).send().await.unwrap();
    assert_error(response, 429, "M_UNKNOWN").await;
    assert_eq!(
        status(server.post_json(UNSTABLE, "x").from(OTHER)).await,
        200
    );
}

async fn a_network_that_asks_too_fast_waits_alone<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.requests = Rate::new(1, 3)).await;
    let session = server.name("kept").await;
    assert_eq!(
        status(server.request(Method::GET, STABLE).from(ONE)).await,
        200
    );
    for _ in 0..2 {
        assert_eq!(
            status(server.request(Method::GET, &session.path).from(ONE)).await,
            200
        );
    }
    for request in [
        server.request(Method::GET, &session.path),
        server.wait(&session, "20"),
        server.put_json(&session, "no"),
        server.request(Method::DELETE, &session.path),
        server.request(Method::GET, STABLE),
        server.request(Method::GET, UNSTABLE),
    ] {
        assert_refused(request.from(ONE)).await;
    }
    assert_eq!(
        status(server.request(Method::GET, &session.path).from(OTHER)).await,
        200
    );
    assert_eq!(server.data(&session).await, "kept");
}

async fn a_network_that_creates_too_fast_waits_in_both_apis<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.creates = Rate::new(1, 2)).await;
    assert_eq!(status(server.post(STABLE, "x").from(ONE)).await, 201);
    assert_eq!(status(server.post_json(UNSTABLE, "x").from(ONE)).await, 200);
    for (collection, _) in COLLECTIONS {
        assert_refused(server.post_json(collection, "x").from(ONE)).await;
    }
    assert_eq!(status(server.post_json(STABLE, "x").from(OTHER)).await, 200);
    // The discovery request is not limited.
    assert_eq!(
        status(server.request(Method::GET, STABLE).from(ONE)).await,
        200
    );
}

async fn one_who_asks_too_fast_learns_nothing_of_any_session<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.requests = Rate::new(1, 1)).await;
    let (live, gone) = (server.name("x").await, server.name("x").await);
    assert_eq!(
        status(server.request(Method::DELETE, &gone.path).from(ONE)).await,
        200
    );
    for session in [&live, &gone] {
        for request in [
            server.request(Method::GET, &session.path),
            server.put_json(session, "x"),
        ] {
            assert_refused(request.from(ONE)).await;
        }
    }
}

async fn networks_can_be_shut_out<S: TestStore>() {
    let deny = vec!["192.0.2.0/31".parse().unwrap()];
    let server = TestServer::<S>::start().await;
    let session = server.name("x").await;
    server.rendezvous.set_limits(Limits {
        deny,
        ..Limits::default()
    });
    for request in [
        server.request(Method::GET, STABLE),
        server.post_json(UNSTABLE, "x"),
        server.wait(&session, "20"),
        server.put_json(&session, "no"),
        server.request(Method::DELETE, &session.path),
    ] {
        assert_error(request.from(ONE).send().await.unwrap(), 403, "M_FORBIDDEN").await;
    }
    assert_eq!(
        status(server.request(Method::OPTIONS, &session.path).from(ONE)).await,
        204
    );
    assert_eq!(
        status(server.request(Method::GET, &session.path).from("192.0.2.3")).await,
        200
    );
}

async fn places_come_back_when_sessions_expire<S: TestStore>() {
    let server = TestServer::<S>::with(|config| {
        config.limits.sessions_per_network = Some(1);
        config.lifetime = Duration::from_millis(50);
    })
    .await;
    for _ in 0..2 {
        assert_eq!(status(server.post_json(STABLE, "x").from(ONE)).await, 200);
        tokio::time::sleep(Duration::from_millis(60)).await;
    }
}
