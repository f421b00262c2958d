//! What the operator sees.

use axum::{body::Body, http::Request};
use matrix_qr_rendezvous::Rate;
use reqwest::Method;
use tower::ServiceExt;

use crate::{stores::TestStore, support::*};

each_store! {
    it_lives_and_is_ready,
    it_says_how_it_can_be_asked,
    the_numbers_come_in_the_form_that_is_asked_for,
    a_request_names_one_host,
    what_happens_is_counted,
    who_waits_is_seen_and_is_no_slow_answer,
    sessions_that_end_by_their_time_are_counted,
    no_label_says_which_session_or_who,
}

async fn it_lives_and_is_ready<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for (path, text) in [
        ("/health", "the server is running\n"),
        ("/ready", "the server is ready\n"),
    ] {
        assert_eq!(ask(&server, path).await, (200, text.to_owned()));
    }
    assert_eq!(
        ask(&server, "/rendezvous/x").await.0,
        404,
        "the service is elsewhere"
    );
    // Clients do not reach these routes either.
    for path in ["/health", "/ready", "/metrics"] {
        assert_error(
            server.request(Method::GET, path).send().await.unwrap(),
            404,
            "M_UNRECOGNIZED",
        )
        .await;
    }
}

async fn what_happens_is_counted<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.creates = Rate::new(1, 2)).await;
    let session = server.create("0123456789").await;
    server.poll(&session).send().await.unwrap();
    server.get(&session).await;
    server.put(&session, "01234").send().await.unwrap();
    server.put(&session, "stale").send().await.unwrap();
    for _ in 0..3 {
        server
            .post(STABLE, "x")
            .header("x-forwarded-for", "192.0.2.1")
            .send()
            .await
            .unwrap();
    }
    let labels = |method, status| {
        format!(
            "rendezvous_requests_total{{method=\"{method}\",revision=\"msc4108\",status=\"{status}\"}}"
        )
    };
    for (name, value) in [
        (labels("POST", 201), 3.0),
        (labels("POST", 429), 1.0),
        (labels("GET", 304), 1.0),
        (labels("GET", 200), 1.0),
        (labels("PUT", 202), 1.0),
        (labels("PUT", 412), 1.0),
        ("rendezvous_refusals_total{reason=\"rate\"}".to_owned(), 1.0),
        (
            "rendezvous_refusals_total{reason=\"concurrent_write\"}".to_owned(),
            1.0,
        ),
        ("rendezvous_payload_received_bytes_total".to_owned(), 17.0),
        ("rendezvous_payload_sent_bytes_total".to_owned(), 10.0),
        ("rendezvous_sessions".to_owned(), 3.0),
        ("rendezvous_sessions_expired_total".to_owned(), 0.0),
        (
            "rendezvous_request_duration_seconds_count{method=\"PUT\",revision=\"msc4108\"}"
                .to_owned(),
            2.0,
        ),
    ] {
        assert_eq!(metric(&server, &name).await, Some(value), "{name}");
    }
    // The memory store has no latency worth a metric.
    let store = metric(
        &server,
        "rendezvous_store_duration_seconds_count{operation=\"write\"}",
    )
    .await;
    assert_eq!(store, (!S::LOCAL).then_some(2.0));
}

async fn who_waits_is_seen_and_is_no_slow_answer<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("first").await;
    let waiting = tokio::spawn(server.poll(&session).header("prefer", "wait=30").send());
    while metric(&server, "rendezvous_waiters").await != Some(1.0) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    server.put(&session, "second").send().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
    assert_eq!(metric(&server, "rendezvous_waiters").await, Some(0.0));
    let slow = "rendezvous_request_duration_seconds_count{method=\"GET\",revision=\"msc4108\"}";
    assert_eq!(metric(&server, slow).await, None);
}

async fn sessions_that_end_by_their_time_are_counted<S: TestStore>() {
    let server =
        TestServer::<S>::with(|config| config.lifetime = std::time::Duration::from_millis(20))
            .await;
    let session = server.create("x").await;
    server.create("y").await;
    let deleted = server.delete(&session).await.status() == 204;
    server.until_empty().await;
    let expired = metric(&server, "rendezvous_sessions_expired_total").await;
    // On a busy machine its time is over before it is deleted.
    assert!(
        expired == Some(1.0) || (!deleted && expired == Some(2.0)),
        "{deleted} {expired:?}"
    );
}

async fn no_label_says_which_session_or_who<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("the payload").await;
    server
        .poll(&session)
        .header("x-forwarded-for", "192.0.2.77")
        .send()
        .await
        .unwrap();
    let method = Method::from_bytes(b"MADEUP").unwrap();
    server
        .request(method, "/made-up-path")
        .send()
        .await
        .unwrap();
    let (_, text) = ask(&server, "/metrics").await;
    let id = session.path.rsplit('/').next().unwrap();
    for secret in [
        id,
        session.etag.trim_matches('"'),
        "payload\"",
        "192.0.2",
        "MADEUP",
        "made-up-path",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(
        text.contains("method=\"other\",revision=\"none\",status=\"404\""),
        "{text}"
    );
}

async fn it_says_how_it_can_be_asked<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for path in ["/health", "/ready", "/metrics"] {
        let request = Request::options(path).body(Body::empty()).unwrap();
        let response = server
            .rendezvous
            .operations()
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (204, &"GET,HEAD,OPTIONS".parse().unwrap())
        );
    }
}

async fn the_numbers_come_in_the_form_that_is_asked_for<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    server.create("x").await;
    let numbers = async |accept: Option<&str>| {
        let request = accept
            .into_iter()
            .fold(Request::get("/metrics"), |request, accept| {
                request.header("accept", accept)
            });
        let response = server
            .rendezvous
            .operations()
            .oneshot(request.body(Body::empty()).unwrap())
            .await
            .unwrap();
        let form = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let text = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (form, String::from_utf8(text.to_vec()).unwrap())
    };
    let (form, text) = numbers(None).await;
    assert!(
        form.starts_with("application/openmetrics-text") && text.ends_with("# EOF\n"),
        "{form}"
    );
    let (form, text) = numbers(Some("text/plain")).await;
    assert!(form.starts_with("text/plain; version=0.0.4"), "{form}");
    assert!(
        text.contains("\n# TYPE rendezvous_requests_total counter\n") && !text.contains("# EOF"),
        "{text}"
    );
}

/// RFC 9112, section 3.2. Two Host headers can smuggle a request past a proxy.
async fn a_request_names_one_host<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for (version, hosts, status) in [
        ("1.1", "", 400),
        ("1.1", "Host: a\r\nHost: b\r\n", 400),
        ("1.1", "Host: a\r\nhost: a\r\n", 400),
        ("1.0", "Host: a\r\nHost: a\r\n", 400),
        ("1.1", "Host: a\r\n", 404),
        ("1.1", "Host:\r\n", 404),
        ("1.0", "", 404),
    ] {
        let answer = server
            .raw(&format!(
                "GET /x HTTP/{version}\r\nConnection: close\r\n{hosts}\r\n"
            ))
            .await;
        assert_eq!(
            answer.split(' ').nth(1),
            Some(status.to_string().as_str()),
            "{version} {hosts}{answer}"
        );
        assert!(
            answer.contains("access-control-allow-origin: *") && answer.contains("\"errcode\":"),
            "{answer}"
        );
    }
    assert_eq!(
        metric(
            &server,
            "rendezvous_refusals_total{reason=\"malformed_header\"}"
        )
        .await,
        Some(4.0)
    );
}
