//! Web clients: they may read every response, and no payload can be shown as a page ("Unsafe
//! content").

use matrix_qr_rendezvous::{Creation, WhoamiClient};
use reqwest::Method;
use serde_json::json;

use super::*;
use crate::browsers::{assert_harmless, assert_readable_by_scripts};

each_store! {
    every_answer_is_readable_by_scripts_and_harmless,
    a_preflight_is_granted,
    a_navigation_is_refused_and_a_script_is_not,
}

async fn every_answer_is_readable_by_scripts_and_harmless<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.max_sessions = 3).await;
    let authenticated = TestServer::<S>::with(|config| {
        let nobody = WhoamiClient::new("http://127.0.0.1:1/".parse().unwrap()).unwrap();
        config.creation = Creation::Authenticated(nobody);
    });
    let authenticated = authenticated.await;
    let (session, stale) = (server.name("x").await, server.name("x").await);
    server.write(&stale, "y").await;
    let to_delete = server.name("x").await;
    let answers = [
        (200, server.request(Method::GET, STABLE)),
        (200, server.request(Method::HEAD, UNSTABLE)),
        (200, server.request(Method::GET, &session.path)),
        (200, server.request(Method::HEAD, &session.path)),
        (200, server.wait(&session, "0")),
        (200, server.put_json(&session, "y")),
        (200, server.put_json(&session, "y")),
        (200, server.request(Method::DELETE, &to_delete.path)),
        (200, server.post_json(UNSTABLE, "x")),
        (204, server.request(Method::OPTIONS, UNSTABLE)),
        (204, server.request(Method::OPTIONS, &session.path)),
        (400, server.send(Method::PUT, &session.path, "x")),
        (400, server.send(Method::POST, STABLE, json!({}))),
        (400, server.request(Method::POST, UNSTABLE).body("x")),
        (
            403,
            server
                .request(Method::GET, &session.path)
                .header("sec-fetch-mode", "navigate"),
        ),
        (403, authenticated.post_json(STABLE, "x")),
        (404, server.request(Method::GET, &to_delete.path)),
        (405, server.request(Method::PUT, UNSTABLE)),
        (405, server.request(Method::PATCH, &session.path)),
        (409, server.put_json(&stale, "z")),
        (413, server.post_json(STABLE, &"x".repeat(4097))),
        (429, server.post_json(STABLE, "x")),
        (503, authenticated.post_json(STABLE, "x").bearer_auth("x")),
    ];
    for (status, request) in answers {
        let response = request
            .header("origin", "https://app.example")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status().as_u16(), status);
        assert_readable_by_scripts(&response);
        assert_harmless(&response);
        if response.status() != 204 {
            assert_eq!(header(&response, "content-type"), "application/json");
        }
    }
}

async fn a_preflight_is_granted<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("x").await;
    for (path, method, headers) in [
        (STABLE, "POST", "authorization,content-type"),
        (STABLE, "GET", "authorization"),
        (UNSTABLE, "POST", "authorization,content-type"),
        (UNSTABLE, "GET", "authorization"),
        (session.path.as_str(), "GET", "prefer"),
        (session.path.as_str(), "PUT", "content-type"),
        (session.path.as_str(), "DELETE", ""),
        (
            &format!("{UNSTABLE}/AAAAAAAAAAAAAAAAAAAAAA"),
            "GET",
            "prefer",
        ),
    ] {
        let request = server
            .request(Method::OPTIONS, path)
            .header("origin", "https://app.example");
        let request = request.header("access-control-request-method", method);
        let request = request.header("access-control-request-headers", headers);
        let response = request
            .header("sec-fetch-mode", "cors")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 204, "{method} {path}");
        assert_readable_by_scripts(&response);
        assert!(
            header(&response, "access-control-max-age")
                .parse::<u32>()
                .unwrap()
                > 0
        );
    }
}

async fn a_navigation_is_refused_and_a_script_is_not<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.name("secret").await;
    for (method, path) in [
        (Method::GET, STABLE),
        (Method::GET, session.path.as_str()),
        (Method::PUT, session.path.as_str()),
        (Method::DELETE, session.path.as_str()),
        (Method::POST, UNSTABLE),
    ] {
        let with = |mode: &str, dest: &str| {
            let body = json!({ "sequence_token": session.token, "data": "lost" });
            let request = server.send(method.clone(), path, body);
            request
                .header("sec-fetch-mode", mode)
                .header("sec-fetch-dest", dest)
                .send()
        };
        for (mode, dest) in [
            ("navigate", "document"),
            ("navigate", "iframe"),
            ("no-cors", "image"),
            ("no-cors", "script"),
        ] {
            let (status, errcode, body) = error(with(mode, dest).await.unwrap()).await;
            assert_eq!(
                (status, errcode.as_str()),
                (403, "M_FORBIDDEN"),
                "{method} {path}"
            );
            assert!(!body.to_string().contains("secret"));
        }
    }
    assert_eq!(server.rendezvous.sessions(), 1);
    for (mode, dest) in [("cors", "empty"), ("same-origin", "empty")] {
        let request = server
            .request(Method::GET, &session.path)
            .header("sec-fetch-mode", mode);
        let response = request.header("sec-fetch-dest", dest).send().await.unwrap();
        assert_eq!(granted(response).await["data"], "secret");
    }
}
