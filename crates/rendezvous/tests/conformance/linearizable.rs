//! Many clients at once use a few sessions, over HTTP, and write down what they saw. Then it is checked whether that can be
//! ([`history`]), with each store, through one instance and through two, and with a Redis that is killed meanwhile. With
//! stores that are wrong on purpose it must turn out that it cannot ([`broken`]).
//!
//! `ROUNDS=1000 cargo test --release --test conformance linearizable -- --include-ignored` looks longer.

mod broken;
mod history;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use matrix_qr_rendezvous::{Config, Memory, Redis, Store};
use reqwest::{RequestBuilder, Response, StatusCode};
use tokio::task::JoinSet;

use self::{
    broken::{Broken, Fault},
    history::{Etag, Moment, NEVER, Operation, Violation, What, check},
};
use crate::{redis_server::RedisServer, support::*};

const SESSIONS: usize = 6;
const CLIENTS: usize = 16;
/// Of each client, in a round.
const OPERATIONS: usize = 150;

/// What it was all about, so that nobody takes a quiet run for a good one.
#[derive(Debug, Default)]
struct Tally {
    operations: usize,
    written: usize,
    refused: usize,
    ended: usize,
    unknown: usize,
    violations: Vec<Violation>,
}

impl Tally {
    fn add(&mut self, history: &[Operation]) {
        let count = |is: fn(&What) -> bool| history.iter().filter(|operation| is(&operation.what)).count();
        self.operations += history.len();
        self.written += count(|what| matches!(what, What::Written { .. }));
        self.refused += count(|what| matches!(what, What::Refused { .. }));
        self.ended += count(|what| matches!(what, What::Deleted));
        self.unknown += count(|what| matches!(what, What::MaybeWritten { .. } | What::MaybeDeleted));
        self.violations.extend(check(history));
    }

    #[allow(clippy::print_stdout, reason = "the figures of a long run, for whoever asks with --nocapture")]
    fn assert_right(&self) {
        println!("{self:?}");
        assert_eq!(self.violations, []);
        assert!(self.written > 0 && self.refused > 0 && self.ended > 0, "{self:?}");
    }
}

fn rounds() -> usize {
    std::env::var("ROUNDS").map_or(3, |rounds| rounds.parse().unwrap())
}

/// Limits are not what this is about.
fn unlimited(config: &mut Config) {
    config.limits.creates = None;
    config.limits.requests = None;
    config.limits.sessions_per_network = None;
    config.limits.max_sessions = usize::MAX;
}

/// A round: new sessions, many clients, and `meanwhile`.
async fn round<S: Store>(
    instances: &Arc<Vec<Server<S>>>,
    meanwhile: impl Future<Output = ()>,
    tally: &mut Tally,
) {
    let clock = Instant::now();
    let mut sessions = Vec::new();
    let mut histories = Vec::new();
    for _ in 0..SESSIONS {
        let asked = clock.elapsed().as_nanos();
        let session = instances[0].create("start").await;
        let what = What::Created { payload: "start".to_owned(), etag: session.etag.clone() };
        histories.push(vec![Operation { asked, answered: clock.elapsed().as_nanos(), what }]);
        sessions.push(session);
    }
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let client = Client { instances: instances.clone(), sessions: sessions.clone(), number, clock };
        clients.spawn(client.run());
    }
    let (seen, ()) = tokio::join!(clients.join_all(), meanwhile);
    for (session, operation) in seen.into_iter().flatten() {
        histories[session].push(operation);
    }
    histories.iter().for_each(|history| tally.add(history));
}

struct Client<S: Store> {
    instances: Arc<Vec<Server<S>>>,
    /// With the payload of each that it has seen last.
    sessions: Vec<Session>,
    number: usize,
    clock: Instant,
}

impl<S: Store> Client<S> {
    /// What it saw, and of which session.
    async fn run(mut self) -> Vec<(usize, Operation)> {
        let (mut seen, mut dice) = (Vec::new(), Dice(self.number as u64));
        for count in 0..OPERATIONS {
            let place = dice.throw(SESSIONS);
            let instance = dice.throw(self.instances.len());
            let (asked, what) =
                (self.now(), self.operation(place, (instance, count), dice.throw(1000)).await);
            let Some(what) = what else { continue };
            let maybe = matches!(what, What::MaybeWritten { .. } | What::MaybeDeleted);
            let answered = if maybe { NEVER } else { self.now() };
            seen.push((place, Operation { asked, answered, what }));
        }
        seen
    }

    fn now(&self) -> Moment {
        self.clock.elapsed().as_nanos()
    }

    /// `None` if there was no answer, and nothing that might have happened.
    async fn operation(
        &mut self,
        place: usize,
        (instance, count): (usize, usize),
        chance: usize,
    ) -> Option<What> {
        let session = self.sessions[place].clone();
        let server = &self.instances[instance];
        let what = match chance {
            0..3 => delete(server, &session).await,
            3..450 => {
                let payload = format!("{} of {}", count, self.number);
                write(server.put(&session, payload.clone()), session.etag, payload).await
            }
            450..453 => read(server.poll(&session).header("prefer", "wait=1"), session.etag).await?,
            453..700 => read(server.poll(&session), session.etag).await?,
            _ => read(server.request(reqwest::Method::GET, &session.path), session.etag).await?,
        };
        if let What::Read { etag, .. } | What::Written { etag, .. } = &what {
            self.sessions[place].etag.clone_from(etag);
        }
        Some(what)
    }
}

/// The answer, unless there is none or it says that the store has none.
async fn answer(request: RequestBuilder) -> Option<Response> {
    let response = request.send().await.ok()?;
    (response.status() != StatusCode::SERVICE_UNAVAILABLE).then_some(response)
}

async fn read(request: RequestBuilder, seen: Etag) -> Option<What> {
    let response = answer(request).await?;
    Some(match response.status().as_u16() {
        200 => {
            let etag = header(&response, "etag");
            What::Read { etag, payload: response.text().await.ok()? }
        }
        304 => {
            assert_eq!(header(&response, "etag"), seen);
            What::Unchanged { etag: seen }
        }
        404 => What::Gone,
        other => panic!("a read is answered with {other}"),
    })
}

async fn write(request: RequestBuilder, expected: Etag, payload: String) -> What {
    let Some(response) = answer(request).await else { return What::MaybeWritten { expected, payload } };
    match response.status().as_u16() {
        202 => What::Written { expected, payload, etag: header(&response, "etag") },
        412 => What::Refused { expected, current: header(&response, "etag") },
        404 => What::Gone,
        other => panic!("a write is answered with {other}"),
    }
}

async fn delete<S: Store>(server: &Server<S>, session: &Session) -> What {
    let Some(response) = answer(server.request(reqwest::Method::DELETE, &session.path)).await else {
        return What::MaybeDeleted;
    };
    match response.status().as_u16() {
        204 => What::Deleted,
        404 => What::Gone,
        other => panic!("a delete is answered with {other}"),
    }
}

/// The same throws for the same seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_linearizable() {
    let instances = Arc::new(vec![Server::<Memory>::with(unlimited).await]);
    let mut tally = Tally::default();
    for _ in 0..rounds() {
        round(&instances, async {}, &mut tally).await;
    }
    tally.assert_right();
    assert_eq!(tally.unknown, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn redis_is_linearizable_while_it_is_killed() {
    over_redis(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn two_instances_over_one_redis_are_linearizable_while_it_is_killed() {
    over_redis(2).await;
}

async fn over_redis(count: usize) {
    let redis = RedisServer::durable();
    let mut instances: Vec<Server<Redis>> = Vec::new();
    for _ in 0..count {
        instances.push(Server::over((redis.store(), Some(redis.clone())), unlimited).await);
    }
    let (instances, mut tally) = (Arc::new(instances), Tally::default());
    for _ in 0..rounds() {
        let killed = async {
            tokio::time::sleep(Duration::from_millis(150)).await;
            tokio::task::block_in_place(|| {
                redis.kill();
                redis.run();
            });
        };
        round(&instances, killed, &mut tally).await;
    }
    tally.assert_right();
    assert_ne!(tally.unknown, 0, "nobody noticed that it was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_wrong_is_found_out() {
    for (fault, name, says) in [
        (Fault::LooksThenWrites, "looks, then writes", "ReplacedTwice"),
        (Fault::ForgetsWrites, "forgets writes", "ReplacedTwice"),
        (Fault::DeniesWrites, "denies writes", "FromNowhere"),
        (Fault::ShowsOldPayloads, "shows old payloads", "OutOfOrder"),
        (Fault::EndsTwice, "ends twice", "EndedTwice"),
        (Fault::ForgetsSessions, "forgets sessions", "EndedByNobody"),
    ] {
        let instances = Arc::new(vec![Server::over((Broken::new(fault), None), unlimited).await]);
        let mut tally = Tally::default();
        // It is found as soon as it happens, and it does not happen in each round.
        for _ in 0..50 {
            round(&instances, async {}, &mut tally).await;
            if !tally.violations.is_empty() {
                break;
            }
        }
        assert!(format!("{:?}", tally.violations).contains(says), "{name}: {tally:?}");
    }
}
