//! Sessions only for users of a homeserver: the server asks the homeserver about an access token.
//! Here the response depends on the first letters of the token.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{Request, StatusCode, header},
    response::{IntoResponse, Response},
};
use matrix_qr_rendezvous::{Creation, Memory, Rate, WhoamiClient};
use reqwest::Method;
use serde_json::json;
use tokio::{net::TcpListener, time::timeout};

use super::*;

each_store! {
    who_has_a_token_of_the_homeserver_creates,
    whoever_knows_a_session_uses_it,
    discovery_says_who_may,
    the_other_api_stays_open,
    a_homeserver_that_does_not_say_is_no_yes_and_no_no,
    what_it_said_is_remembered,
    who_asks_about_a_token_at_once_asks_once,
    one_who_goes_away_leaves_the_question_to_the_next,
    made_up_tokens_are_held_to_the_rate_of_creates,
    there_are_never_many_questions_under_way,
    what_it_says_is_counted,
}

const WHOAMI: &str = "/_matrix/client/v3/account/whoami";

/// A stand-in for the homeserver.
#[derive(Clone, Default)]
struct StandIn {
    url: String,
    /// How many requests there were for each token.
    asked: Arc<Mutex<HashMap<String, usize>>>,
    under_way: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl StandIn {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let this = Self {
            url,
            ..Self::default()
        };
        let shared = this.clone();
        let router = Router::new()
            .fallback(async move |request: Request<Body>| shared.answer(request).await);
        tokio::spawn(async move { axum::serve(listener, router).await });
        this
    }

    async fn answer(&self, request: Request<Body>) -> Response {
        if request.uri().path() == "/elsewhere" {
            return r#"{"user_id":"@mallory:example.org"}"#.into_response();
        }
        assert_eq!(
            (request.method(), request.uri().path()),
            (&Method::GET, WHOAMI),
            "nothing else is asked"
        );
        let token = request.headers()[header::AUTHORIZATION].to_str().unwrap();
        let token = token.strip_prefix("Bearer ").unwrap().to_owned();
        *self.asked.lock().unwrap().entry(token.clone()).or_default() += 1;
        self.most
            .fetch_max(self.under_way.fetch_add(1, Relaxed) + 1, Relaxed);
        let answer = self.about(&token).await;
        self.under_way.fetch_sub(1, Relaxed);
        answer
    }

    async fn about(&self, token: &str) -> Response {
        let user = |more: usize| {
            json!({ "user_id": "@alice:example.org", "x": "x".repeat(more) }).to_string()
        };
        match token.split('-').next().unwrap() {
            "good" => user(0).into_response(),
            "guest" => r#"{"user_id":"@1:example.org","is_guest":true}"#.into_response(),
            "slow" => {
                tokio::time::sleep(Duration::from_millis(300)).await;
                user(0).into_response()
            }
            "bad" => (StatusCode::UNAUTHORIZED, r#"{"errcode":"M_UNKNOWN_TOKEN"}"#).into_response(),
            "banned" => {
                (StatusCode::FORBIDDEN, r#"{"errcode":"M_USER_DEACTIVATED"}"#).into_response()
            }
            "busy" => StatusCode::TOO_MANY_REQUESTS.into_response(),
            "broken" => (StatusCode::INTERNAL_SERVER_ERROR, user(0)).into_response(),
            "moved" => (
                StatusCode::FOUND,
                [(header::LOCATION, format!("{}/elsewhere", self.url))],
            )
                .into_response(),
            "huge" => user(1 << 20).into_response(),
            "nameless" => r#"{"user_id":""}"#.into_response(),
            "html" => "<html>".into_response(),
            "hangs" => std::future::pending().await,
            other => panic!("{other}"),
        }
    }

    async fn before<S: TestStore>(&self) -> TestServer<S> {
        self.before_with(|_| {}).await
    }

    async fn before_with<S: TestStore>(
        &self,
        change: impl FnOnce(&mut matrix_qr_rendezvous::Config),
    ) -> TestServer<S> {
        let homeserver = WhoamiClient::new(self.url.parse().unwrap()).unwrap();
        TestServer::with(|config| {
            config.creation = Creation::Authenticated(homeserver);
            change(config);
        })
        .await
    }

    fn asked(&self, token: &str) -> usize {
        self.asked
            .lock()
            .unwrap()
            .get(token)
            .copied()
            .unwrap_or_default()
    }

    fn asked_in_all(&self) -> usize {
        self.asked.lock().unwrap().values().sum()
    }
}

impl<S: Store> TestServer<S> {
    fn discover(&self, collection: &str) -> RequestBuilder {
        self.request(Method::GET, collection)
    }
}

async fn available(request: RequestBuilder) -> bool {
    let body = granted(request.send().await.unwrap()).await;
    assert_eq!(body.as_object().unwrap().len(), 1);
    body["create_available"].as_bool().unwrap()
}

async fn assert_unavailable(request: RequestBuilder) {
    let response = timeout(SOON, request.send()).await.unwrap().unwrap();
    assert_eq!(header(&response, "retry-after"), "1");
    let (status, errcode, body) = error(response).await;
    assert_eq!((status, errcode.as_str()), (503, "M_UNKNOWN"));
    assert_eq!(body["retry_after_ms"], 1000);
}

async fn who_has_a_token_of_the_homeserver_creates<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver.before::<S>().await;
    for (collection, _) in COLLECTIONS {
        granted(
            server
                .post_json(collection, "x")
                .bearer_auth("good-1")
                .send()
                .await
                .unwrap(),
        )
        .await;
        let without = server.post_json(collection, "x");
        for request in [
            without.try_clone().unwrap(),
            without.try_clone().unwrap().bearer_auth("bad"),
            without.try_clone().unwrap().bearer_auth("banned"),
            without.try_clone().unwrap().bearer_auth("guest"),
            without.try_clone().unwrap().bearer_auth(""),
            without
                .try_clone()
                .unwrap()
                .basic_auth("good-1", Some("good-1")),
            without
                .try_clone()
                .unwrap()
                .header("authorization", "good-1"),
            without
                .try_clone()
                .unwrap()
                .bearer_auth("good-1")
                .bearer_auth("good-1"),
            // Not reachable.
            server.post_json(&format!("{collection}?access_token=good-1"), "x"),
        ] {
            assert_error(request.send().await.unwrap(), 403, "M_FORBIDDEN").await;
        }
        // The response does not reveal what else is wrong with the request.
        let wrong = server
            .send(Method::POST, collection, "no json")
            .send()
            .await
            .unwrap();
        assert_error(wrong, 403, "M_FORBIDDEN").await;
        let wrong = server
            .send(Method::POST, collection, "no json")
            .bearer_auth("good-1");
        assert_error(wrong.send().await.unwrap(), 400, "M_NOT_JSON").await;
    }
    assert_eq!(server.rendezvous.sessions(), 2);
}

async fn whoever_knows_a_session_uses_it<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver.before::<S>().await;
    let created = server
        .post_json(STABLE, "first")
        .bearer_auth("good")
        .send()
        .await
        .unwrap();
    let body = granted(created).await;
    let text = |field: &str| body[field].as_str().unwrap().to_owned();
    let session = SessionAtToken {
        path: format!("{STABLE}/{}", text("id")),
        id: text("id"),
        token: text("sequence_token"),
    };
    assert_eq!(server.data(&session).await, "first");
    server.write(&session, "second").await;
    let with_another = server
        .request(Method::GET, &session.path)
        .bearer_auth("bad");
    assert_eq!(
        granted(with_another.send().await.unwrap()).await["data"],
        "second"
    );
    granted(
        server
            .request(Method::DELETE, &session.path)
            .send()
            .await
            .unwrap(),
    )
    .await;
    assert_eq!(homeserver.asked("bad"), 0);
}

async fn discovery_says_who_may<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver
        .before_with::<S>(|config| config.limits.deny = vec!["192.0.2.9/32".parse().unwrap()]);
    let server = server.await;
    for (collection, _) in COLLECTIONS {
        let discover = || server.discover(collection).from(ONE);
        assert!(!available(discover()).await);
        assert!(!available(discover().bearer_auth("bad")).await);
        assert!(available(discover().bearer_auth("good")).await);
        let denied = server
            .discover(collection)
            .bearer_auth("good")
            .from("192.0.2.9");
        assert_error(denied.send().await.unwrap(), 403, "M_FORBIDDEN").await;
        let shown = server
            .discover(collection)
            .bearer_auth("good")
            .header("sec-fetch-mode", "navigate");
        assert_error(shown.send().await.unwrap(), 403, "M_FORBIDDEN").await;
    }
}

async fn the_other_api_stays_open<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver.before::<S>().await;
    for path in CREATE_PATHS {
        server.create_at(path, "x").await;
        assert_eq!(
            server
                .post(path, "x")
                .bearer_auth("bad")
                .send()
                .await
                .unwrap()
                .status(),
            201
        );
    }
    assert_eq!(homeserver.asked_in_all(), 0);
}

async fn a_homeserver_that_does_not_say_is_no_yes_and_no_no<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver.before::<S>().await;
    for token in ["busy", "broken", "moved", "huge", "nameless", "html"] {
        assert_unavailable(server.post_json(STABLE, "x").bearer_auth(token)).await;
        assert_unavailable(server.discover(UNSTABLE).bearer_auth(token)).await;
    }
    let nobody = StandIn {
        url: "http://127.0.0.1:1".to_owned(),
        ..StandIn::default()
    };
    let server = nobody.before::<S>().await;
    assert_unavailable(server.post_json(STABLE, "x").bearer_auth("good")).await;
    assert_error(
        server.post_json(STABLE, "x").send().await.unwrap(),
        403,
        "M_FORBIDDEN",
    )
    .await;
    assert_eq!(server.rendezvous.sessions(), 0);
}

async fn what_it_said_is_remembered<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver.before::<S>().await;
    for round in 0..5 {
        granted(
            server
                .post_json(STABLE, "x")
                .bearer_auth("good")
                .send()
                .await
                .unwrap(),
        )
        .await;
        assert!(available(server.discover(UNSTABLE).bearer_auth("good")).await);
        assert!(!available(server.discover(STABLE).bearer_auth("bad")).await);
        let refused = server.post_json(UNSTABLE, "x").bearer_auth("bad");
        assert_error(refused.send().await.unwrap(), 403, "M_FORBIDDEN").await;
        assert!(available(server.discover(STABLE).bearer_auth(format!("good-{round}"))).await);
    }
    assert_eq!((homeserver.asked("good"), homeserver.asked("bad")), (1, 1));
    assert_eq!(homeserver.asked_in_all(), 7);
    // An error of the homeserver is remembered for a short time only.
    let broken = || server.discover(STABLE).bearer_auth("broken");
    assert_unavailable(broken()).await;
    assert_unavailable(broken()).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_unavailable(broken()).await;
    assert_eq!(homeserver.asked("broken"), 2);
}

async fn who_asks_about_a_token_at_once_asks_once<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver.before::<S>().await;
    let create = |_| tokio::spawn(server.post_json(STABLE, "x").bearer_auth("slow").send());
    let tasks: Vec<_> = (0..20).map(create).collect();
    for task in tasks {
        granted(timeout(SOON, task).await.unwrap().unwrap().unwrap()).await;
    }
    assert_eq!(homeserver.asked("slow"), 1);
}

async fn one_who_goes_away_leaves_the_question_to_the_next<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver.before::<S>().await;
    let create = || tokio::spawn(server.post_json(STABLE, "x").bearer_auth("slow").send());
    let first = create();
    let asked = async {
        while homeserver.asked("slow") == 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(SOON, asked).await.expect("nobody asks");
    let second = create();
    tokio::time::sleep(Duration::from_millis(50)).await;
    first.abort();
    granted(timeout(SOON, second).await.unwrap().unwrap().unwrap()).await;
    assert_eq!(homeserver.asked("slow"), 2);
}

async fn made_up_tokens_are_held_to_the_rate_of_creates<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver
        .before_with::<S>(|config| config.limits.creates = Rate::new(1, 5))
        .await;
    let from = |request: RequestBuilder| request.header("x-forwarded-for", "192.0.2.1");
    assert!(available(from(server.discover(STABLE).bearer_auth("good"))).await);
    let mut refused = 0;
    for n in 0..20 {
        let response = from(server.discover(STABLE).bearer_auth(format!("bad-{n}")))
            .send()
            .await
            .unwrap();
        if response.status() == 429 {
            refused += 1;
            assert_error(response, 429, "M_LIMIT_EXCEEDED").await;
        }
    }
    assert_eq!((refused, homeserver.asked_in_all()), (16, 5));
    // A known token does not count for the rate, and the rate does not affect other networks.
    assert!(available(from(server.discover(STABLE).bearer_auth("good"))).await);
    assert!(!available(from(server.discover(STABLE))).await);
    let create = from(server.post_json(STABLE, "x").bearer_auth("good"));
    assert_error(create.send().await.unwrap(), 429, "M_LIMIT_EXCEEDED").await;
    let other = server
        .discover(STABLE)
        .bearer_auth("bad-99")
        .header("x-forwarded-for", "192.0.2.2");
    assert!(!available(other).await);
}

async fn there_are_never_many_questions_under_way<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver.before::<S>().await;
    let create = |n| {
        tokio::spawn(
            server
                .post_json(STABLE, "x")
                .bearer_auth(format!("slow-{n}"))
                .send(),
        )
    };
    let tasks: Vec<_> = (0..40).map(create).collect();
    for task in tasks {
        granted(timeout(SOON, task).await.unwrap().unwrap().unwrap()).await;
    }
    assert_eq!(homeserver.asked_in_all(), 40);
    assert_eq!(homeserver.most.load(Relaxed), 16);
}

async fn what_it_says_is_counted<S: TestStore>() {
    let homeserver = StandIn::start().await;
    let server = homeserver.before::<S>().await;
    for token in ["good-1", "good-2", "good-2", "bad", "broken"] {
        server
            .post_json(STABLE, "x")
            .bearer_auth(token)
            .send()
            .await
            .unwrap();
    }
    server.post_json(STABLE, "x").send().await.unwrap();
    let (_, text) = ask(&server, "/metrics").await;
    for line in [
        "rendezvous_whoami_total{result=\"good\"} 2",
        "rendezvous_whoami_total{result=\"bad\"} 1",
        "rendezvous_whoami_total{result=\"unavailable\"} 1",
        "rendezvous_refusals_total{reason=\"no_token\"} 2",
        "rendezvous_refusals_total{reason=\"no_homeserver\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} in {text}");
    }
    assert!(!text.contains("good-"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_homeserver_that_hangs_is_waited_for_once_and_not_for_long() {
    let homeserver = StandIn::start().await;
    let server = homeserver.before::<Memory>().await;
    let started = Instant::now();
    let ask = |n: usize| {
        let request = if n.is_multiple_of(2) {
            server.post_json(STABLE, "x")
        } else {
            server.discover(STABLE)
        };
        tokio::spawn(assert_unavailable(request.bearer_auth("hangs")))
    };
    let tasks: Vec<_> = (0..10).map(ask).collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = started.elapsed();
    assert!(
        took >= Duration::from_secs(4) && took < Duration::from_secs(8),
        "{took:?}"
    );
    assert_eq!(homeserver.asked("hangs"), 1);
}
