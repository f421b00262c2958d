//! One device's end of a session of MSC4388.

use std::time::Duration;

use matrix_qr_device::client_server_api::Homeserver;
use matrix_qr_device::rendezvous_client::{RendezvousClient, RendezvousError};
use matrix_qr_device::secret::Secret;
use matrix_qr_protocol::driver::Delivery;
use matrix_qr_protocol::error::ToUserError;
use matrix_qr_protocol::homeserver::BaseUrl;
use matrix_qr_protocol::rendezvous::{ApiRoot, Location, Payload, RendezvousApiError, SessionId};
use matrix_qr_protocol::revision::Prefix;
use serde_json::{Value, json};

use crate::server::{Asked, Reply, Server, http};

const UNSTABLE: &str = "/_matrix/client/unstable/io.element.msc4388/rendezvous";
const STABLE: &str = "/_matrix/client/v1/rendezvous";

/// One session, and what is to go wrong with it.
struct Room {
    collection: &'static str,
    data: String,
    token: u32,
    /// The next request of that method is answered so instead.
    instead: Vec<(&'static str, Reply)>,
    /// A write happens, and its answer is lost; then the other device writes this, if anything.
    lose_answer: Option<Option<&'static str>>,
}

impl Room {
    fn at(collection: &'static str) -> Self {
        Self {
            collection,
            data: String::new(),
            token: 1,
            instead: Vec::new(),
            lose_answer: None,
        }
    }

    fn instead(mut self, method: &'static str, reply: Reply) -> Self {
        self.instead.push((method, reply));
        self
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let path = asked.path.split('?').next().unwrap();
        let Some(below) = path.strip_prefix(self.collection) else {
            return Reply::unrecognized();
        };
        if let Some(place) = self
            .instead
            .iter()
            .position(|(method, _)| *method == asked.method)
        {
            return self.instead.remove(place).1;
        }
        match (asked.method.as_str(), below) {
            ("GET", "") => Reply::json(200, json!({ "create_available": true })),
            ("POST", "") => Reply::json(200, self.head("id", json!("session.ID"))),
            ("GET", "/session.ID") => Reply::json(200, self.head("data", json!(self.data))),
            ("PUT", "/session.ID") => self.write(&serde_json::from_slice(&asked.body).unwrap()),
            ("DELETE", "/session.ID") => Reply::json(200, json!({})),
            _ => Reply::json(404, json!({ "errcode": "M_NOT_FOUND", "error": "gone" })),
        }
    }

    fn head(&self, key: &str, value: Value) -> Value {
        json!({ key: value, "sequence_token": self.token.to_string(), "expires_in_ms": 240_000 })
    }

    fn write(&mut self, body: &Value) -> Reply {
        let data = body["data"].as_str().unwrap();
        if body["sequence_token"].as_str().unwrap().parse() != Ok(self.token) {
            return match data == self.data {
                true => Reply::json(200, json!({ "sequence_token": self.token.to_string() })),
                false => Reply::json(
                    409,
                    json!({ "errcode": "M_CONCURRENT_WRITE", "error": "late" }),
                ),
            };
        }
        self.put(data);
        if let Some(then) = self.lose_answer.take() {
            then.into_iter().for_each(|data| self.put(data));
            return Reply::Close;
        }
        Reply::json(200, json!({ "sequence_token": self.token.to_string() }))
    }

    fn put(&mut self, data: &str) {
        (self.data, self.token) = (data.to_owned(), self.token + 1);
    }
}

async fn serve(mut room: Room) -> Server {
    Server::start(move |asked| room.answer(asked)).await
}

fn base(server: &Server) -> BaseUrl {
    BaseUrl::parse(server.url.as_str()).unwrap()
}

async fn create(server: &Server, token: Option<&str>) -> Result<RendezvousClient, RendezvousError> {
    let home = token.map(|token| Homeserver::new(http(), server.url.clone(), Secret::new(token)));
    RendezvousClient::create_msc4388(http(), &base(server), home.as_ref()).await
}

fn code(server: &Server, prefix: Prefix) -> Location {
    Location::Id(SessionId::parse(ApiRoot::new(base(server), prefix), "session.ID").unwrap())
}

fn payload(client: &RendezvousClient, text: &str) -> Payload {
    Payload {
        bytes: text.into(),
        binding: client.binding(),
    }
}

fn prefix(client: &RendezvousClient) -> Prefix {
    let Location::Id(session) = client.location() else {
        panic!("{:?}", client.location())
    };
    session.api().prefix()
}

#[tokio::test]
async fn the_unstable_names_are_asked_for_first_and_then_the_stable_ones() {
    let server = serve(Room::at(UNSTABLE)).await;
    let client = create(&server, None).await.unwrap();
    assert_eq!(server.lines(), [format!("POST {UNSTABLE}")]);
    assert_eq!(prefix(&client), Prefix::Unstable);
    let left = client.time_left();
    assert!(
        left <= Duration::from_secs(240) && left > Duration::from_secs(230),
        "{left:?}"
    );

    let server = serve(Room::at(STABLE)).await;
    let client = create(&server, None).await.unwrap();
    // A server of MSC4108 has sessions at this path, too, and would make one.
    assert_eq!(
        server.lines()[1..],
        [format!("GET {STABLE}"), format!("POST {STABLE}")]
    );
    assert_eq!(prefix(&client), Prefix::Stable);
}

#[tokio::test]
async fn the_token_is_shown_at_the_creation_and_nowhere_else() {
    let server = serve(Room::at(UNSTABLE)).await;
    let client = create(&server, Some("mat_secret")).await.unwrap();
    assert_eq!(client.send(payload(&client, "x")).await, Ok(Delivery::Done));
    client.delete().await;
    let tokens: Vec<_> = server
        .asked()
        .iter()
        .map(|asked| asked.header("authorization").is_some())
        .collect();
    assert_eq!(tokens, [true, false, false]);
    assert_eq!(
        server.asked()[0].header("authorization"),
        Some("Bearer mat_secret")
    );
    assert!(
        server
            .asked()
            .iter()
            .all(|asked| !asked.path.contains("mat_secret"))
    );
}

/// Where such a request begins: only at the stable path is it asked whether there is this API.
fn asked_at(method: &str) -> &'static str {
    if method == "GET" { STABLE } else { UNSTABLE }
}

#[tokio::test]
async fn who_may_not_create_is_told_what_to_do_instead() {
    let unavailable = || Reply::json(200, json!({ "create_available": false }));
    let status = |status| {
        Reply::json(
            status,
            json!({ "errcode": "M_MISSING_TOKEN", "error": "no" }),
        )
    };
    for (method, reply) in [
        ("GET", unavailable()),
        ("GET", status(401)),
        ("GET", status(403)),
        ("POST", status(401)),
        ("POST", status(403)),
    ] {
        for token in [None, Some("mat_secret")] {
            let server = serve(Room::at(asked_at(method)).instead(method, reply.clone())).await;
            let error = create(&server, token).await.unwrap_err();
            let host = "127.0.0.1".to_owned();
            let expected = match token {
                None => RendezvousError::MustScan { host },
                Some(_) => RendezvousError::MustNotShow { host },
            };
            assert_eq!(error, expected);
            let advice = error.advice();
            assert!(
                advice.contains("show the QR code and scan it here"),
                "{advice}"
            );
            assert!(
                token.is_some() || advice.contains("another rendezvous server"),
                "{advice}"
            );
        }
    }
}

#[tokio::test]
async fn a_server_without_it_is_named() {
    let server = Server::start(|_| Reply::unrecognized()).await;
    let error = create(&server, None).await.unwrap_err();
    assert_eq!(
        error,
        RendezvousError::NoNewer {
            host: "127.0.0.1".to_owned()
        }
    );
    assert_eq!(
        server.lines(),
        [format!("POST {UNSTABLE}"), format!("GET {STABLE}")]
    );
}

#[tokio::test]
async fn no_redirect_is_followed() {
    for (method, status) in [("GET", 307), ("GET", 302), ("POST", 307), ("POST", 308)] {
        let elsewhere =
            Server::start(|_| Reply::json(200, json!({ "create_available": true }))).await;
        let redirect = Reply::redirect(status, elsewhere.url.as_str());
        let server = serve(Room::at(asked_at(method)).instead(method, redirect)).await;
        let error = create(&server, Some("mat_secret")).await.unwrap_err();
        assert!(
            matches!(
                error,
                RendezvousError::Server(RendezvousApiError::Redirected { .. })
            ),
            "{error:?}"
        );
        assert!(elsewhere.asked().is_empty());
    }
}

#[tokio::test]
async fn a_moment_of_weakness_passes() {
    let server = serve(
        Room::at(STABLE)
            .instead("GET", Reply::Close)
            .instead("POST", Reply::html(502)),
    )
    .await;
    create(&server, None).await.unwrap();
}

/// The code names the other prefix than the server has.
#[tokio::test]
async fn a_session_is_found_under_either_name() {
    for (has, named) in [(STABLE, Prefix::Unstable), (UNSTABLE, Prefix::Stable)] {
        for missing in [Reply::unrecognized(), Reply::html(404)] {
            let mut room = Room::at(has);
            let elsewhere = missing.clone();
            let server =
                Server::start(move |asked| match asked.path.starts_with(room.collection) {
                    true => room.answer(asked),
                    false => elsewhere.clone(),
                })
                .await;
            let client = RendezvousClient::join(http(), code(&server, named))
                .await
                .unwrap();
            assert_eq!(client.send(payload(&client, "x")).await, Ok(Delivery::Done));
            assert!(
                server
                    .lines()
                    .last()
                    .unwrap()
                    .starts_with(&format!("PUT {has}/")),
                "{:?}",
                server.lines()
            );
        }
    }
    let gone =
        Server::start(|_| Reply::json(404, json!({ "errcode": "M_NOT_FOUND", "error": "gone" })))
            .await;
    let error = RendezvousClient::join(http(), code(&gone, Prefix::Stable))
        .await
        .unwrap_err();
    assert_eq!(error, RendezvousError::Gone);
}

#[tokio::test]
async fn a_code_that_was_used_is_not_used_again() {
    let mut room = Room::at(UNSTABLE);
    room.put("somebody was here");
    let server = serve(room).await;
    let error = RendezvousClient::join(http(), code(&server, Prefix::Unstable))
        .await
        .unwrap_err();
    assert_eq!(error, RendezvousError::AlreadyUsed);
}

#[tokio::test]
async fn what_was_seen_is_said_to_a_server_that_waits() {
    let server = serve(Room::at(UNSTABLE)).await;
    let client = create(&server, None).await.unwrap();
    let _ = tokio::time::timeout(Duration::from_millis(50), client.receive()).await;
    let asked = server.asked();
    let poll = asked.last().unwrap();
    assert_eq!(poll.path, format!("{UNSTABLE}/session.ID?sequence_token=1"));
    assert_eq!(poll.header("prefer"), Some("wait=25"));
}

/// "This allows a client to safely repeat the same PUT request without first issuing a GET."
#[tokio::test]
async fn a_write_whose_answer_is_lost_is_repeated_at_once() {
    let mut room = Room::at(UNSTABLE);
    room.lose_answer = Some(None);
    let server = serve(room).await;
    let client = create(&server, None).await.unwrap();
    assert_eq!(client.send(payload(&client, "x")).await, Ok(Delivery::Done));
    let asked = server.asked();
    let writes: Vec<_> = asked
        .iter()
        .skip(1)
        .map(|asked| (asked.method.as_str(), asked.text()))
        .collect();
    let body = writes[0].1;
    assert_eq!(writes, [("PUT", body), ("PUT", body)]);
    assert!(!client.has_lost_track());
    assert_eq!(
        client.send(payload(&client, "y")).await,
        Ok(Delivery::Done),
        "the token is the new one"
    );
}

#[tokio::test]
async fn one_that_never_arrived_is_written_by_its_repetition() {
    let server = serve(Room::at(UNSTABLE).instead("PUT", Reply::Close)).await;
    let client = create(&server, None).await.unwrap();
    assert_eq!(client.send(payload(&client, "x")).await, Ok(Delivery::Done));
    assert_eq!(server.count("PUT"), 2);
}

/// The other device was quicker than the repetition. Nobody says again what its answer is bound to.
#[tokio::test]
async fn an_answer_that_nobody_repeats_is_known_to_be_missing() {
    let mut room = Room::at(UNSTABLE);
    room.lose_answer = Some(Some("their answer"));
    let server = serve(room).await;
    let client = create(&server, None).await.unwrap();
    assert_eq!(
        client.send(payload(&client, "x")).await,
        Ok(Delivery::Overtaken)
    );
    assert_eq!(client.receive().await.unwrap().bytes, b"their answer");
    assert!(client.has_lost_track());
}

/// A conflict alone is none of that: the other device wrote against what we have seen.
#[tokio::test]
async fn a_conflict_is_looked_into() {
    let mut room = Room::at(UNSTABLE);
    let mut writes = 0;
    let server = Server::start(move |asked| {
        writes += usize::from(asked.method == "PUT");
        if asked.method == "PUT" && writes == 1 {
            room.put("theirs");
        }
        room.answer(asked)
    })
    .await;
    let client = create(&server, None).await.unwrap();
    let before = client.binding();
    assert_eq!(
        client.send(payload(&client, "ours")).await,
        Ok(Delivery::Overtaken)
    );
    let theirs = client.receive().await.unwrap();
    assert_eq!(
        (theirs.bytes.as_slice(), theirs.binding),
        (&b"theirs"[..], before)
    );
    assert!(!client.has_lost_track());
}

/// It was sealed against what stood there before an earlier word of ours: nobody could open it.
#[tokio::test]
async fn a_word_that_nobody_could_open_is_not_written() {
    let server = serve(Room::at(UNSTABLE)).await;
    let client = create(&server, None).await.unwrap();
    let late = payload(&client, "the second");
    assert_eq!(
        client.send(payload(&client, "the first")).await,
        Ok(Delivery::Done)
    );
    assert_eq!(client.send(late).await, Err(RendezvousError::Gone));
    assert_eq!(
        server.lines().last().unwrap(),
        &format!("DELETE {UNSTABLE}/session.ID")
    );
    assert_eq!(server.count("PUT"), 1);
}

#[tokio::test]
async fn what_is_no_answer_ends_it() {
    let long = "x".repeat(4097);
    let cases = [
        json!({ "data": long, "sequence_token": "2", "expires_in_ms": 1000 }),
        json!({ "data": 7, "sequence_token": "2", "expires_in_ms": 1000 }),
        json!({ "data": "x", "sequence_token": "with space", "expires_in_ms": 1000 }),
        json!({ "data": "x" }),
        json!([]),
    ];
    for body in cases {
        let mut room = Room::at(UNSTABLE);
        let mut seen = 0;
        let server = Server::start(move |asked| {
            seen += usize::from(asked.method == "GET");
            if seen == 2 {
                Reply::json(200, body.clone())
            } else {
                room.answer(asked)
            }
        })
        .await;
        let client = create(&server, None).await.unwrap();
        let error = client.receive().await.unwrap_err();
        let refused = matches!(
            error,
            RendezvousError::Server(
                RendezvousApiError::Oversized { .. } | RendezvousApiError::Malformed { .. }
            )
        );
        assert!(refused, "{error:?}");
    }
}

/// The first word was given up on its way. If it never came, the second cannot be opened either: it
/// is counted after it.
#[tokio::test]
async fn a_word_after_one_that_never_came_is_not_written() {
    let server = serve(Room::at(UNSTABLE).instead("PUT", Reply::Hang)).await;
    let client = create(&server, None).await.unwrap();
    let (first, second) = (
        payload(&client, "the first"),
        payload(&client, "the second"),
    );
    assert!(
        tokio::time::timeout(Duration::from_millis(100), client.send(first))
            .await
            .is_err()
    );
    assert_eq!(client.send(second).await, Err(RendezvousError::Gone));
    assert_eq!(server.count("PUT"), 1, "{:?}", server.lines());
    assert_eq!(server.count("DELETE"), 1);
}

/// Whoever can write there can fill it with what JSON escapes: that is no defect of the server.
#[tokio::test]
async fn the_longest_payload_that_there_is_can_be_read() {
    let mut room = Room::at(UNSTABLE);
    let longest = "\u{1}".repeat(4096);
    let theirs = longest.clone();
    let mut seen = 0;
    let server = Server::start(move |asked| {
        seen += usize::from(asked.method == "GET");
        if seen == 2 {
            room.put(&theirs);
        }
        room.answer(asked)
    })
    .await;
    let client = create(&server, None).await.unwrap();
    assert_eq!(client.receive().await.unwrap().bytes, longest.as_bytes());
}
