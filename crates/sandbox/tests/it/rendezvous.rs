use matrix_qr_sandbox::{Fault, Method, Options};
use reqwest::{RequestBuilder, Response, Url};
use serde_json::{Value, json};

use crate::common::{TestEnv, options, world, world_with};

fn text_plain(request: RequestBuilder, body: &'static str) -> RequestBuilder {
    request.header("content-type", "text/plain").body(body)
}

async fn create(world: &TestEnv) -> Response {
    text_plain(world.http.post(world.sandbox.rendezvous()), "hello")
        .send()
        .await
        .unwrap()
}

async fn session(world: &TestEnv) -> (String, String) {
    let response = create(world).await;
    assert_eq!(response.status(), 201);
    let etag = response.headers()["etag"].to_str().unwrap().to_owned();
    let body: Value = response.json().await.unwrap();
    (body["url"].as_str().unwrap().to_owned(), etag)
}

#[tokio::test]
async fn the_service_is_beside_the_homeserver() {
    let world = world().await;
    let unstable = world.hs("unstable/org.matrix.msc4108/rendezvous");
    for create in [world.sandbox.rendezvous().to_string(), unstable] {
        let response = text_plain(world.http.post(create), "hello")
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 201);
        assert_eq!(response.headers()["access-control-allow-origin"], "*");
    }
    let (url, etag) = session(&world).await;
    assert!(
        url.starts_with(world.sandbox.homeserver().as_str()),
        "{url}"
    );
    let put = text_plain(world.http.put(&url).header("if-match", etag), "again")
        .send()
        .await
        .unwrap();
    assert_eq!(put.status(), 202);
    assert_eq!(
        world
            .http
            .get(&url)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap(),
        "again"
    );
    assert_eq!(world.http.delete(&url).send().await.unwrap().status(), 204);
    let requests = world.sandbox.record().rendezvous_requests;
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
    let world = world_with(Options {
        rendezvous_redirect: Some(elsewhere.clone()),
        ..options()
    })
    .await;
    let response = create(&world).await;
    assert_eq!(response.status(), 307);
    assert_eq!(response.headers()["location"], elsewhere.as_str());
}

#[tokio::test]
async fn a_lost_answer_is_to_a_request_that_happened() {
    let world = world().await;
    let (url, etag) = session(&world).await;
    world.sandbox.faults().set(Fault::LoseAnswer {
        method: Method::PUT,
        nth: 1,
    });
    let put = || text_plain(world.http.put(&url).header("if-match", &etag), "written");
    assert!(put().send().await.is_err());
    assert_eq!(
        world
            .http
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
    let world = world().await;
    let (url, etag) = session(&world).await;
    world.sandbox.faults().set(Fault::DropRequest {
        method: Method::PUT,
        nth: 1,
    });
    let put = || text_plain(world.http.put(&url).header("if-match", &etag), "written");
    assert!(put().send().await.is_err());
    assert_eq!(
        world
            .http
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
    let world = world().await;
    let (url, etag) = session(&world).await;
    let held = world
        .http
        .get(&url)
        .header("if-none-match", &etag)
        .header("prefer", "wait=30")
        .send();
    let gone = async {
        while !world
            .sandbox
            .record()
            .rendezvous_requests
            .contains_key("GET")
        {
            tokio::task::yield_now().await;
        }
        world.sandbox.faults().set(Fault::RendezvousGone);
    };
    let (held, ()) = tokio::join!(held, gone);
    assert_eq!(held.unwrap().status(), 404);

    world.sandbox.faults().clear();
    let (url, _) = session(&world).await;
    world.sandbox.faults().set(Fault::RendezvousGone);
    assert_eq!(world.http.get(&url).send().await.unwrap().status(), 404);
    world.sandbox.faults().clear();
    assert_eq!(
        world.http.get(&url).send().await.unwrap().status(),
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
    let world = world().await;
    for path in ["v1/rendezvous", "unstable/io.element.msc4388/rendezvous"] {
        let create = world.hs(path);
        assert_eq!(offers(world.http.get(&create)).await, true);
        let created = world
            .http
            .post(&create)
            .json(&json!({ "data": "hello" }))
            .send()
            .await
            .unwrap();
        assert_eq!(created.status(), 200);
        let created: Value = created.json().await.unwrap();
        let url = format!("{create}/{}", created["id"].as_str().unwrap());
        let read: Value = world
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
        world.sandbox.faults().set(Fault::RendezvousGone);
        assert_eq!(world.http.get(&url).send().await.unwrap().status(), 404);
        world.sandbox.faults().clear();
    }
}

#[tokio::test]
async fn a_server_may_want_to_know_who_makes_a_session() {
    let world = world().await;
    let token = world
        .sandbox
        .first_session("SOMEDEVICE")
        .await
        .unwrap()
        .access_token;
    world.sandbox.faults().set(Fault::RendezvousWantsToken);
    let collection = world.hs("unstable/io.element.msc4388/rendezvous");
    let create = || world.http.post(&collection).json(&json!({ "data": "" }));
    for (bearer, may) in [
        (None, false),
        (Some("made up"), false),
        (Some(token.as_str()), true),
    ] {
        let as_them = |request: RequestBuilder| match bearer {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        assert_eq!(offers(as_them(world.http.get(&collection))).await, may);
        let status = as_them(create()).send().await.unwrap().status();
        assert_eq!(status, if may { 200 } else { 403 });
    }
    session(&world).await;
}

#[tokio::test]
async fn a_full_server_refuses_new_sessions_only() {
    let world = world().await;
    let (url, _) = session(&world).await;
    world.sandbox.faults().set(Fault::RendezvousFull);
    let refused = create(&world).await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["access-control-allow-origin"], "*");
    assert_eq!(world.http.get(&url).send().await.unwrap().status(), 200);
}
