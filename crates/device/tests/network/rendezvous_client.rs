//! One device's end of a rendezvous session, over a network and against servers that do their
//! worst.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::server::{Asked, Reply, Server, http};
use matrix_qr_device::http::HttpError;
use matrix_qr_device::rendezvous_client::{RendezvousClient, RendezvousError};
use matrix_qr_protocol::driver::Delivery;
use matrix_qr_protocol::homeserver::BaseUrl;
use matrix_qr_protocol::rendezvous::{Location, RendezvousApiError, SessionUrl};
use serde_json::json;
use tokio::time::timeout;

/// One session, as MSC4108 has it, and what is to go wrong with it.
struct Room {
    payload: Vec<u8>,
    etag: u32,
    writes: Vec<String>,
    /// `(method, fault)`: the next request of that method gets it.
    faults: VecDeque<(&'static str, NetworkFault)>,
    /// The other device answers a write with this, before the writer's own answer is out.
    answers: VecDeque<&'static str>,
    times: [(&'static str, &'static str); 2],
    knows_if_none_match: bool,
    prefer: Prefer,
}

#[derive(Debug, Clone)]
enum NetworkFault {
    /// The connection breaks before the request is executed.
    LoseRequest,
    /// The request is executed, and then the connection breaks.
    LoseAnswer,
    /// The request is executed, and no answer ever comes.
    HangAfter,
    /// This payload is written first.
    LandedBefore(&'static str),
    /// Instead of executing it.
    Instead(Reply),
}

#[derive(PartialEq)]
enum Prefer {
    Unknown,
    /// Holds a request for a moment.
    Held,
    /// Says that it did, and did not.
    Lied,
    /// Holds a request, and a proxy takes away that it says so.
    Unsaid,
    /// Holds a request for longer than a proxy lets it.
    Cut,
    /// The same, by a proxy that says so.
    TimedOut,
}

impl Room {
    fn new() -> Self {
        Self {
            payload: Vec::new(),
            etag: 1,
            writes: Vec::new(),
            faults: VecDeque::new(),
            answers: VecDeque::new(),
            times: [
                ("Date", "Wed, 07 Sep 2022 14:00:00 GMT"),
                ("Expires", "Wed, 07 Sep 2022 14:01:00 GMT"),
            ],
            knows_if_none_match: true,
            prefer: Prefer::Unknown,
        }
    }

    fn put(&mut self, payload: &str) {
        self.payload = payload.into();
        self.etag += 1;
    }

    fn answer(&mut self, asked: &Asked) -> Reply {
        let fault = self
            .faults
            .iter()
            .position(|(method, _)| *method == asked.method);
        match fault
            .and_then(|index| self.faults.remove(index))
            .map(|(_, fault)| fault)
        {
            None => self.execute(asked),
            Some(NetworkFault::LoseRequest) => Reply::Close,
            Some(NetworkFault::Instead(reply)) => reply,
            Some(NetworkFault::LandedBefore(payload)) => {
                self.put(payload);
                self.execute(asked)
            }
            Some(NetworkFault::LoseAnswer) => {
                self.execute(asked);
                Reply::Close
            }
            Some(NetworkFault::HangAfter) => {
                self.execute(asked);
                Reply::Hang
            }
        }
    }

    fn execute(&mut self, asked: &Asked) -> Reply {
        match asked.method.as_str() {
            "POST" => {
                assert_eq!(
                    (asked.header("content-type"), asked.body.len()),
                    (Some("text/plain"), 0)
                );
                let url = format!(
                    "http://{}/secret-session-path",
                    asked.header("host").unwrap()
                );
                self.with_headers(
                    201,
                    ("Content-Type", "application/json"),
                    json!({ "url": url }).to_string().into(),
                )
            }
            "GET" => self.get(asked),
            "PUT" if asked.header("if-match") != Some(&self.quoted()) => {
                self.error(412, "M_CONCURRENT_WRITE")
            }
            "PUT" => {
                assert_eq!(asked.header("content-type"), Some("text/plain"));
                self.put(asked.text());
                self.writes.push(asked.text().to_owned());
                let reply = self.with_headers(202, ("Content-Type", "text/plain"), Vec::new());
                if let Some(answer) = self.answers.pop_front() {
                    self.put(answer);
                }
                reply
            }
            _ => Reply::new(204, &[], ""),
        }
    }

    fn get(&self, asked: &Asked) -> Reply {
        if self.knows_if_none_match && asked.header("if-none-match") == Some(&self.quoted()) {
            let applied = ("Preference-Applied", "wait=25");
            return match self.prefer {
                Prefer::Unknown => self.with_headers(304, ("X", "x"), Vec::new()),
                Prefer::Lied => self.with_headers(304, applied, Vec::new()),
                Prefer::Held => held(self.with_headers(304, applied, Vec::new())),
                Prefer::Unsaid => held(self.with_headers(304, ("X", "x"), Vec::new())),
                Prefer::Cut => held(Reply::Close),
                Prefer::TimedOut => held(Reply::new(
                    504,
                    &[("Content-Type", "text/html")],
                    "<h1>504</h1>",
                )),
            };
        }
        self.with_headers(200, ("Content-Type", "text/plain"), self.payload.clone())
    }

    fn quoted(&self) -> String {
        format!("\"{}\"", self.etag)
    }

    fn with_headers(&self, status: u16, header: (&str, &str), body: Vec<u8>) -> Reply {
        Reply::new(
            status,
            &[
                header,
                self.times[0],
                self.times[1],
                ("ETag", &self.quoted()),
            ],
            body,
        )
    }

    fn error(&self, status: u16, errcode: &str) -> Reply {
        Reply::json(status, json!({ "errcode": errcode, "error": "no" }))
    }
}

/// What comes of a request after a while.
fn held(reply: Reply) -> Reply {
    Reply::After(Duration::from_millis(400), Box::new(reply))
}

struct Fixture {
    server: Server,
    room: Arc<Mutex<Room>>,
}

impl Fixture {
    async fn start() -> Self {
        let room = Arc::new(Mutex::new(Room::new()));
        let of_server = room.clone();
        let server = Server::start(move |asked| of_server.lock().unwrap().answer(asked)).await;
        Self { server, room }
    }

    async fn created() -> (Self, RendezvousClient) {
        let this = Self::start().await;
        let client = RendezvousClient::create(http(), &this.server.url)
            .await
            .unwrap();
        (this, client)
    }

    fn fault(&self, method: &'static str, fault: NetworkFault) {
        self.room.lock().unwrap().faults.push_back((method, fault));
    }

    /// The other device, or a third party: the server cannot tell.
    fn other_writes(&self, payload: &str) {
        self.room.lock().unwrap().put(payload);
    }

    fn writes(&self) -> Vec<String> {
        self.room.lock().unwrap().writes.clone()
    }

    fn location(&self) -> Location {
        Location::Url(SessionUrl::parse(self.server.at("/secret-session-path").as_str()).unwrap())
    }
}

/// What comes next, or a panic where nothing comes.
async fn received(client: &RendezvousClient) -> String {
    let payload = timeout(Duration::from_secs(20), client.receive())
        .await
        .unwrap()
        .unwrap();
    String::from_utf8(payload.bytes).unwrap()
}

async fn nothing_comes(client: &RendezvousClient, milliseconds: u64) {
    let outcome = timeout(Duration::from_millis(milliseconds), client.receive()).await;
    assert!(outcome.is_err(), "{outcome:?}");
}

#[tokio::test]
async fn two_devices_talk() {
    let (fixture, g) = Fixture::created().await;
    assert_eq!(g.location(), &fixture.location());
    let s = RendezvousClient::join(http(), g.location().clone())
        .await
        .unwrap();
    for round in ["1", "2"] {
        assert_eq!(
            s.send(format!("s{round}").as_str().into()).await,
            Ok(Delivery::Done)
        );
        assert_eq!(received(&g).await, format!("s{round}"));
        assert_eq!(
            g.send(format!("g{round}").as_str().into()).await,
            Ok(Delivery::Done)
        );
        assert_eq!(received(&s).await, format!("g{round}"));
    }
    g.delete().await;
    assert_eq!(fixture.writes(), ["s1", "g1", "s2", "g2"]);
    assert_eq!(
        fixture.server.lines()[0],
        "POST /_matrix/client/v1/rendezvous"
    );
    assert_eq!(
        fixture.server.lines().last().unwrap(),
        "DELETE /secret-session-path"
    );
}

#[tokio::test]
async fn the_unstable_path_is_second() {
    let fixture = Fixture::start().await;
    let unstable = "/_matrix/client/unstable/org.matrix.msc4108/rendezvous";
    fixture.fault("POST", NetworkFault::Instead(Reply::unrecognized()));
    RendezvousClient::create(http(), &fixture.server.url)
        .await
        .unwrap();
    assert_eq!(fixture.server.lines()[1], format!("POST {unstable}"));
    // An endpoint of its own is taken as it is.
    RendezvousClient::create_at(http(), &fixture.server.at("/bare"))
        .await
        .unwrap();
    assert_eq!(fixture.server.lines()[2], "POST /bare");

    for status in [404, 405] {
        let body = json!({ "errcode": "M_UNRECOGNIZED" });
        let server = Server::start(move |_| Reply::json(status, body.clone())).await;
        let error = RendezvousClient::create(http(), &server.url)
            .await
            .unwrap_err();
        assert_eq!(
            error,
            RendezvousError::NotSupported {
                host: "127.0.0.1".to_owned()
            }
        );
        assert_eq!(server.count("POST"), 2);
    }
}

#[tokio::test]
async fn creation_survives_a_short_outage_and_reports_a_refusal() {
    let fixture = Fixture::start().await;
    fixture.fault("POST", NetworkFault::LoseAnswer);
    fixture.fault("POST", NetworkFault::Instead(Reply::html(502)));
    RendezvousClient::create(http(), &fixture.server.url)
        .await
        .unwrap();

    let forbidden = Server::start(|_| Reply::json(403, json!({ "errcode": "M_FORBIDDEN" }))).await;
    let error = RendezvousClient::create(http(), &forbidden.url)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            RendezvousError::Server(RendezvousApiError::Refused { status: 403, .. })
        ),
        "{error:?}"
    );
    assert_eq!(forbidden.count("POST"), 1);

    // Full, and for longer than a person waits.
    let full = Server::start(|_| Reply::new(429, &[("Retry-After", "60")], "{}")).await;
    let error = RendezvousClient::create(http(), &full.url)
        .await
        .unwrap_err();
    assert!(
        matches!(
            error,
            RendezvousError::Server(RendezvousApiError::RateLimited { .. })
        ),
        "{error:?}"
    );
    assert_eq!(full.count("POST"), 1);
}

/// Who knows the name of a session can write there.
#[tokio::test]
async fn a_refusal_that_repeats_where_the_session_is_is_not_quoted() {
    const NAME: &str = "3f2504e0-4f89-41d3-9a0c";
    let body = json!({ "errcode": "M_FORBIDDEN", "error": format!("no {NAME} for you") });
    let server = Server::start(move |_| Reply::json(403, body.clone())).await;
    let url = server.url.join(NAME).unwrap();
    let location = Location::Url(SessionUrl::parse(url.as_str()).unwrap());
    let error = RendezvousClient::join(http(), location).await.unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(said.contains("no [redacted] for you"), "{said}");
    assert!(!said.contains(NAME), "{said}");
}

#[tokio::test]
async fn a_homeserver_may_delegate() {
    for (hops, fine) in [(1, true), (3, true), (4, false)] {
        let fixture = Fixture::start().await;
        for hop in 0..hops {
            fixture.fault(
                "POST",
                NetworkFault::Instead(Reply::redirect(307, &format!("/hop{hop}"))),
            );
        }
        let outcome = RendezvousClient::create(http(), &fixture.server.url).await;
        match outcome {
            Ok(_) => assert!(fine, "{hops} hops"),
            Err(RendezvousError::TooManyRedirects { .. }) => assert!(!fine, "{hops} hops"),
            Err(error) => panic!("{error:?}"),
        }
        assert_eq!(fixture.server.count("POST"), hops.min(3) + 1);
    }
    let circle = Server::start(|_| Reply::redirect(307, "/circle")).await;
    let error = RendezvousClient::create(http(), &circle.url)
        .await
        .unwrap_err();
    assert!(
        matches!(error, RendezvousError::TooManyRedirects { .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_redirect_obeys_the_policy_and_only_307_is_one() {
    let create = |reply: Reply| async move {
        let server = Server::start(move |_| reply.clone()).await;
        RendezvousClient::create(http(), &server.url)
            .await
            .unwrap_err()
    };
    let error = create(Reply::redirect(307, "http://m.example/x")).await;
    assert!(
        matches!(error, RendezvousError::Http(HttpError::NotAllowed { .. })),
        "{error:?}"
    );
    for status in [301, 302, 303, 308] {
        let error = create(Reply::redirect(status, "/x")).await;
        assert!(
            matches!(
                error,
                RendezvousError::Server(RendezvousApiError::Redirected { .. })
            ),
            "{status}: {error:?}"
        );
    }
    // Nor may the session be where the other device could not go.
    let headers = [("ETag", "\"1\""), ("Content-Type", "application/json")];
    let error = create(Reply::new(
        201,
        &headers,
        json!({ "url": "http://m.example/x" }).to_string(),
    ))
    .await;
    assert!(
        matches!(error, RendezvousError::Http(HttpError::NotAllowed { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_session_is_never_redirected() {
    let (fixture, client) = Fixture::created().await;
    fixture.fault(
        "GET",
        NetworkFault::Instead(Reply::redirect(307, "/elsewhere")),
    );
    let error = client.receive().await.unwrap_err();
    assert!(
        matches!(
            error,
            RendezvousError::Server(RendezvousApiError::Redirected { .. })
        ),
        "{error:?}"
    );
    fixture.fault(
        "PUT",
        NetworkFault::Instead(Reply::redirect(307, "/elsewhere")),
    );
    let error = client.send("g1".into()).await.unwrap_err();
    assert!(
        matches!(
            error,
            RendezvousError::Server(RendezvousApiError::Redirected { .. })
        ),
        "{error:?}"
    );
    assert!(
        !fixture
            .server
            .lines()
            .iter()
            .any(|line| line.contains("elsewhere"))
    );
}

#[tokio::test]
async fn joining_needs_a_session_that_is_empty_and_there() {
    let fixture = Fixture::start().await;
    fixture.fault("GET", NetworkFault::LoseRequest);
    fixture.fault("GET", NetworkFault::Instead(Reply::html(502)));
    assert!(
        RendezvousClient::join(http(), fixture.location())
            .await
            .is_ok()
    );

    fixture.other_writes("somebody was here");
    let error = RendezvousClient::join(http(), fixture.location())
        .await
        .unwrap_err();
    assert_eq!(error, RendezvousError::AlreadyUsed);

    fixture.fault(
        "GET",
        NetworkFault::Instead(Reply::json(404, json!({ "errcode": "M_NOT_FOUND" }))),
    );
    let error = RendezvousClient::join(http(), fixture.location())
        .await
        .unwrap_err();
    assert_eq!(error, RendezvousError::Gone);

    let elsewhere = Location::Url(SessionUrl::parse("http://m.example/x").unwrap());
    let error = RendezvousClient::join(http(), elsewhere).await.unwrap_err();
    assert!(
        matches!(error, RendezvousError::Http(HttpError::NotAllowed { .. })),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_write_whose_answer_was_lost_happened() {
    for fault in [
        NetworkFault::LoseAnswer,
        NetworkFault::LoseRequest,
        NetworkFault::Instead(Reply::html(502)),
    ] {
        let (fixture, client) = Fixture::created().await;
        fixture.fault("PUT", fault.clone());
        assert_eq!(client.send("g1".into()).await, Ok(Delivery::Done));
        // Whether the write had happened or not: it is there once, and the next one follows it.
        assert_eq!(fixture.writes(), ["g1"], "{fault:?}");
        let puts = if matches!(fault, NetworkFault::LoseAnswer) {
            1
        } else {
            2
        };
        assert_eq!(fixture.server.count("PUT"), puts, "{fault:?}");
        // It looks before it writes again, unless the answer said that nothing was done.
        let next = if matches!(fault, NetworkFault::Instead(_)) {
            "PUT"
        } else {
            "GET"
        };
        assert_eq!(
            fixture.server.lines()[2],
            format!("{next} /secret-session-path"),
            "{fault:?}"
        );
        assert_eq!(client.send("g2".into()).await, Ok(Delivery::Done));
        assert_eq!(fixture.writes(), ["g1", "g2"]);
        fixture.other_writes("s1");
        assert_eq!(received(&client).await, "s1");
    }
}

/// If it read in between, each of its writes would be refused.
#[tokio::test]
async fn a_server_that_refuses_every_second_request_still_gets_the_write() {
    for status in [429, 500, 503] {
        let room = Arc::new(Mutex::new(Room::new()));
        room.lock().unwrap().times[1].1 = "Wed, 07 Sep 2022 14:00:05 GMT";
        let (of_server, mut requests) = (room.clone(), 0);
        let server = Server::start(move |asked| {
            requests += 1;
            if requests % 2 == 0 {
                Reply::html(status)
            } else {
                of_server.lock().unwrap().answer(asked)
            }
        })
        .await;
        let client = RendezvousClient::create(http(), &server.url).await.unwrap();
        for write in ["g1", "g2"] {
            assert_eq!(
                client.send(write.into()).await,
                Ok(Delivery::Done),
                "{status}"
            );
        }
        assert_eq!(room.lock().unwrap().writes, ["g1", "g2"]);
        assert_eq!(client.problem(), None);
    }
}

/// A proxy may say 504 of what the server did: then the repetition is refused, and what stands
/// there is ours.
#[tokio::test]
async fn a_write_that_was_put_off_may_have_happened_all_the_same() {
    let (fixture, client) = Fixture::created().await;
    fixture.fault("PUT", NetworkFault::Instead(Reply::html(504)));
    fixture.fault("PUT", NetworkFault::LandedBefore("g1"));
    assert_eq!(client.send("g1".into()).await, Ok(Delivery::Done));
    assert!(fixture.writes().is_empty(), "it stands there already");
    assert_eq!(client.send("g2".into()).await, Ok(Delivery::Done));
    assert_eq!(fixture.writes(), ["g2"]);
}

fn never_answered(error: &RendezvousError) -> bool {
    matches!(error, RendezvousError::Http(HttpError::Unreachable { .. }))
}

/// In virtual time: nobody waits longer than half a minute to learn that there is no session.
#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_given_up_after_half_a_minute() {
    let server = Server::start(|_| Reply::Hang).await;
    let base = BaseUrl::parse(server.url.as_str()).unwrap();
    let session = SessionUrl::parse(server.at("/x").as_str()).unwrap();
    let began = tokio::time::Instant::now();
    let (homeserver, endpoint, newer, joined) = tokio::join!(
        RendezvousClient::create(http(), &server.url),
        RendezvousClient::create_at(http(), &server.url),
        RendezvousClient::create_msc4388(http(), &base, None),
        RendezvousClient::join(http(), Location::Url(session)),
    );
    for outcome in [homeserver, endpoint, newer, joined] {
        assert!(never_answered(&outcome.unwrap_err()));
    }
    assert!(
        began.elapsed() <= Duration::from_secs(30),
        "{:?}",
        began.elapsed()
    );
}

#[tokio::test]
async fn the_look_after_a_lost_answer_may_be_lost_too() {
    let (fixture, client) = Fixture::created().await;
    fixture.fault("PUT", NetworkFault::LoseAnswer);
    fixture.fault("GET", NetworkFault::LoseRequest);
    fixture.fault("GET", NetworkFault::Instead(Reply::html(504)));
    assert_eq!(client.send("g1".into()).await, Ok(Delivery::Done));
    assert_eq!(fixture.writes(), ["g1"]);
}

#[tokio::test]
async fn the_answer_to_a_write_that_seemed_lost_is_kept() {
    let (fixture, client) = Fixture::created().await;
    fixture.fault("PUT", NetworkFault::LoseAnswer);
    fixture.room.lock().unwrap().answers.push_back("s1");
    assert_eq!(client.send("g1".into()).await, Ok(Delivery::Overtaken));
    let requests = fixture.server.lines().len();
    // Nothing more is written before that has been read.
    assert_eq!(client.send("g2".into()).await, Ok(Delivery::Overtaken));
    assert_eq!(received(&client).await, "s1");
    assert_eq!(fixture.server.lines().len(), requests);
    assert_eq!(client.send("g2".into()).await, Ok(Delivery::Done));
    assert_eq!(fixture.writes(), ["g1", "g2"]);
}

#[tokio::test]
async fn a_third_party_that_writes_is_heard_and_never_overwritten_unseen() {
    let (fixture, client) = Fixture::created().await;
    fixture.other_writes("junk");
    assert_eq!(client.send("g1".into()).await, Ok(Delivery::Overtaken));
    assert_eq!(received(&client).await, "junk");
    assert!(fixture.writes().is_empty());
    // The farewell can still be written.
    assert_eq!(client.send("farewell".into()).await, Ok(Delivery::Done));
    assert_eq!(fixture.writes(), ["farewell"]);
}

#[tokio::test]
async fn a_server_that_contradicts_itself_ends_it() {
    let (fixture, client) = Fixture::created().await;
    for _ in 0..10 {
        fixture.fault(
            "PUT",
            NetworkFault::Instead(Reply::json(412, json!({ "errcode": "M_CONCURRENT_WRITE" }))),
        );
    }
    assert_eq!(
        client.send("g1".into()).await,
        Err(RendezvousError::Contradiction)
    );
}

#[tokio::test]
async fn reading_survives_lost_connections_error_pages_and_limits() {
    let (fixture, client) = Fixture::created().await;
    fixture.fault("GET", NetworkFault::LoseRequest);
    fixture.fault("GET", NetworkFault::LoseAnswer);
    fixture.fault("GET", NetworkFault::Instead(Reply::html(502)));
    fixture.fault(
        "GET",
        NetworkFault::Instead(Reply::new(429, &[("Retry-After", "1")], "{}")),
    );
    fixture.other_writes("s1");
    assert_eq!(received(&client).await, "s1");
    assert_eq!(fixture.server.count("GET"), 5);
    fixture.fault(
        "PUT",
        NetworkFault::Instead(Reply::new(429, &[("Retry-After", "1")], "{}")),
    );
    assert_eq!(client.send("g1".into()).await, Ok(Delivery::Done));
    assert_eq!(fixture.writes(), ["g1"]);
}

/// Reads until there were this many GETs, and then the other device writes.
async fn received_after(fixture: &Fixture, client: &RendezvousClient, gets: usize) -> String {
    let other = async {
        while fixture.server.count("GET") < gets {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        fixture.other_writes("s1");
    };
    tokio::join!(received(client), other).0
}

#[tokio::test]
async fn a_server_that_cannot_wait_is_polled() {
    let (fixture, client) = Fixture::created().await;
    assert_eq!(received_after(&fixture, &client, 3).await, "s1");
    assert_eq!(fixture.server.asked()[1].header("prefer"), Some("wait=25"));
}

#[tokio::test]
async fn a_server_that_waits_is_asked_again() {
    let (fixture, client) = Fixture::created().await;
    fixture.room.lock().unwrap().prefer = Prefer::Held;
    assert_eq!(received_after(&fixture, &client, 3).await, "s1");
}

/// A proxy may let no request take longer than 15 s, say: the session is none the worse for it.
#[tokio::test]
async fn a_proxy_may_come_between_us_and_a_server_that_waits() {
    for prefer in [Prefer::Unsaid, Prefer::Cut, Prefer::TimedOut] {
        let (fixture, client) = Fixture::created().await;
        fixture.room.lock().unwrap().prefer = prefer;
        assert_eq!(received_after(&fixture, &client, 3).await, "s1");
        assert!(
            fixture
                .server
                .asked()
                .iter()
                .all(|asked| asked.method != "GET" || asked.header("prefer") == Some("wait=25"))
        );
    }
}

/// As many requests as polling makes: without a pause it would be hundreds.
#[tokio::test]
async fn a_server_cannot_make_us_hammer_it() {
    for (prefer, knows_if_none_match) in [(Prefer::Lied, true), (Prefer::Unknown, false)] {
        let (fixture, client) = Fixture::created().await;
        assert_eq!(client.send("g1".into()).await, Ok(Delivery::Done));
        fixture.room.lock().unwrap().prefer = prefer;
        fixture.room.lock().unwrap().knows_if_none_match = knows_if_none_match;
        nothing_comes(&client, 900).await;
        assert!(fixture.server.count("GET") <= 6);
    }
}

#[tokio::test]
async fn our_own_payload_is_not_returned() {
    let (fixture, client) = Fixture::created().await;
    assert_eq!(client.send("g1".into()).await, Ok(Delivery::Done));
    // A server that does not know the header, and one that changes ETags as it likes.
    fixture.room.lock().unwrap().knows_if_none_match = false;
    nothing_comes(&client, 600).await;
    fixture.other_writes("g1");
    nothing_comes(&client, 600).await;
    fixture.other_writes("s1");
    assert_eq!(received(&client).await, "s1");
    assert_eq!(client.send("g2".into()).await, Ok(Delivery::Done));
}

#[tokio::test]
async fn reading_can_be_dropped_at_any_moment() {
    let (fixture, client) = Fixture::created().await;
    for milliseconds in [0, 1, 2, 5, 10, 300] {
        nothing_comes(&client, milliseconds).await;
    }
    fixture.other_writes("s1");
    let mut tries = 0;
    let payload = loop {
        tries += 1;
        match timeout(Duration::from_millis(tries), client.receive()).await {
            Ok(outcome) => break outcome.unwrap(),
            Err(_) => assert!(tries < 500),
        }
    };
    assert_eq!(payload, "s1".into());
    nothing_comes(&client, 300).await;
}

async fn dropped_send(
    fixture: &Fixture,
    client: &RendezvousClient,
    payload: &str,
    fault: NetworkFault,
) {
    fixture.fault("PUT", fault);
    let executed = async {
        while !fixture.room.lock().unwrap().faults.is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::select! {
        outcome = client.send(payload.into()) => panic!("{outcome:?}"),
        () = executed => {}
    }
}

#[tokio::test]
async fn a_dropped_write_is_found_out_by_the_next_call() {
    for fault in [NetworkFault::HangAfter, NetworkFault::Instead(Reply::Hang)] {
        let happened = matches!(fault, NetworkFault::HangAfter);
        let before = if happened { vec!["g1"] } else { vec![] };
        let with = |last: &'static str| [before.clone(), vec![last]].concat();

        // Another payload after it: a farewell, say.
        let (fixture, client) = Fixture::created().await;
        dropped_send(&fixture, &client, "g1", fault.clone()).await;
        assert_eq!(client.send("farewell".into()).await, Ok(Delivery::Done));
        assert_eq!(fixture.writes(), with("farewell"));

        // The same one again: it stands there once.
        let (fixture, client) = Fixture::created().await;
        dropped_send(&fixture, &client, "g1", fault.clone()).await;
        assert_eq!(client.send("g1".into()).await, Ok(Delivery::Done));
        assert_eq!(fixture.writes(), ["g1"]);

        // Reading in between does not take it for the other device's.
        let (fixture, client) = Fixture::created().await;
        dropped_send(&fixture, &client, "g1", fault.clone()).await;
        nothing_comes(&client, 400).await;
        assert_eq!(client.send("g1".into()).await, Ok(Delivery::Done));
        assert_eq!(fixture.writes(), ["g1"]);
        fixture.other_writes("s1");
        assert_eq!(received(&client).await, "s1");
    }
}

#[tokio::test]
async fn a_write_that_lands_late_is_ours_still() {
    let (fixture, client) = Fixture::created().await;
    dropped_send(&fixture, &client, "g1", NetworkFault::Instead(Reply::Hang)).await;
    // It arrives between the look and the next write: the server says 412, and what stands there is
    // ours.
    fixture.fault("PUT", NetworkFault::LandedBefore("g1"));
    assert_eq!(client.send("farewell".into()).await, Ok(Delivery::Done));
    assert_eq!(fixture.writes(), ["farewell"]);
}

#[tokio::test]
async fn a_session_that_is_gone_is_gone() {
    let (fixture, client) = Fixture::created().await;
    let gone = || {
        NetworkFault::Instead(Reply::json(
            404,
            json!({ "errcode": "M_NOT_FOUND", "error": "secret-session-path" }),
        ))
    };
    fixture.fault("GET", gone());
    fixture.fault("PUT", gone());
    fixture.fault("DELETE", gone());
    assert_eq!(client.receive().await, Err(RendezvousError::Gone));
    assert_eq!(client.send("g1".into()).await, Err(RendezvousError::Gone));
    client.delete().await;
    assert_eq!(fixture.server.count("DELETE"), 1);
}

/// The server's clock is years away from ours in either direction: only the difference of its own
/// times counts.
#[tokio::test]
async fn the_end_is_by_the_servers_own_clock() {
    let skewed = [
        [
            "Fri, 01 Jan 1999 00:00:00 GMT",
            "Fri, 01 Jan 1999 00:00:02 GMT",
        ],
        [
            "Thu, 01 Jan 2099 00:00:00 GMT",
            "Thu, 01 Jan 2099 00:00:02 GMT",
        ],
    ];
    for [date, expires] in skewed {
        let fixture = Fixture::start().await;
        fixture.room.lock().unwrap().times = [("Date", date), ("Expires", expires)];
        let client = RendezvousClient::create(http(), &fixture.server.url)
            .await
            .unwrap();
        assert!(
            client.time_left() <= Duration::from_secs(2) && client.time_left() > Duration::ZERO
        );
        // A server that moves the end is not believed.
        fixture.room.lock().unwrap().times[1].1 = "Fri, 01 Jan 2100 00:00:00 GMT";
        assert_eq!(client.receive().await, Err(RendezvousError::Expired));
        assert_eq!(
            client.send("g1".into()).await,
            Err(RendezvousError::Expired)
        );
        assert_eq!(client.time_left(), Duration::ZERO);
        assert!(fixture.writes().is_empty());
    }
}

#[tokio::test]
async fn an_outage_that_lasts_ends_with_the_session() {
    let fixture = Fixture::start().await;
    fixture.room.lock().unwrap().times[1].1 = "Wed, 07 Sep 2022 14:00:02 GMT";
    let client = RendezvousClient::create(http(), &fixture.server.url)
        .await
        .unwrap();
    for _ in 0..20 {
        fixture.fault("GET", NetworkFault::LoseRequest);
        fixture.fault("PUT", NetworkFault::Instead(Reply::Hang));
    }
    let (read, written) = tokio::join!(client.receive(), client.send("g1".into()));
    assert_eq!(
        (read, written),
        (Err(RendezvousError::Expired), Err(RendezvousError::Expired))
    );
    assert!(
        never_answered(&client.problem().unwrap()),
        "what was wrong last is known"
    );
}

#[tokio::test]
async fn a_server_that_does_not_say_when_gives_five_minutes_and_none_gives_more_than_an_hour() {
    let limits = [
        ("0", Duration::from_secs(300)),
        ("never", Duration::from_secs(300)),
        ("Mon, 07 Sep 2122 14:00:02 GMT", Duration::from_secs(3600)),
    ];
    for (expires, limit) in limits {
        let fixture = Fixture::start().await;
        fixture.room.lock().unwrap().times[1].1 = expires;
        let client = RendezvousClient::create(http(), &fixture.server.url)
            .await
            .unwrap();
        assert!(
            client.time_left() <= limit && client.time_left() > limit - Duration::from_secs(30),
            "{expires}"
        );
        let client = RendezvousClient::join(http(), fixture.location())
            .await
            .unwrap();
        assert!(
            client.time_left() <= limit && client.time_left() > limit - Duration::from_secs(30),
            "{expires}"
        );
    }
}

#[tokio::test]
async fn too_much_is_refused_on_both_ways() {
    let (fixture, client) = Fixture::created().await;
    fixture.other_writes(&"x".repeat(4096));
    assert_eq!(received(&client).await.len(), 4096);
    assert_eq!(
        client.send(vec![b'x'; 4096].into()).await,
        Ok(Delivery::Done)
    );
    let error = client.send(vec![b'x'; 4097].into()).await.unwrap_err();
    assert_eq!(error, RendezvousError::Server(RendezvousApiError::TooLarge));
    fixture.other_writes(&"x".repeat(4097));
    let error = client.receive().await.unwrap_err();
    assert_eq!(
        error,
        RendezvousError::Server(RendezvousApiError::Oversized { size: 4097 })
    );
    fixture.other_writes(&"x".repeat(1 << 20));
    let error = client.receive().await.unwrap_err();
    assert!(
        matches!(error, RendezvousError::Http(HttpError::TooLarge { .. })),
        "{error:?}"
    );
    // A payload that was never sent leaves nothing uncertain.
    fixture.other_writes("s1");
    assert_eq!(received(&client).await, "s1");
}

#[tokio::test]
async fn a_broken_proxy_is_named() {
    let (fixture, client) = Fixture::created().await;
    fixture.fault(
        "GET",
        NetworkFault::Instead(Reply::new(
            200,
            &[("Content-Type", "text/plain"), ("ETag", "W/\"2\"")],
            "s1",
        )),
    );
    let error = client.receive().await.unwrap_err();
    assert!(
        matches!(
            error,
            RendezvousError::Server(RendezvousApiError::BrokenProxy { .. })
        ),
        "{error:?}"
    );
    fixture.fault("GET", NetworkFault::Instead(Reply::html(200)));
    assert!(client.receive().await.is_err());
}

#[tokio::test]
async fn nothing_says_where_the_session_is() {
    let (fixture, client) = Fixture::created().await;
    assert!(!format!("{client:?}").contains("secret-session-path"));
    let mut errors = Vec::new();
    for reply in [
        Reply::html(200),
        Reply::html(403),
        Reply::redirect(307, "/secret-session-path/x"),
    ] {
        fixture.fault("GET", NetworkFault::Instead(reply.clone()));
        errors.push(client.receive().await.unwrap_err());
        fixture.fault("PUT", NetworkFault::Instead(reply));
        errors.push(client.send("secret-payload".into()).await.unwrap_err());
    }
    drop(fixture.server);
    for error in errors {
        let printed = format!("{error} {error:?}");
        assert!(!printed.contains("secret"), "{printed}");
    }
}

/// The driver may be spawned.
#[tokio::test]
async fn the_futures_can_cross_threads() {
    let fixture = Fixture::start().await;
    let (url, location) = (fixture.server.url.clone(), fixture.location());
    let g = tokio::spawn(async move { RendezvousClient::create(http(), &url).await })
        .await
        .unwrap()
        .unwrap();
    let s = tokio::spawn(RendezvousClient::join(http(), location))
        .await
        .unwrap()
        .unwrap();
    tokio::spawn(async move { s.send("s1".into()).await })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        tokio::spawn(async move { g.receive().await })
            .await
            .unwrap()
            .unwrap(),
        "s1".into()
    );
}
