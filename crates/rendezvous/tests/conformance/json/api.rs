//! MSC4388, "Insecure rendezvous session": each method, each status, each error code, on both
//! paths.

use std::{collections::HashSet, time::Duration};

use matrix_qr_rendezvous::Config;
use reqwest::Method;
use serde_json::json;

use super::*;

each_store! {
    two_devices_exchange_payloads,
    a_session_has_an_unguessable_id_and_the_time_that_is_left,
    the_collection_says_that_anybody_may_create,
    data_is_counted_in_bytes_without_escapes,
    any_text_comes_back_as_it_was,
    what_is_no_json_and_what_is_other_json,
    a_body_says_that_it_is_json,
    a_write_with_an_older_token_is_refused_with_the_code_of_the_requests_path,
    the_same_data_never_has_the_same_token,
    what_a_payload_was_written_against_is_said,
    unknown_deleted_expired_and_other_sessions_are_the_same_bytes,
    a_session_is_of_one_api,
    a_session_is_the_same_on_both_paths,
    the_stable_path_has_both_apis,
    other_paths_and_methods_are_matrix_errors,
    of_many_writers_that_saw_the_same_payload_one_wins,
}

async fn two_devices_exchange_payloads<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for (collection, _) in COLLECTIONS {
        let mut a = server.name_at(collection, "hello from A").await;
        let mut b = a.clone();
        let seen = server.look(&b).await;
        assert_eq!(
            (&seen["data"], &seen["sequence_token"]),
            (&json!("hello from A"), &json!(a.token))
        );
        assert_eq!(seen.as_object().unwrap().len(), 3);
        // Never 304: the payload is sent again.
        assert_eq!(server.look(&a).await["sequence_token"], a.token);
        b.token = server.write(&b, "hello from B").await;
        assert_ne!(b.token, a.token);
        let seen = server.look(&a).await;
        assert_eq!(
            (&seen["data"], &seen["sequence_token"]),
            (&json!("hello from B"), &json!(b.token))
        );
        a.token.clone_from(&b.token);
        a.token = server.write(&a, "hello again from A").await;
        assert_eq!(server.data(&b).await, "hello again from A");
        let deleted = server
            .request(Method::DELETE, &a.path)
            .send()
            .await
            .unwrap();
        assert_eq!(granted(deleted).await, json!({}));
        let gone = server.request(Method::GET, &b.path).send().await.unwrap();
        assert_error(gone, 404, "M_NOT_FOUND").await;
    }
    assert_eq!(server.rendezvous.sessions(), 0);
    server.stop().await;
}

async fn a_session_has_an_unguessable_id_and_the_time_that_is_left<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.lifetime = Duration::from_secs(100)).await;
    let body = granted(server.post_json(STABLE, "x").send().await.unwrap()).await;
    assert_eq!(body.as_object().unwrap().len(), 3);
    let left = |body: &Value| body["expires_in_ms"].as_u64().unwrap();
    assert!((95_000..=100_000).contains(&left(&body)), "{body}");
    let mut names = HashSet::new();
    for _ in 0..30 {
        let session = server.name("x").await;
        assert_opaque(&session.id);
        assert_opaque(&session.token);
        assert!(names.insert(session.id) && names.insert(session.token));
    }
    let id = body["id"].as_str().unwrap().to_owned();
    let mut session = SessionAtToken {
        path: format!("{STABLE}/{id}"),
        id,
        token: String::new(),
    };
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let seen = server.look(&session).await;
    assert!(left(&seen) <= 98_900, "{seen}");
    // A write does not extend it.
    session.token = seen["sequence_token"].as_str().unwrap().to_owned();
    server.write(&session, "y").await;
    // Except for the time that each response took: it contains the remaining time shortly before it
    // was sent.
    assert!(left(&server.look(&session).await) <= left(&seen) + 500);
}

/// Ours: for a device whose own last answer was lost.
async fn what_a_payload_was_written_against_is_said<S: TestStore>() {
    const PREVIOUS: &str = "io.github.matrix-qr.previous_sequence_token";
    let server = TestServer::<S>::start().await;
    for (collection, _) in COLLECTIONS {
        let mut session = server.name_at(collection, "first").await;
        assert!(
            server.look(&session).await.get(PREVIOUS).is_none(),
            "the first was written against nothing"
        );
        for data in ["second", "second", "third"] {
            let before = session.token.clone();
            session.token = server.write(&session, data).await;
            let seen = server.look(&session).await;
            assert_eq!(
                (&seen["sequence_token"], &seen[PREVIOUS]),
                (&json!(session.token), &json!(before))
            );
        }
        // A repeat is not a write.
        let stale = SessionAtToken {
            token: "stale".to_owned(),
            ..session.clone()
        };
        let before = server.look(&session).await;
        assert_eq!(server.write(&stale, "third").await, session.token);
        assert_eq!(server.look(&session).await[PREVIOUS], before[PREVIOUS]);
    }
}

async fn the_collection_says_that_anybody_may_create<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.max_sessions = 1).await;
    for round in ["with room", "full"] {
        for (collection, _) in COLLECTIONS {
            let response = server
                .request(Method::GET, collection)
                .send()
                .await
                .unwrap();
            assert_eq!(
                granted(response).await,
                json!({ "create_available": true }),
                "{round}"
            );
            let with_token = server.request(Method::GET, collection).bearer_auth("any");
            assert_eq!(
                granted(with_token.send().await.unwrap()).await["create_available"],
                true
            );
            let head = server
                .request(Method::HEAD, collection)
                .send()
                .await
                .unwrap();
            assert_eq!(
                (
                    head.status().as_u16(),
                    header(&head, "content-length").as_str()
                ),
                (200, "25"),
                "{round}"
            );
        }
        if round == "with room" {
            server.name("x").await;
        }
    }
}

async fn data_is_counted_in_bytes_without_escapes<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let plain = |count: usize| format!("{{\"data\":\"{}\"}}", "x".repeat(count));
    let escaped = |count: usize| format!("{{\"data\":\"{}\"}}", "\\u0001".repeat(count));
    let two_bytes = |count: usize| format!("{{\"data\":\"{}\"}}", "é".repeat(count));
    let four_bytes = |count: usize| format!("{{\"data\":\"{}\"}}", "\\ud83d\\ude00".repeat(count));
    let cases = [
        (plain(0), 200),
        (plain(4096), 200),
        (plain(4097), 413),
        (escaped(4096), 200),
        (escaped(4097), 413),
        (two_bytes(2048), 200),
        (two_bytes(2049), 413),
        (four_bytes(1024), 200),
        (four_bytes(1025), 413),
        (
            format!("{{\"x\":\"{}\",\"data\":\"\"}}", "x".repeat(32 * 1024)),
            413,
        ),
        (plain(64 * 1024), 413),
    ];
    for (collection, _) in COLLECTIONS {
        let session = server.name_at(collection, "kept").await;
        for (body, status) in &cases {
            let post = server
                .send(Method::POST, collection, body)
                .send()
                .await
                .unwrap();
            assert_eq!(post.status().as_u16(), *status, "{} bytes", body.len());
            let current = server.look(&session).await["sequence_token"].clone();
            let put = body.replacen('{', &format!("{{\"sequence_token\":{current},"), 1);
            let put = server
                .send(Method::PUT, &session.path, put)
                .send()
                .await
                .unwrap();
            assert_eq!(put.status().as_u16(), *status, "{} bytes", body.len());
            if *status == 413 {
                assert_error(post, 413, "M_TOO_LARGE").await;
                assert_error(put, 413, "M_TOO_LARGE").await;
                assert_eq!(server.look(&session).await["sequence_token"], current);
            } else {
                let data: Value = serde_json::from_str(body).unwrap();
                assert_eq!(server.look(&session).await["data"], data["data"]);
            }
        }
    }
}

async fn any_text_comes_back_as_it_was<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut session = server.name("").await;
    assert_eq!(server.data(&session).await, "");
    for data in [
        "\0\u{1}\u{1f}\u{7f}",
        "\"\\/\u{8}\u{c}\n\r\t",
        "\u{2028}é😀\u{10ffff}",
        "{\"data\":1}",
    ] {
        session.token = server.write(&session, data).await;
        assert_eq!(server.data(&session).await, data);
        assert_eq!(server.data(&server.name(data).await).await, data);
    }
}

async fn what_is_no_json_and_what_is_other_json<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for (collection, _) in COLLECTIONS {
        let session = server.name_at(collection, "kept").await;
        let token = &session.token;
        let cases = [
            (String::new(), "M_NOT_JSON"),
            ("data".to_owned(), "M_NOT_JSON"),
            (
                format!("{{\"sequence_token\":\"{token}\",\"data\":\"x\""),
                "M_NOT_JSON",
            ),
            (
                format!("{{\"sequence_token\":\"{token}\",\"data\":1"),
                "M_NOT_JSON",
            ),
            (
                format!("{{\"sequence_token\":\"{token}\",\"data\":\"x\"}} x"),
                "M_NOT_JSON",
            ),
            (format!("{{\"sequence_token\":\"{token}\"}}"), "M_BAD_JSON"),
            (
                format!("{{\"sequence_token\":\"{token}\",\"data\":7}}"),
                "M_BAD_JSON",
            ),
            (
                format!("{{\"sequence_token\":\"{token}\",\"data\":null}}"),
                "M_BAD_JSON",
            ),
            (
                format!("{{\"sequence_token\":\"{token}\",\"data\":\"x\",\"data\":\"y\"}}"),
                "M_BAD_JSON",
            ),
            (format!("[\"{token}\",\"x\"]"), "M_BAD_JSON"),
            ("\"x\"".to_owned(), "M_BAD_JSON"),
        ];
        for (body, errcode) in cases {
            for (method, path) in [
                (Method::POST, collection),
                (Method::PUT, session.path.as_str()),
            ] {
                let response = server.send(method, path, &body).send().await.unwrap();
                assert_error(response, 400, errcode).await;
            }
        }
        for body in [
            json!({ "data": "x" }),
            json!({ "data": "x", "sequence_token": 1 }),
        ] {
            let response = server
                .send(Method::PUT, &session.path, body)
                .send()
                .await
                .unwrap();
            assert_error(response, 400, "M_BAD_JSON").await;
        }
        assert_eq!(server.look(&session).await["sequence_token"], session.token);
        let body = json!({ "sequence_token": session.token, "data": "x", "other": { "a": [1] } });
        for (method, path) in [
            (Method::POST, collection),
            (Method::PUT, session.path.as_str()),
        ] {
            granted(server.send(method, path, &body).send().await.unwrap()).await;
        }
        assert_eq!(server.data(&session).await, "x");
    }
}

async fn a_body_says_that_it_is_json<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name_at(UNSTABLE, "kept").await;
    let body = json!({ "sequence_token": session.token, "data": "x" }).to_string();
    for (given, errcode) in [
        (&[][..], "M_MISSING_PARAM"),
        (&["text/plain"], "M_INVALID_PARAM"),
        (&["application/jsonp"], "M_INVALID_PARAM"),
        (&["application/json, text/plain"], "M_INVALID_PARAM"),
        (&["application/json", "application/json"], "M_INVALID_PARAM"),
        (&[""], "M_INVALID_PARAM"),
    ] {
        for (method, path) in [
            (Method::POST, UNSTABLE),
            (Method::PUT, session.path.as_str()),
        ] {
            let request = server.request(method, path).body(body.clone());
            let request = given.iter().fold(request, |request, line| {
                request.header("content-type", *line)
            });
            assert_error(request.send().await.unwrap(), 400, errcode).await;
        }
    }
    assert_eq!(server.data(&session).await, "kept");
    for given in [
        "application/json; charset=utf-8",
        "Application/JSON;charset=\"UTF-8\"",
        "application/json ;x",
    ] {
        for (method, path) in [
            (Method::POST, STABLE),
            (Method::POST, UNSTABLE),
            (Method::PUT, session.path.as_str()),
        ] {
            let request = server
                .request(method, path)
                .header("content-type", given)
                .body(body.clone());
            granted(request.send().await.unwrap()).await;
        }
    }
    // It does not need a length either.
    let chunked = format!(
        "POST {STABLE} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n\
         Transfer-Encoding: chunked\r\n\r\n8\r\n{{\"data\":\r\n6\r\n\"abcd\"\r\n1\r\n}}\r\n0\r\n\r\n"
    );
    assert!(server.raw(&chunked).await.starts_with("HTTP/1.1 200 "));
}

async fn a_write_with_an_older_token_is_refused_with_the_code_of_the_requests_path<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for (collection, _) in COLLECTIONS {
        let stale = server.name_at(collection, "first").await;
        let current = server.write(&stale, "second").await;
        for token in [
            stale.token.as_str(),
            "AAAAAAAAAAAAAAAAAAAAAA",
            "other",
            "",
            "é",
            &format!("{current}="),
        ] {
            for (path, errcode) in COLLECTIONS {
                let path = format!("{path}/{}", stale.id);
                let session = SessionAtToken {
                    token: token.to_owned(),
                    path,
                    ..stale.clone()
                };
                let response = server.put_json(&session, "third").send().await.unwrap();
                assert_error(response, 409, errcode).await;
            }
        }
        let seen = server.look(&stale).await;
        assert_eq!(
            (&seen["data"], &seen["sequence_token"]),
            (&json!("second"), &json!(current))
        );
    }
}

async fn the_same_data_never_has_the_same_token<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut tokens = HashSet::new();
    for _ in 0..10 {
        let mut session = server.name("same").await;
        assert!(tokens.insert(session.token.clone()));
        for _ in 0..10 {
            session.token = server.write(&session, "same").await;
            assert!(tokens.insert(session.token.clone()));
        }
        assert_eq!(server.look(&session).await["sequence_token"], session.token);
    }
}

async fn unknown_deleted_expired_and_other_sessions_are_the_same_bytes<S: TestStore>() {
    let lifetime = |config: &mut Config| config.lifetime = Duration::from_millis(50);
    let (server, brief) = (
        TestServer::<S>::start().await,
        TestServer::<S>::with(lifetime).await,
    );
    let deleted = server.name("x").await.id;
    server
        .request(Method::DELETE, &format!("{STABLE}/{deleted}"))
        .send()
        .await
        .unwrap();
    let expired = brief.name("x").await.id;
    brief.until_empty().await;
    let other = server.create("x").await.path.replace("/rendezvous/", "");
    let zeros = "AAAAAAAAAAAAAAAAAAAAAA".to_owned();
    let last = "AAAAAAAAAAAAAAAAAAAAAQ".to_owned();
    // In Redis a key may still exist when the session no longer counts.
    tokio::time::sleep(Duration::from_millis(100)).await;
    let mut answers = HashSet::new();
    for (server, id) in [
        (&brief, expired),
        (&server, deleted),
        (&server, other),
        (&server, zeros),
        (&server, last),
        (&server, "x".to_owned()),
        (&server, "%FF".to_owned()),
    ] {
        let token = "\"sequence_token\":\"AAAAAAAAAAAAAAAAAAAAAA\"";
        let body = format!("{{{token},\"data\":\"x\"}}");
        let json = "Content-Type: application/json\r\n";
        for (method, query, rest) in [
            ("GET", "", "\r\n".to_owned()),
            (
                "GET",
                "?sequence_token=x",
                "Prefer: wait=20\r\n\r\n".to_owned(),
            ),
            ("DELETE", "", "\r\n".to_owned()),
            ("PUT", "", "\r\n".to_owned()),
            ("PUT", "", format!("{json}Content-Length: 1\r\n\r\nx")),
            (
                "PUT",
                "",
                format!("{json}Content-Length: {}\r\n\r\n{body}", body.len()),
            ),
            (
                "PUT",
                "",
                "Content-Type: text/plain\r\nIf-Match: \"x\"\r\nContent-Length: 1\r\n\r\nx"
                    .to_owned(),
            ),
            (
                "PUT",
                "",
                format!("{json}Content-Length: 5000\r\n\r\n{}", "x".repeat(5000)),
            ),
        ] {
            for (collection, _) in COLLECTIONS {
                let start = format!(
                    "{method} {collection}/{id}{query} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                );
                let answer = server.raw(&format!("{start}{rest}")).await;
                assert!(
                    answer.starts_with("HTTP/1.1 404 ") && answer.contains("M_NOT_FOUND"),
                    "{answer}"
                );
                answers.insert(
                    answer
                        .lines()
                        .filter(|line| !line.starts_with("date: "))
                        .collect::<String>(),
                );
            }
        }
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
}

async fn a_session_is_of_one_api<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    for _ in 0..8 {
        let (session, text) = (server.name("json").await, server.create("text").await);
        let id = text.path.replace("/rendezvous/", "");
        let as_text = TextSession {
            path: format!("/rendezvous/{}", session.id),
            etag: format!("\"{}\"", session.token),
            ..text.clone()
        };
        let token = text.etag.trim_matches('"').to_owned();
        let as_json = SessionAtToken {
            path: format!("{STABLE}/{id}"),
            id,
            token,
        };
        for request in [
            server.request(Method::GET, &as_text.path),
            server.poll(&as_text).header("prefer", "wait=20"),
            server.put(&as_text, "lost"),
            server.request(Method::DELETE, &as_text.path),
            server.request(Method::GET, &as_json.path),
            server.wait(&as_json, "20"),
            server.put_json(&as_json, "lost"),
            server.put_json(&as_json, "text"),
            server.request(Method::DELETE, &as_json.path),
        ] {
            assert_error(request.send().await.unwrap(), 404, "M_NOT_FOUND").await;
        }
        assert_eq!(server.data(&session).await, "json");
        assert_eq!(server.get(&text).await.text().await.unwrap(), "text");
    }
}

async fn a_session_is_the_same_on_both_paths<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut session = server.name_at(STABLE, "first").await;
    session.path = format!("{UNSTABLE}/{}", session.id);
    session.token = server.write(&session, "second").await;
    session.path = format!("{STABLE}/{}", session.id);
    assert_eq!(server.look(&session).await["sequence_token"], session.token);
}

async fn the_stable_path_has_both_apis<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let text = server
        .post(STABLE, "{\"data\":\"x\"}")
        .send()
        .await
        .unwrap();
    assert_eq!(text.status(), 201);
    assert_session_headers(&text);
    granted(server.post_json(STABLE, "x").send().await.unwrap()).await;
    // A request without either gets the same response as before.
    let neither = server
        .request(Method::POST, STABLE)
        .header("content-type", "text/html")
        .body("x");
    assert_error(neither.send().await.unwrap(), 400, "M_INVALID_PARAM").await;
    assert_error(
        server
            .request(Method::POST, STABLE)
            .body("x")
            .send()
            .await
            .unwrap(),
        400,
        "M_MISSING_PARAM",
    )
    .await;
    assert_error(
        server
            .post_json(crate::support::UNSTABLE, "x")
            .send()
            .await
            .unwrap(),
        400,
        "M_INVALID_PARAM",
    )
    .await;
    assert_error(
        server.post(UNSTABLE, "x").send().await.unwrap(),
        400,
        "M_INVALID_PARAM",
    )
    .await;
}

async fn other_paths_and_methods_are_matrix_errors<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("x").await;
    for path in [
        format!("{STABLE}/"),
        format!("{UNSTABLE}/"),
        format!("{}/x", session.path),
        format!("{UNSTABLE}s"),
    ] {
        for method in [Method::GET, Method::POST, Method::PUT] {
            assert_error(
                server.send(method, &path, "{}").send().await.unwrap(),
                404,
                "M_UNRECOGNIZED",
            )
            .await;
        }
    }
    for (collection, _) in COLLECTIONS {
        for method in [Method::PUT, Method::DELETE, Method::PATCH] {
            let response = server.request(method, collection).send().await.unwrap();
            assert_eq!(header(&response, "allow"), "GET,HEAD,POST");
            assert_error(response, 405, "M_UNRECOGNIZED").await;
        }
        for id in [session.id.as_str(), "x"] {
            for method in [Method::POST, Method::PATCH] {
                let response = server
                    .send(method, &format!("{collection}/{id}"), "{}")
                    .send()
                    .await
                    .unwrap();
                assert_eq!(header(&response, "allow"), "GET,HEAD,PUT,DELETE");
                assert_error(response, 405, "M_UNRECOGNIZED").await;
            }
        }
    }
    let head = server
        .request(Method::HEAD, &session.path)
        .send()
        .await
        .unwrap();
    assert_eq!(head.status(), 200);
    let length: usize = header(&head, "content-length").parse().unwrap();
    assert_eq!(
        length,
        r#"{"data":"x","sequence_token":"","expires_in_ms":299999}"#.len() + session.token.len()
    );
    assert_eq!(head.text().await.unwrap(), "");
}

async fn of_many_writers_that_saw_the_same_payload_one_wins<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let mut session = server.name("start").await;
    for round in 0..20 {
        let writer =
            |n: usize| tokio::spawn(server.put_json(&session, &format!("{round} of {n}")).send());
        let writers: Vec<_> = (0..16).map(writer).collect();
        let mut winners = vec![];
        for (n, writer) in writers.into_iter().enumerate() {
            let response = writer.await.unwrap().unwrap();
            match response.status().as_u16() {
                200 => winners.push((n, token(response).await)),
                _ => assert_error(response, 409, "M_CONCURRENT_WRITE").await,
            }
        }
        let [(n, token)] = &winners[..] else {
            panic!("{winners:?}")
        };
        session.token.clone_from(token);
        let seen = server.look(&session).await;
        assert_eq!(
            (&seen["data"], &seen["sequence_token"]),
            (&json!(format!("{round} of {n}")), &json!(token))
        );
    }
}
