//! What the operator sees.

use matrix_qr_rendezvous::Rate;
use reqwest::Method;

use crate::{stores::Kept, support::*};

each_store! {
    it_lives_and_is_ready,
    what_happens_is_counted,
    who_waits_is_seen_and_is_no_slow_answer,
    sessions_that_end_by_their_time_are_counted,
    no_label_says_which_session_or_who,
}

async fn it_lives_and_is_ready<S: Kept>() {
    let server = Server::<S>::start().await;
    for path in ["/health", "/ready"] {
        assert_eq!(ask(&server, path).await.0, 200);
    }
    assert_eq!(ask(&server, "/rendezvous/x").await.0, 404, "the service is elsewhere");
    // Nor are they where clients come.
    for path in ["/health", "/ready", "/metrics"] {
        assert_error(server.request(Method::GET, path).send().await.unwrap(), 404, "M_UNRECOGNIZED").await;
    }
}

async fn what_happens_is_counted<S: Kept>() {
    let server = Server::<S>::with(|config| config.limits.creates = Rate::new(1, 2)).await;
    let session = server.create("0123456789").await;
    server.poll(&session).send().await.unwrap();
    server.get(&session).await;
    server.put(&session, "01234").send().await.unwrap();
    server.put(&session, "stale").send().await.unwrap();
    for _ in 0..3 {
        server.post(STABLE, "x").header("x-forwarded-for", "192.0.2.1").send().await.unwrap();
    }
    let labels = |method, status| {
        format!("rendezvous_requests_total{{method=\"{method}\",revision=\"msc4108\",status=\"{status}\"}}")
    };
    for (name, value) in [
        (labels("POST", 201), 3.0),
        (labels("POST", 429), 1.0),
        (labels("GET", 304), 1.0),
        (labels("GET", 200), 1.0),
        (labels("PUT", 202), 1.0),
        (labels("PUT", 412), 1.0),
        ("rendezvous_refusals_total{reason=\"rate\"}".to_owned(), 1.0),
        ("rendezvous_refusals_total{reason=\"concurrent_write\"}".to_owned(), 1.0),
        ("rendezvous_payload_received_bytes_total".to_owned(), 17.0),
        ("rendezvous_payload_sent_bytes_total".to_owned(), 10.0),
        ("rendezvous_sessions".to_owned(), 3.0),
        ("rendezvous_request_duration_seconds_count{method=\"PUT\",revision=\"msc4108\"}".to_owned(), 2.0),
    ] {
        assert_eq!(metric(&server, &name).await, Some(value), "{name}");
    }
    // What memory takes is not worth a metric.
    let store = metric(&server, "rendezvous_store_duration_seconds_count{operation=\"write\"}").await;
    assert_eq!(store, (!S::LOCAL).then_some(2.0));
}

async fn who_waits_is_seen_and_is_no_slow_answer<S: Kept>() {
    let server = Server::<S>::start().await;
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

async fn sessions_that_end_by_their_time_are_counted<S: Kept>() {
    let server = Server::<S>::with(|config| config.lifetime = std::time::Duration::from_millis(20)).await;
    let session = server.create("x").await;
    server.create("y").await;
    server.delete(&session).await;
    server.until_empty().await;
    assert_eq!(metric(&server, "rendezvous_sessions_expired_total").await, Some(1.0));
}

async fn no_label_says_which_session_or_who<S: Kept>() {
    let server = Server::<S>::start().await;
    let session = server.create("the payload").await;
    server.poll(&session).header("x-forwarded-for", "192.0.2.77").send().await.unwrap();
    let method = Method::from_bytes(b"MADEUP").unwrap();
    server.request(method, "/made-up-path").send().await.unwrap();
    let (_, text) = ask(&server, "/metrics").await;
    let id = session.path.rsplit('/').next().unwrap();
    for secret in [id, session.etag.trim_matches('"'), "payload\"", "192.0.2", "MADEUP", "made-up-path"] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
    assert!(text.contains("method=\"other\",revision=\"none\",status=\"404\""), "{text}");
}
