//! The limits of one client network. They must not affect other networks or existing sessions.

use std::time::Duration;

use matrix_qr_rendezvous::{ForwardedHeader, Limits, Rate};
use reqwest::{Method, RequestBuilder, StatusCode, header::HeaderValue};

use crate::{stores::TestStore, support::*};

each_store! {
    a_network_that_creates_too_fast_waits_alone,
    a_network_has_so_many_sessions_and_gets_places_back,
    places_come_back_when_sessions_expire,
    a_refused_poll_still_says_what_the_session_is,
    a_flood_of_one_ends_no_session_of_others,
    networks_can_be_shut_out,
    limits_are_changed_while_it_runs,
    only_a_proxy_is_believed_and_only_in_its_own_header,
    no_header_of_a_client_frees_it_of_its_limits,
    all_whom_a_proxy_does_not_name_are_limited_as_one,
}

async fn assert_refused(request: RequestBuilder) {
    assert_refused_for_now(request, "M_UNKNOWN").await;
}

async fn a_network_that_creates_too_fast_waits_alone<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.creates = Rate::new(1, 2)).await;
    for path in CREATE_PATHS.into_iter().take(2) {
        assert_eq!(status(server.post(path, "x").from(ONE)).await, 201);
    }
    for path in CREATE_PATHS {
        assert_refused(server.post(path, "x").from(ONE)).await;
    }
    assert_eq!(status(server.post(STABLE, "x").from(OTHER)).await, 201);
}

async fn a_network_has_so_many_sessions_and_gets_places_back<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.sessions_per_network = Some(1)).await;
    let response = server.post(STABLE, "x").from(ONE).send().await.unwrap();
    let body: serde_json::Value = response.json().await.unwrap();
    let path = body["url"]
        .as_str()
        .unwrap()
        .replace("https://rendezvous.example/below", "");
    assert_refused(server.post(STABLE, "x").from(ONE)).await;
    assert_eq!(status(server.post(STABLE, "x").from(OTHER)).await, 201);
    // Whichever client ends the session, it counted for the network that created it.
    assert_eq!(
        status(server.request(Method::DELETE, &path).from(OTHER)).await,
        204
    );
    assert_eq!(status(server.post(STABLE, "x").from(ONE)).await, 201);
}

async fn places_come_back_when_sessions_expire<S: TestStore>() {
    let server = TestServer::<S>::with(|config| {
        config.limits.sessions_per_network = Some(1);
        config.lifetime = Duration::from_millis(50);
    })
    .await;
    assert_eq!(status(server.post(STABLE, "x").from(ONE)).await, 201);
    tokio::time::sleep(Duration::from_millis(60)).await;
    assert_eq!(status(server.post(STABLE, "x").from(ONE)).await, 201);
}

/// A deployed client takes a response without an ETag for a new payload, and then reads its own
/// last message.
async fn a_refused_poll_still_says_what_the_session_is<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.requests = Rate::new(1, 3)).await;
    let session = server.create("kept").await;
    for _ in 0..3 {
        assert_eq!(status(server.poll(&session).from(ONE)).await, 304);
    }
    for request in [server.poll(&session), server.put(&session, "no")] {
        let response = request.from(ONE).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(header(&response, "etag"), session.etag);
        assert_session_headers(&response);
    }
    assert_refused(server.request(Method::DELETE, &session.path).from(ONE)).await;
    assert_eq!(status(server.poll(&session).from(OTHER)).await, 304);
    assert_eq!(server.get(&session).await.text().await.unwrap(), "kept");
}

async fn a_flood_of_one_ends_no_session_of_others<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.max_sessions = 20).await;
    let (mut honest, mut made) = (Vec::new(), 0);
    for _ in 0..10 {
        honest.push(server.create("honest").await);
    }
    for _ in 0..200 {
        made += u16::from(status(server.post(STABLE, "flood").from(ONE)).await == 201);
    }
    assert_eq!(made, 10, "what was left");
    for session in &honest {
        assert_eq!(server.get(session).await.text().await.unwrap(), "honest");
        assert_eq!(status(server.put(session, "on")).await, 202);
    }
}

async fn networks_can_be_shut_out<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("x").await;
    let deny = vec!["192.0.2.0/31".parse().unwrap()];
    server.rendezvous.set_limits(Limits {
        deny,
        ..Limits::default()
    });
    for request in [
        server.post(STABLE, "x"),
        server.poll(&session),
        server.put(&session, "no"),
    ] {
        let response = request.from(ONE).send().await.unwrap();
        assert!(response.headers().get("etag").is_none());
        assert_error(response, 403, "M_FORBIDDEN").await;
    }
    assert_eq!(status(server.poll(&session).from(OTHER)).await, 304);
    // A preflight reveals nothing about a session, and a browser must be able to see the refusal.
    assert_eq!(
        status(server.request(Method::OPTIONS, &session.path).from(ONE)).await,
        204
    );
}

async fn limits_are_changed_while_it_runs<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("x").await;
    server.rendezvous.set_limits(Limits {
        max_sessions: 1,
        ..Limits::default()
    });
    assert_refused(server.post(STABLE, "x")).await;
    assert_eq!(server.get(&session).await.status(), StatusCode::OK);
    server.rendezvous.set_limits(Limits::default());
    assert_eq!(status(server.post(STABLE, "x")).await, 201);
}

async fn only_a_proxy_is_believed_and_only_in_its_own_header<S: TestStore>() {
    let once = |header, trusted: &'static str| {
        TestServer::<S>::with(move |config| {
            config.limits.creates = Rate::new(1, 1);
            config.proxies.header = header;
            config.proxies.trusted = vec![trusted.parse().unwrap()];
        })
    };
    // Not a proxy, so its own address counts, whatever it sends.
    let server = once(ForwardedHeader::XForwardedFor, "198.51.100.0/24").await;
    assert_eq!(status(server.post(STABLE, "x").from(ONE)).await, 201);
    assert_refused(server.post(STABLE, "x").from(OTHER)).await;
    // A proxy that sets the other header forwards a forged one of this name.
    let server = once(ForwardedHeader::Forwarded, "127.0.0.0/8").await;
    let through = |made_up| {
        server
            .post(STABLE, "x")
            .header("forwarded", "for=192.0.2.7")
            .from(made_up)
    };
    assert_eq!(status(through(ONE)).await, 201);
    assert_refused(through(OTHER)).await;
}

/// Values of the header that a client can send, and that a proxy appends to. Each once made the
/// whole header unreadable, or hid the client.
const FORGED: [&[u8]; 9] = [
    b"\xe9",
    b"203.0.113.9",
    b"fe80::1%eth0",
    b",",
    b"",
    b"unknown",
    b"127.0.0.1",
    b"\"",
    b"for=\"203.0.113.9, for=",
];

async fn no_header_of_a_client_frees_it_of_its_limits<S: TestStore>() {
    let deny = vec!["192.0.2.0/31".parse().unwrap()];
    for header in [ForwardedHeader::XForwardedFor, ForwardedHeader::Forwarded] {
        let (name, hop) = match header {
            ForwardedHeader::Forwarded => ("forwarded", format!("for={ONE}")),
            _ => ("x-forwarded-for", ONE.to_owned()),
        };
        let server = TestServer::<S>::with(|config| {
            config.limits.creates = Rate::new(1, 3);
            config.proxies.header = header;
        })
        .await;
        // nginx and Apache append to the line, HAProxy adds another one.
        let appended = FORGED.map(|forged| vec![[forged, b", ", hop.as_bytes()].concat()]);
        let added = FORGED.map(|forged| vec![forged.to_vec(), hop.clone().into_bytes()]);
        let requests = || {
            appended.iter().chain(&added).map(|lines| {
                let lines = lines
                    .iter()
                    .map(|line| HeaderValue::from_bytes(line).unwrap());
                lines.fold(server.post(STABLE, "x"), |request, line| {
                    request.header(name, line)
                })
            })
        };
        let mut created = 0;
        for request in requests() {
            created += usize::from(status(request).await == 201);
        }
        assert_eq!(created, 3);
        server.rendezvous.set_limits(Limits {
            deny: deny.clone(),
            ..Limits::default()
        });
        for request in requests() {
            assert_error(request.send().await.unwrap(), 403, "M_FORBIDDEN").await;
        }
    }
}

/// The client may have any of these addresses, so it is refused if one of them is denied.
async fn all_whom_a_proxy_does_not_name_are_limited_as_one<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.creates = Rate::new(1, 3)).await;
    let unnamed = |value: Option<&'static [u8]>| {
        let value = value.map(|value| HeaderValue::from_bytes(value).unwrap());
        value
            .into_iter()
            .fold(server.post(STABLE, "x"), |request, value| {
                request.header("x-forwarded-for", value)
            })
    };
    let all = [
        None,
        Some(&b"\xe9"[..]),
        Some(b"unknown"),
        Some(b"192.0.2.1,"),
        Some(b"127.0.0.1"),
    ];
    for value in &all[..3] {
        assert_eq!(status(unnamed(*value)).await, 201);
    }
    for value in all {
        assert_refused(unnamed(value)).await;
    }
    assert_eq!(
        status(server.post(STABLE, "x").from(ONE)).await,
        201,
        "one that is named is not held to it"
    );
    let net = || vec!["198.51.100.0/24".parse().unwrap()];
    for limits in [
        Limits {
            deny: net(),
            ..Limits::default()
        },
        Limits {
            allow: net(),
            ..Limits::default()
        },
    ] {
        server.rendezvous.set_limits(limits);
        for value in all {
            assert_error(unnamed(value).send().await.unwrap(), 403, "M_FORBIDDEN").await;
        }
    }
}
