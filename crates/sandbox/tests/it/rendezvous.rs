use matrix_qr_sandbox::{Fault, Method, Options};
use reqwest::{RequestBuilder, Response, Url};
use serde_json::{Value, json};

use crate::common::{TestEnv, env, options, world_with};

fn text_plain(request: RequestBuilder, body: &'static str) -> RequestBuilder {
    request.header("content-type", "text/plain").body(body)
}

async fn create(env: &TestEnv) -> Response {
    text_plain(env.http.post(env.sandbox.rendezvous()), "hello")
        .send()
        .await
        .unwrap()
}

async fn session(env: &TestEnv) -> (String, String) {
    let response = create(env).await;
    assert_eq!(response.status(), 201);
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let body: Value = response.json().await.unwrap();
    (body["url"].as_str().unwrap().to_owned(), etag)
}

#[tokio::test]
async fn the_service_is_beside_the_homeserver() {
    let env = env().await;
    let unstable = env.hs("unstable/org.matrix.msc4108/rendezvous");
    for create in [env.sandbox.rendezvous().to_string(), unstable] {
        let response = text_plain(env.http.post(create), "hello")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
    }
    let (url, etag) = session(&env).await;
    assert!(url.starts_with(env.sandbox.homeserver().as_str()), "{url}");
    let put = text_plain(env.http.put(&url).header("if-match", etag), "again")
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 202);
    assert_eq!(
        env.http
            .get(&url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "again"
    );
    assert_eq!(env.http.delete(&url).send().await.unwrap().status(), 204);
    let requests = env.sandbox.record().rendezvous_requests;
    let expected = [("DELETE", 1), ("GET", 1), ("POST", 3), ("PUT", 1)];
    assert_eq!(
        requests
            .iter()
            .map(|(method, n)| (method.as_str(), *n))
            .collect::<Vec<_>>(),
        expected
    );
}

#[tokio::test]
async fn a_homeserver_may_send_its_clients_elsewhere() {
    let elsewhere: Url = "https://rendezvous.example/create".parse().unwrap();
    let env = world_with(Options {
        rendezvous_redirect: Some(elsewhere.clone()),
        ..options()
    })
    .await;
    let response = create(&env).await;
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"], elsewhere.as_str());
}

#[tokio::test]
async fn a_lost_answer_is_to_a_request_that_happened() {
    let env = env().await;
    let (url, etag) = session(&env).await;
    env.sandbox.faults().set(Fault::LoseAnswer {
        method: Method::PUT,
        nth: 1,
    });
    let put = || text_plain(env.http.put(&url).header("if-match", &etag), "written");
    assert!(put().send().await.is_err());
    assert_eq!(
        env.http
            .get(&url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "written"
    );
    assert_eq!(
        put().send().await.unwrap().status(),
        412,
        "only the first is lost"
    );
}

#[tokio::test]
async fn a_dropped_request_did_not_happen() {
    let env = env().await;
    let (url, etag) = session(&env).await;
    env.sandbox.faults().set(Fault::DropRequest {
        method: Method::PUT,
        nth: 1,
    });
    let put = || text_plain(env.http.put(&url).header("if-match", &etag), "written");
    assert!(put().send().await.is_err());
    assert_eq!(
        env.http
            .get(&url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "hello"
    );
    assert_eq!(put().send().await.unwrap().status(), 202);
}

#[tokio::test]
async fn a_session_goes_away_under_who_uses_it_and_who_waits() {
    let env = env().await;
    let (url, etag) = session(&env).await;
    let held = env
        .http
        .get(&url)
        .header("if-none-match", &etag)
        .header("prefer", "wait=30")
        .send();
    let gone = async {
        while !env.sandbox.record().rendezvous_requests.contains_key("GET") {
            tokio::task::yield_now().await;
        }
        env.sandbox.faults().set(Fault::RendezvousGone);
    };
    let (held, ()) = tokio::join!(held, gone);
    assert_eq!(held.unwrap().status(), 404);

    env.sandbox.faults().clear();
    let (url, _) = session(&env).await;
    env.sandbox.faults().set(Fault::RendezvousGone);
    assert_eq!(env.http.get(&url).send().await.unwrap().status(), 404);
    env.sandbox.faults().clear();
    assert_eq!(
        env.http.get(&url).send().await.unwrap().status(),
        404,
        "it does not come back"
    );
}

async fn offers(request: RequestBuilder) -> Value {
    let answer: Value = request.send().await.unwrap().json().await.unwrap();
    answer["create_available"].clone()
}

#[tokio::test]
async fn the_coming_kind_of_session_is_beside_the_homeserver_too() {
    let env = env().await;
    for path in ["v1/rendezvous", "unstable/io.element.msc4388/rendezvous"] {
        let create = env.hs(path);
        assert_eq!(offers(env.http.get(&create)).await, true);
        let created = env
            .http
            .post(&create)
            .json(&json!({ "data": "hello" }))
            .send()
            .await
            .unwrap();
        assert_eq!(created.status(), 200);
        let created: Value = created.json().await.unwrap();
        let url = format!("{create}/{}", created["id"].as_str().unwrap());
        let read: Value = env
            .http
            .get(&url)
            .send()
            .await
            .unwrap()
            .json()
            .await
            .unwrap();
        assert_eq!(
            (&read["data"], &read["sequence_token"]),
            (&json!("hello"), &created["sequence_token"])
        );
        env.sandbox.faults().set(Fault::RendezvousGone);
        assert_eq!(env.http.get(&url).send().await.unwrap().status(), 404);
        env.sandbox.faults().clear();
    }
}

#[tokio::test]
async fn a_server_may_want_to_know_who_makes_a_session() {
    let env = env().await;
    let token = env
        .sandbox
        .first_session("SOMEDEVICE")
        .await
        .unwrap()
        .access_token;
    env.sandbox.faults().set(Fault::RendezvousWantsToken);
    let collection = env.hs("unstable/io.element.msc4388/rendezvous");
    let create = || env.http.post(&collection).json(&json!({ "data": "" }));
    for (bearer, may) in [
        (None, false),
        (Some("made up"), false),
        (Some(token.as_str()), true),
    ] {
        let as_them = |request: RequestBuilder| match bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        assert_eq!(offers(as_them(env.http.get(&collection))).await, may);
        let status = as_them(create()).send().await.unwrap().status();
        assert_eq!(status, if may { 200 } else { 403 });
    }
    session(&env).await;
}

#[tokio::test]
async fn a_full_server_refuses_new_sessions_only() {
    let env = env().await;
    let (url, _) = session(&env).await;
    env.sandbox.faults().set(Fault::RendezvousFull);
    let refused = create(&env).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
    assert_eq!(env.http.get(&url).send().await.unwrap().status(), 200);
}
