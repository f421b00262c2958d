//! Web clients: they may read every answer, and nothing stored here can be shown as a page.

use reqwest::{Method, Response, StatusCode};

use crate::support::*;

fn list(response: &Response, name: &str) -> Vec<String> {
    header(response, name)
        .split(',')
        .map(|item| item.trim().to_ascii_lowercase())
        .collect()
}

pub(crate) fn assert_readable_by_scripts(response: &Response) {
    assert_eq!(header(response, "access-control-allow-origin"), "*");
    let exposed = list(response, "access-control-expose-headers");
    for name in [
        "etag",
        "expires",
        "last-modified",
        "date",
        "preference-applied",
        "retry-after",
    ] {
        assert!(
            exposed.iter().any(|exposed| exposed == name),
            "{name} in {exposed:?}"
        );
    }
    let allowed = list(response, "access-control-allow-headers");
    for name in [
        "if-match",
        "if-none-match",
        "content-type",
        "prefer",
        "authorization",
        "traceparent",
        "tracestate",
        "sentry-trace",
        "baggage",
    ] {
        assert!(
            allowed.iter().any(|allowed| allowed == name),
            "{name} in {allowed:?}"
        );
    }
    let methods = list(response, "access-control-allow-methods");
    for method in ["get", "put", "post", "delete", "options"] {
        assert!(
            methods.iter().any(|allowed| allowed == method),
            "{method} in {methods:?}"
        );
    }
}

pub(crate) fn assert_harmless(response: &Response) {
    assert_eq!(header(response, "x-content-type-options"), "nosniff");
    assert!(header(response, "content-security-policy").contains("default-src 'none'"));
    assert_eq!(header(response, "cache-control"), "no-store, no-transform");
    assert_eq!(header(response, "pragma"), "no-cache");
    assert!(httpdate::parse_http_date(&header(response, "date")).is_ok());
}

async fn every_answer_is_readable_by_scripts_and_harmless<S: TestStore>() {
    let server = TestServer::<S>::with(|config| config.limits.max_sessions = 3).await;
    let (session, stale) = (server.create("x").await, server.create("x").await);
    server.put(&stale, "y").send().await.unwrap();
    let to_delete = server.create("x").await;
    let malformed = TextSession {
        etag: "*".to_owned(),
        ..session.clone()
    };
    let answers = [
        (200, server.request(Method::GET, &session.path)),
        (200, server.request(Method::HEAD, &session.path)),
        (202, server.put(&session, "y")),
        (204, server.request(Method::DELETE, &to_delete.path)),
        (201, server.post(STABLE, "x")),
        (204, server.request(Method::OPTIONS, STABLE)),
        (204, server.request(Method::OPTIONS, "/nowhere")),
        (400, server.put(&malformed, "y")),
        (400, server.request(Method::POST, STABLE).body("x")),
        (
            403,
            server
                .request(Method::GET, &session.path)
                .header("sec-fetch-mode", "navigate"),
        ),
        (404, server.request(Method::GET, &to_delete.path)),
        (404, server.request(Method::GET, "/nowhere")),
        (405, server.request(Method::PUT, STABLE)),
        (405, server.request(Method::GET, BARE)),
        (405, server.request(Method::PATCH, &session.path)),
        (412, server.put(&stale, "y")),
        (413, server.post(STABLE, vec![7; 4097])),
        (429, server.post(STABLE, "x")),
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
    }
    let response = server
        .poll(&TextSession {
            etag: header(&server.get(&stale).await, "etag"),
            ..stale
        })
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
    assert_readable_by_scripts(&response);
    assert_harmless(&response);
}

async fn a_preflight_is_granted<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("x").await;
    for (path, method, headers) in [
        (STABLE, "POST", "content-type"),
        (BARE, "POST", "content-type"),
        (session.path.as_str(), "GET", "if-none-match,prefer"),
        (session.path.as_str(), "PUT", "content-type,if-match"),
        (session.path.as_str(), "DELETE", ""),
        ("/rendezvous/AAAAAAAAAAAAAAAAAAAAAA", "GET", "if-none-match"),
    ] {
        let response = server
            .request(Method::OPTIONS, path)
            .header("origin", "https://app.example")
            .header("access-control-request-method", method)
            .header("access-control-request-headers", headers)
            .header("sec-fetch-mode", "cors")
            .header("sec-fetch-dest", "empty")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        assert_readable_by_scripts(&response);
        assert!(
            header(&response, "access-control-max-age")
                .parse::<u32>()
                .unwrap()
                > 0
        );
        assert!(response.headers().get("etag").is_none());
    }
}

async fn a_navigation_is_refused_and_a_script_is_not<S: TestStore>() {
    let server = TestServer::<S>::start().await;
    let session = server.create("secret").await;
    let with = |mode: &'static str, dest: &'static str| {
        server
            .request(Method::GET, &session.path)
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
        let response = with(mode, dest).await.unwrap();
        let (status, errcode, body) = error(response).await;
        assert_eq!((status, errcode.as_str()), (403, "M_FORBIDDEN"));
        assert!(!body.to_string().contains("secret"));
    }
    let form = server
        .post(STABLE, "x")
        .header("sec-fetch-mode", "navigate")
        .header("sec-fetch-dest", "document");
    assert_error(form.send().await.unwrap(), 403, "M_FORBIDDEN").await;
    assert_eq!(server.rendezvous.sessions(), 1);
    for (mode, dest) in [("cors", "empty"), ("same-origin", "empty")] {
        assert_eq!(
            with(mode, dest).await.unwrap().text().await.unwrap(),
            "secret"
        );
    }
}

each_store! {
    every_answer_is_readable_by_scripts_and_harmless,
    a_preflight_is_granted,
    a_navigation_is_refused_and_a_script_is_not,
}
