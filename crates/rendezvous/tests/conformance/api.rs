//! MSC4108, "Insecure rendezvous session": each method, each status, each error code.

use std::{collections::HashSet, time::Duration};

use matrix_qr_rendezvous::Config;
use reqwest::{Method, StatusCode};

use crate::support::*;

async fn two_devices_exchange_payloads<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for path in CREATE_PATHS {
        let mut a = server.create_at(path, "hello from A").await;
        let mut b = a.clone();

        let response = server.get(&b).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "content-type"), "text/plain");
        assert_eq!(header(&response, "etag"), a.etag);
        assert_session_headers(&response);
        assert_eq!(response.text().await.unwrap(), "hello from A");

        let response = server.poll(&a).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
        assert_eq!(header(&response, "etag"), a.etag);
        assert_session_headers(&response);
        assert_eq!(response.text().await.unwrap(), "");

        let response = server.put(&b, "hello from B").send().await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        assert_session_headers(&response);
        b.etag = header(&response, "etag");
        assert_ne!(b.etag, a.etag);

        let response = server.poll(&a).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(header(&response, "etag"), b.etag);
        a.etag = header(&response, "etag");
        assert_eq!(response.text().await.unwrap(), "hello from B");

        let response = server.delete(&a).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_eq!(response.text().await.unwrap(), "");
        assert_error(server.poll(&b).send().await.unwrap(), 404, "M_NOT_FOUND").await;
    }
    assert_eq!(server.rendezvous.sessions(), 0);
    server.stop().await;
}

async fn a_created_session_has_an_unguessable_url_on_the_configured_server<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let response = server
        .post(STABLE, "x")
        .header("host", "evil.example")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::CREATED);
    assert_eq!(header(&response, "content-type"), "application/json");
    assert_session_headers(&response);
    let body: serde_json::Value = response.json().await.unwrap();
    assert_eq!(body.as_object().unwrap().len(), 1);
    let mut urls = HashSet::from([body["url"].as_str().unwrap().to_owned()]);
    for _ in 0..50 {
        urls.insert(server.create("x").await.url);
    }
    assert_eq!(urls.len(), 51);
    for url in urls {
        let id = url
            .strip_prefix("https://rendezvous.example/below/rendezvous/")
            .unwrap();
        assert!(
            id.len() >= 22
                && id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
    }
}

async fn the_bare_create_path_is_configurable_and_not_a_pattern<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.create_path = "/new/{id}".to_owned()).await;
    let raw = "POST /new/{id} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 1\r\nContent-Type: text/plain\r\n\r\nx";
    assert!(server.raw(raw).await.starts_with("HTTP/1.1 201 "));
    assert_error(
        server.post("/new/x", "x").send().await.unwrap(),
        404,
        "M_UNRECOGNIZED",
    )
    .await;
    assert_error(
        server.post(BARE, "x").send().await.unwrap(),
        404,
        "M_UNRECOGNIZED",
    )
    .await;
    server.create_at(UNSTABLE, "x").await;
}

async fn payloads_are_any_bytes_up_to_4096<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for payload in [vec![], vec![0, 255, b'\n'], vec![7; 4096]] {
        // The client library leaves out the length of an empty body by default.
        let request = server
            .post(STABLE, payload.clone())
            .header("content-length", payload.len());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::CREATED);
        let mut session = server.create("x").await;
        let request = server
            .put(&session, payload.clone())
            .header("content-length", payload.len());
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED);
        session.etag = header(&response, "etag");
        assert_eq!(server.get(&session).await.bytes().await.unwrap(), payload);
    }
    let session = server.create("kept").await;
    for size in [4097, 64 * 1024] {
        for path in CREATE_PATHS {
            assert_error(
                server.post(path, vec![7; size]).send().await.unwrap(),
                413,
                "M_TOO_LARGE",
            )
            .await;
        }
        let response = server.put(&session, vec![7; size]).send().await.unwrap();
        assert_session_headers(&response);
        assert_eq!(header(&response, "etag"), session.etag);
        assert_error(response, 413, "M_TOO_LARGE").await;
    }
    assert_eq!(server.get(&session).await.text().await.unwrap(), "kept");
}

async fn a_payload_says_its_type<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("kept").await;
    let put = format!(
        "PUT {} HTTP/1.1\r\nIf-Match: {}\r\n",
        session.path, session.etag
    );
    // On the stable path JSON belongs to the other API.
    let post = format!("POST {UNSTABLE} HTTP/1.1\r\n");
    let cases = [
        ("Content-Length: 1\r\n\r\nx", "M_MISSING_PARAM"),
        (
            "Content-Length: 1\r\nContent-Type: application/json\r\n\r\nx",
            "M_INVALID_PARAM",
        ),
        (
            "Content-Length: 1\r\nContent-Type: text/plainer\r\n\r\nx",
            "M_INVALID_PARAM",
        ),
        (
            "Content-Length: 1\r\nContent-Type: text/plain, text/html\r\n\r\nx",
            "M_INVALID_PARAM",
        ),
        (
            "Content-Length: 1\r\nContent-Type: text/plain\r\nContent-Type: text/html\r\n\r\nx",
            "M_INVALID_PARAM",
        ),
        (
            "Content-Length: 1\r\nContent-Type:\r\n\r\nx",
            "M_INVALID_PARAM",
        ),
    ];
    for (rest, errcode) in cases {
        for (start, has_etag) in [(&put, true), (&post, false)] {
            let answer = server
                .raw(&format!("{start}Host: x\r\nConnection: close\r\n{rest}"))
                .await;
            assert!(answer.starts_with("HTTP/1.1 400 "), "{rest} {answer}");
            assert!(
                answer.contains(&format!("\"errcode\":\"{errcode}\"")),
                "{rest} {answer}"
            );
            assert_eq!(
                answer.contains(&format!("etag: {}", session.etag)),
                has_etag,
                "{rest} {answer}"
            );
        }
    }
    assert_eq!(server.get(&session).await.text().await.unwrap(), "kept");
}

/// Cloudflare's tunnels and proxies that stream a body send chunks. Only the bytes that arrive
/// count.
async fn a_payload_need_not_say_its_length<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let chunked = |payload: &str| format!("{:x}\r\n{payload}\r\n0\r\n\r\n", payload.len());
    let (most, more) = ("x".repeat(4096), "x".repeat(4097));
    let two = "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n";
    for (head, body, fits) in [
        ("Transfer-Encoding: chunked\r\n", chunked("second"), true),
        (
            "Transfer-Encoding: chunked\r\n",
            "1;x=y\r\ns\r\n5\r\necond\r\n0\r\nTrailer: x\r\n\r\n".to_owned(),
            true,
        ),
        ("Transfer-Encoding: chunked\r\n", chunked(&most), true),
        ("Transfer-Encoding: chunked\r\n", chunked(&more), false),
        ("", String::new(), true),
        // The server counts the bytes, and closes the connection, because the start of the next
        // request is unknown (RFC 9112, section 6.1).
        (two, chunked("second"), true),
    ] {
        let close = if head == two {
            ""
        } else {
            "Connection: close\r\n"
        };
        let rest = format!("Host: x\r\n{close}Content-Type: text/plain\r\n{head}\r\n{body}");
        let session = server.create("first").await;
        let put = format!(
            "PUT {} HTTP/1.1\r\nIf-Match: {}\r\n{rest}",
            session.path, session.etag
        );
        let answer = server.raw(&put).await;
        assert!(
            answer.starts_with(if fits {
                "HTTP/1.1 202 "
            } else {
                "HTTP/1.1 413 "
            }),
            "{head}{answer}"
        );
        let stored = server.get(&session).await.text().await.unwrap();
        let sent = if body == chunked(&most) {
            &most
        } else if body.is_empty() {
            ""
        } else {
            "second"
        };
        assert_eq!(stored, if fits { sent } else { "first" });
        for path in CREATE_PATHS {
            let answer = server.raw(&format!("POST {path} HTTP/1.1\r\n{rest}")).await;
            assert!(
                answer.starts_with(if fits {
                    "HTTP/1.1 201 "
                } else {
                    "HTTP/1.1 413 "
                }),
                "{head}{answer}"
            );
        }
    }
}

async fn a_body_that_is_not_framed_as_http_has_it_is_refused_at_once<S: TestStore>() {
    let server =
        TestServer::<S>::with(|config| config.timeouts.body = Duration::from_secs(600)).await;
    let session = server.create("kept").await;
    let rest = "Host: x\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
    for chunks in [
        "x\r\n",
        "1\r\nxy\r\n",
        "5\r\nhello\r\n-1\r\n",
        "ffffffffffffffffff\r\n",
    ] {
        let put = format!(
            "PUT {} HTTP/1.1\r\nIf-Match: {}\r\n{rest}{chunks}",
            session.path, session.etag
        );
        let answer = server.raw(&put).await;
        assert!(
            answer.starts_with("HTTP/1.1 400 ") && answer.contains("M_UNKNOWN"),
            "{chunks} {answer}"
        );
        assert!(answer.contains("connection: close"), "{answer}");
        let answer = server
            .raw(&format!("POST {STABLE} HTTP/1.1\r\n{rest}{chunks}"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{chunks} {answer}");
    }
    assert_eq!(server.get(&session).await.text().await.unwrap(), "kept");
    assert_eq!(server.rendezvous.sessions(), 1);
}

/// As Apache, Jetty and nginx change it when they compress. A browser sends the changed one.
async fn a_tag_of_ours_is_known_however_a_proxy_decorates_it<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let decorations: [fn(&str) -> String; 6] = [
        |tag| format!("W/\"{tag}\""),
        |tag| format!("\"{tag}-gzip\""),
        |tag| format!("\"{tag}-br\""),
        |tag| format!("\"{tag}--gzip\""),
        |tag| format!("\"{tag};gzip\""),
        |tag| format!("W/\"{tag}-gzip\""),
    ];
    for decorated in decorations {
        let session = server.create("first").await;
        let seen = TextSession {
            etag: decorated(session.etag.trim_matches('"')),
            ..session.clone()
        };
        let unchanged = server.poll(&seen).send().await.unwrap();
        assert_eq!(
            unchanged.status(),
            StatusCode::NOT_MODIFIED,
            "{}",
            seen.etag
        );
        assert_eq!(header(&unchanged, "etag"), session.etag);
        assert_eq!(
            status(server.put(&seen, "second")).await,
            202,
            "{}",
            seen.etag
        );
        assert_eq!(status(server.put(&seen, "late")).await, 412);
        let news = server.poll(&seen).send().await.unwrap();
        assert_eq!(news.text().await.unwrap(), "second");
    }
}

async fn parameters_of_the_content_type_are_accepted_and_not_sent_back<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for given in [
        "text/plain; charset=utf-8",
        "Text/Plain;charset=\"UTF-8\"",
        "text/plain ;x=y",
    ] {
        let request = server
            .request(Method::POST, STABLE)
            .header("content-type", given)
            .body("x");
        assert_eq!(
            request.send().await.unwrap().status(),
            StatusCode::CREATED,
            "{given}"
        );
        let mut session = server.create("x").await;
        let request = server
            .request(Method::PUT, &session.path)
            .header("content-type", given);
        let response = request
            .header("if-match", &session.etag)
            .body("y")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::ACCEPTED, "{given}");
        session.etag = header(&response, "etag");
        assert_eq!(
            header(&server.get(&session).await, "content-type"),
            "text/plain"
        );
    }
}

async fn the_202_is_so_on_the_wire<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("x").await;
    let answer = server
        .raw(&format!(
            "PUT {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nIf-Match: {}\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\ny",
            session.path, session.etag
        ))
        .await;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert_eq!(body, "");
    let mut lines = head.split("\r\n");
    assert_eq!(lines.next(), Some("HTTP/1.1 202 Accepted"));
    let lines: Vec<_> = lines.map(str::to_ascii_lowercase).collect();
    for expected in ["content-type: text/plain", "content-length: 0"] {
        assert_eq!(
            lines.iter().filter(|line| *line == expected).count(),
            1,
            "{head}"
        );
    }
    for once in [
        "etag:",
        "expires:",
        "last-modified:",
        "date:",
        "cache-control:",
        "pragma:",
        "content-type:",
    ] {
        assert_eq!(
            lines.iter().filter(|line| line.starts_with(once)).count(),
            1,
            "{once} in {head}"
        );
    }
    assert!(!head.contains("transfer-encoding"));
}

async fn a_write_that_saw_an_older_payload_is_refused_with_the_code_of_the_create_path<
    S: TestStore,
>() {
    let server = TestServer::<S>::start().await;
    for (path, errcode, unstable) in [
        (STABLE, "M_CONCURRENT_WRITE", None),
        (UNSTABLE, "M_UNKNOWN", Some("M_CONCURRENT_WRITE")),
        (BARE, "M_CONCURRENT_WRITE", None),
    ] {
        let stale = server.create_at(path, "first").await;
        server.put(&stale, "second").send().await.unwrap();
        for etag in [
            stale.etag.as_str(),
            "\"AAAAAAAAAAAAAAAAAAAAAA\"",
            "\"other\"",
            "\"\"",
        ] {
            let session = TextSession {
                etag: etag.to_owned(),
                ..stale.clone()
            };
            let response = server.put(&session, "third").send().await.unwrap();
            // Because matrix-js-sdk would take it for the ETag of its own write.
            assert!(response.headers().get("etag").is_none());
            assert!(header(&response, "expires") >= header(&response, "last-modified"));
            let (status, got, body) = error(response).await;
            assert_eq!((status, got.as_str()), (412, errcode));
            assert_eq!(body["org.matrix.msc4108.errcode"].as_str(), unstable);
        }
        assert_eq!(server.get(&stale).await.text().await.unwrap(), "second");
    }
}

async fn a_condition_is_one_strong_etag<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("kept").await;
    let etag = &session.etag;
    let malformed = [
        "*".to_owned(),
        "W/\"strange\"".to_owned(),
        format!("{etag}, {etag}"),
        etag.trim_matches('"').to_owned(),
        String::new(),
    ];
    for tag in malformed {
        let bad = TextSession {
            etag: tag.clone(),
            ..session.clone()
        };
        for request in [server.put(&bad, "lost"), server.poll(&bad)] {
            let response = request.send().await.unwrap();
            assert_session_headers(&response);
            assert_eq!(&header(&response, "etag"), etag);
            assert_error(response, 400, "M_INVALID_PARAM").await;
        }
    }
    let request = server
        .request(Method::PUT, &session.path)
        .header("content-type", "text/plain")
        .body("lost");
    let response = request.send().await.unwrap();
    assert_session_headers(&response);
    assert_error(response, 400, "M_MISSING_PARAM").await;
    assert_eq!(server.get(&session).await.text().await.unwrap(), "kept");
}

async fn the_same_payload_never_has_the_same_etag<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut etags = HashSet::new();
    for _ in 0..10 {
        let mut session = server.create("same").await;
        assert!(etags.insert(session.etag.clone()));
        for _ in 0..10 {
            session.etag = header(&server.put(&session, "same").send().await.unwrap(), "etag");
            assert!(etags.insert(session.etag.clone()));
        }
    }
}

async fn unknown_deleted_and_expired_sessions_are_the_same_bytes<S: TestStore>() {
    let lifetime = |config: &mut Config| config.lifetime = Duration::from_millis(50);
    let (server, brief) = (
        TestServer::<S>::start().await,
        TestServer::<S>::with(lifetime).await,
    );
    let deleted = server.create("x").await;
    assert_eq!(
        server.delete(&deleted).await.status(),
        StatusCode::NO_CONTENT
    );
    let expired = brief.create("x").await;
    brief.until_empty().await;
    brief.until_gone(&expired).await;
    let mut answers = HashSet::new();
    for (server, path) in [
        (&brief, expired.path.as_str()),
        (&server, deleted.path.as_str()),
        (&server, "/rendezvous/AAAAAAAAAAAAAAAAAAAAAA"),
        (&server, "/rendezvous/x"),
        (&server, "/rendezvous/%FF"),
    ] {
        for (method, rest) in [
            ("GET", "\r\n"),
            ("GET", "If-None-Match: \"x\"\r\nPrefer: wait=20\r\n\r\n"),
            ("GET", "If-None-Match: *\r\n\r\n"),
            ("DELETE", "\r\n"),
            ("PUT", "\r\n"),
            (
                "PUT",
                "If-Match: \"x\"\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx",
            ),
        ] {
            let answer = server
                .raw(&format!(
                    "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{rest}"
                ))
                .await;
            assert!(
                answer.starts_with("HTTP/1.1 404 ") && answer.contains("M_NOT_FOUND"),
                "{answer}"
            );
            let undated: String = answer
                .lines()
                .filter(|line| !line.starts_with("date: "))
                .collect();
            answers.insert(undated);
        }
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

async fn the_end_is_fixed_when_the_session_is_made<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.lifetime = Duration::from_secs(100)).await;
    let left = |response: &reqwest::Response| {
        let time = |name| httpdate::parse_http_date(&header(response, name)).unwrap();
        (
            time("expires"),
            time("expires")
                .duration_since(time("date"))
                .unwrap()
                .as_secs(),
        )
    };
    let response = server.post(STABLE, "x").send().await.unwrap();
    let (expires, seconds) = left(&response);
    assert_eq!(seconds, 100);
    let mut session = TextSession {
        url: String::new(),
        path: String::new(),
        etag: header(&response, "etag"),
    };
    let body: serde_json::Value = response.json().await.unwrap();
    session.path = body["url"]
        .as_str()
        .unwrap()
        .replace("https://rendezvous.example/below", "");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    for payload in ["y", "z"] {
        let written = server.put(&session, payload).send().await.unwrap();
        session.etag = header(&written, "etag");
        for response in [
            written,
            server.get(&session).await,
            server.poll(&session).send().await.unwrap(),
        ] {
            let (still_expires, seconds) = left(&response);
            assert!(seconds <= 98, "{seconds}");
            // Both are computed at the time of the response and then truncated to seconds.
            assert!(
                still_expires.duration_since(expires).unwrap_or_default() <= Duration::from_secs(1)
            );
        }
    }
}

async fn a_payload_is_as_old_as_its_write<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut session = server.create("x").await;
    session.etag = header(&server.put(&session, "y").send().await.unwrap(), "etag");
    tokio::time::sleep(Duration::from_millis(2100)).await;
    for response in [
        server.get(&session).await,
        server.poll(&session).send().await.unwrap(),
    ] {
        let time = |name| httpdate::parse_http_date(&header(&response, name)).unwrap();
        let age = time("date").duration_since(time("last-modified")).unwrap();
        assert!(age >= Duration::from_secs(2), "{age:?}");
    }
}

async fn a_full_server_refuses_new_sessions_and_keeps_the_live<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.max_sessions = 2).await;
    let live = [server.create("1").await, server.create("2").await];
    for path in CREATE_PATHS {
        let response = server.post(path, "3").send().await.unwrap();
        let seconds: u64 = header(&response, "retry-after").parse().unwrap();
        assert!((1..=300).contains(&seconds));
        let (status, errcode, body) = error(response).await;
        assert_eq!((status, errcode.as_str()), (429, "M_UNKNOWN"));
        assert_eq!(body["retry_after_ms"].as_u64(), Some(seconds * 1000));
    }
    for session in &live {
        assert_eq!(server.get(session).await.status(), StatusCode::OK);
        assert_eq!(
            server.put(session, "x").send().await.unwrap().status(),
            StatusCode::ACCEPTED
        );
    }
    server.delete(&live[0]).await;
    server.create("3").await;
    assert_eq!(server.rendezvous.sessions(), 2);
}

async fn of_many_writers_that_saw_the_same_payload_one_wins<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut session = server.create("start").await;
    for _ in 0..20 {
        let writer = |n: usize| {
            let request = server.put(&session, format!("writer {n}"));
            tokio::spawn(async move { request.send().await.unwrap() })
        };
        let writers: Vec<_> = (0..16).map(writer).collect();
        let mut winners = vec![];
        for (n, writer) in writers.into_iter().enumerate() {
            let response = writer.await.unwrap();
            match response.status().as_u16() {
                202 => winners.push((n, header(&response, "etag"))),
                status => assert_eq!(status, 412),
            }
        }
        assert_eq!(winners.len(), 1);
        let (n, etag) = winners.remove(0);
        session.etag = etag;
        let read = server.get(&session).await;
        assert_eq!(header(&read, "etag"), session.etag);
        assert_eq!(read.text().await.unwrap(), format!("writer {n}"));
    }
}

async fn other_paths_and_methods_are_matrix_errors<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("x").await;
    for path in [
        "/x",
        "/rendezvous",
        "/rendezvous/",
        "/_matrix/client/versions",
        "/_matrix/client/v1/rendezvous/",
    ] {
        assert_error(
            server.post(path, "x").send().await.unwrap(),
            404,
            "M_UNRECOGNIZED",
        )
        .await;
    }
    for (method, path, allow) in [
        (Method::GET, BARE, "POST"),
        (Method::PUT, STABLE, "GET,HEAD,POST"),
        (Method::PUT, UNSTABLE, "POST"),
        (Method::POST, session.path.as_str(), "GET,HEAD,PUT,DELETE"),
        (Method::PATCH, session.path.as_str(), "GET,HEAD,PUT,DELETE"),
    ] {
        let response = server.request(method, path).send().await.unwrap();
        assert_eq!(header(&response, "allow"), allow);
        assert_error(response, 405, "M_UNRECOGNIZED").await;
    }
    let response = server
        .request(Method::HEAD, &session.path)
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_session_headers(&response);
}

each_store! {
    two_devices_exchange_payloads,
    a_created_session_has_an_unguessable_url_on_the_configured_server,
    the_bare_create_path_is_configurable_and_not_a_pattern,
    payloads_are_any_bytes_up_to_4096,
    a_payload_says_its_type,
    a_payload_need_not_say_its_length,
    a_body_that_is_not_framed_as_http_has_it_is_refused_at_once,
    a_tag_of_ours_is_known_however_a_proxy_decorates_it,
    parameters_of_the_content_type_are_accepted_and_not_sent_back,
    the_202_is_so_on_the_wire,
    a_write_that_saw_an_older_payload_is_refused_with_the_code_of_the_create_path,
    a_condition_is_one_strong_etag,
    the_same_payload_never_has_the_same_etag,
    unknown_deleted_and_expired_sessions_are_the_same_bytes,
    the_end_is_fixed_when_the_session_is_made,
    a_payload_is_as_old_as_its_write,
    a_full_server_refuses_new_sessions_and_keeps_the_live,
    of_many_writers_that_saw_the_same_payload_one_wins,
    other_paths_and_methods_are_matrix_errors,
}
