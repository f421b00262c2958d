//! What the operator sees of this API.

use matrix_qr_rendezvous::Rate;
use reqwest::Method;

use super::*;

each_store! {
    what_happens_is_counted,
    who_waits_is_no_slow_answer,
    no_label_says_which_session_or_who,
}

async fn what_happens_is_counted<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.creates = Rate::new(1, 2)).await;
    server.request(Method::GET, UNSTABLE).send().await.unwrap();
    let session = server.name("0123456789").await;
    let other = server.create("x").await;
    server.data(&session).await;
    // Sent again in full, after the wait.
    server.wait(&session, "0").send().await.unwrap();
    server
        .request(Method::HEAD, &session.path)
        .send()
        .await
        .unwrap();
    server.write(&session, "01234").await;
    server.write(&session, "01234").await;
    server.put_json(&session, "stale").send().await.unwrap();
    server
        .send(Method::PUT, &session.path, "no json")
        .send()
        .await
        .unwrap();
    for _ in 0..3 {
        let post = server
            .post_json(STABLE, "y")
            .header("x-forwarded-for", "192.0.2.1");
        post.send().await.unwrap();
    }
    server
        .request(Method::OPTIONS, &session.path)
        .send()
        .await
        .unwrap();
    server
        .request(Method::DELETE, &session.path)
        .send()
        .await
        .unwrap();
    let labels = |method, status| {
        format!(
            "rendezvous_requests_total{{method=\"{method}\",revision=\"msc4388\",status=\"{status}\"}}"
        )
    };
    for (name, expected) in [
        (labels("POST", 200), 3.0),
        (labels("POST", 429), 1.0),
        (labels("GET", 200), 3.0),
        (labels("HEAD", 200), 1.0),
        (labels("PUT", 200), 2.0),
        (labels("PUT", 400), 1.0),
        (labels("PUT", 409), 1.0),
        (labels("DELETE", 200), 1.0),
        (labels("OPTIONS", 204), 1.0),
        (
            labels("POST", 200)
                .replace("4388", "4108")
                .replace("200", "201"),
            1.0,
        ),
        ("rendezvous_refusals_total{reason=\"rate\"}".to_owned(), 1.0),
        (
            "rendezvous_refusals_total{reason=\"concurrent_write\"}".to_owned(),
            1.0,
        ),
        (
            "rendezvous_refusals_total{reason=\"malformed_body\"}".to_owned(),
            1.0,
        ),
        // A repeated write is not stored again.
        ("rendezvous_payload_received_bytes_total".to_owned(), 18.0),
        ("rendezvous_payload_sent_bytes_total".to_owned(), 30.0),
        ("rendezvous_sessions".to_owned(), 3.0),
        (
            "rendezvous_request_duration_seconds_count{method=\"PUT\",revision=\"msc4388\"}"
                .to_owned(),
            4.0,
        ),
    ] {
        assert_eq!(metric(&server, &name).await, Some(expected), "{name}");
    }
    assert_eq!(server.get(&other).await.status(), 200);
}

async fn who_waits_is_no_slow_answer<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("first").await;
    let waiting = tokio::spawn(server.wait(&session, "30").send());
    while metric(&server, "rendezvous_waiters").await != Some(1.0) {
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    server.write(&session, "second").await;
    granted(waiting.await.unwrap().unwrap()).await;
    assert_eq!(metric(&server, "rendezvous_waiters").await, Some(0.0));
    let slow = "rendezvous_request_duration_seconds_count{method=\"GET\",revision=\"msc4388\"}";
    assert_eq!(metric(&server, slow).await, None);
}

async fn no_label_says_which_session_or_who<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("the payload").await;
    let get = server
        .wait(&session, "0")
        .bearer_auth("the-token")
        .header("x-forwarded-for", "192.0.2.77");
    get.send().await.unwrap();
    let (_, text) = ask(&server, "/metrics").await;
    for secret in [
        session.id.as_str(),
        &session.token,
        "payload\"",
        "192.0.2",
        "the-token",
    ] {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}
