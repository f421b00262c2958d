//! Many clients at once use a few sessions, over HTTP in either API, and write down what they saw.
//! Then it is checked whether that can be ([`history`]), with each store, through one instance and
//! through two, and with a Redis that is killed meanwhile. With stores that are wrong on purpose it
//! must turn out that it cannot ([`broken`]).
//!
//! `ROUNDS=1000 cargo test --release --test conformance linearizable -- --include-ignored` looks
//! longer.

mod broken;
mod history;
mod speech;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use matrix_qr_rendezvous::{Config, Memory, Redis, Store};
use tokio::task::JoinSet;

use self::{
    broken::{Broken, Fault},
    history::{Moment, NEVER, Operation, Violation, What, check},
    speech::Api,
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
    repeated: usize,
    refused: usize,
    ended: usize,
    unknown: usize,
    violations: Vec<Violation>,
}

impl Tally {
    fn add(&mut self, history: &[Operation]) {
        let count = |is: fn(&What) -> bool| {
            history
                .iter()
                .filter(|operation| is(&operation.what))
                .count()
        };
        self.operations += history.len();
        self.written += count(|what| matches!(what, What::Written { .. }));
        self.repeated += repeated(history);
        self.refused += count(|what| matches!(what, What::TooLate { .. }));
        self.ended += count(|what| matches!(what, What::Deleted));
        self.unknown +=
            count(|what| matches!(what, What::MaybeWritten { .. } | What::MaybeDeleted));
        self.violations.extend(check(history));
    }

    #[allow(
        clippy::print_stdout,
        reason = "the figures of a long run, for whoever asks with --nocapture"
    )]
    fn assert_right(&self) {
        println!("{self:?}");
        assert_eq!(self.violations, []);
        assert!(
            self.written > 0 && self.refused > 0 && self.ended > 0,
            "{self:?}"
        );
    }
}

/// How many writes were acknowledged once more.
fn repeated(history: &[Operation]) -> usize {
    let written = history
        .iter()
        .filter_map(|operation| match &operation.what {
            What::Written { etag, .. } => Some(etag),
            _ => None,
        });
    let (count, tokens) = (
        written.clone().count(),
        written.collect::<HashSet<_>>().len(),
    );
    count - tokens
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
    api: Api,
    instances: &Arc<Vec<Server<S>>>,
    meanwhile: impl Future<Output = ()>,
    tally: &mut Tally,
) {
    let clock = Instant::now();
    let mut sessions = Vec::new();
    let mut histories = Vec::new();
    for _ in 0..SESSIONS {
        let asked = clock.elapsed().as_nanos();
        let session = api.create(&instances[0], "start").await;
        let what = What::Created {
            payload: "start".to_owned(),
            etag: session.etag.clone(),
        };
        histories.push(vec![Operation {
            asked,
            answered: clock.elapsed().as_nanos(),
            what,
        }]);
        sessions.push(session);
    }
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let (instances, sessions) = (instances.clone(), sessions.clone());
        let last = vec![None; SESSIONS];
        clients.spawn(
            Client {
                api,
                instances,
                sessions,
                last,
                number,
                clock,
            }
            .run(),
        );
    }
    let (seen, ()) = tokio::join!(clients.join_all(), meanwhile);
    for (session, operation) in seen.into_iter().flatten() {
        histories[session].push(operation);
    }
    histories.iter().for_each(|history| tally.add(history));
}

struct Client<S: Store> {
    api: Api,
    instances: Arc<Vec<Server<S>>>,
    /// With the payload of each that it has seen last.
    sessions: Vec<Session>,
    /// What it has written last to each, and upon what: to be repeated now and then.
    last: Vec<Option<(Session, String)>>,
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
            let (asked, what) = (
                self.now(),
                self.operation(place, (instance, count), dice.throw(1000))
                    .await,
            );
            let Some(what) = what else { continue };
            let maybe = matches!(what, What::MaybeWritten { .. } | What::MaybeDeleted);
            let answered = if maybe { NEVER } else { self.now() };
            seen.push((
                place,
                Operation {
                    asked,
                    answered,
                    what,
                },
            ));
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
        let api = self.api;
        let what = match chance {
            0..3 => api.delete(server, &session).await,
            3..450 => {
                let (session, payload) = self.to_write(place, (count, chance));
                let what = api.write(server, &session, payload.clone()).await;
                self.last[place] = Some((session, payload));
                what
            }
            450..453 => {
                let request = api.poll(server, &session).header("prefer", "wait=1");
                api.read(request, session.etag).await?
            }
            453..700 => api.read(api.poll(server, &session), session.etag).await?,
            _ => {
                api.read(
                    server.request(reqwest::Method::GET, &session.path),
                    session.etag,
                )
                .await?
            }
        };
        if let What::Read { etag, .. } | What::Written { etag, .. } = &what {
            self.sessions[place].etag.clone_from(etag);
        }
        Some(what)
    }

    /// Something new; or, where that is allowed, what it has written last once more, or what
    /// everybody writes who has seen this.
    fn to_write(&self, place: usize, (count, chance): (usize, usize)) -> (Session, String) {
        let session = self.sessions[place].clone();
        match (self.api, chance % 4, &self.last[place]) {
            (Api::Json, 0, Some(last)) => last.clone(),
            (Api::Json, 1, _) => {
                let payload = format!("upon {}", session.etag);
                (session, payload)
            }
            _ => (session, format!("{count} of {}", self.number)),
        }
    }
}

/// The same throws for the same seed.
struct Dice(u64);

impl Dice {
    fn throw(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_linearizable() {
    over_memory(Api::Text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_linearizable_with_writes_that_are_repeated() {
    over_memory(Api::Json).await;
}

async fn over_memory(api: Api) {
    let instances = Arc::new(vec![Server::<Memory>::with(unlimited).await]);
    let mut tally = Tally::default();
    for _ in 0..rounds() {
        round(api, &instances, async {}, &mut tally).await;
    }
    tally.assert_right();
    assert_eq!(tally.unknown, 0);
    assert_eq!(tally.repeated > 0, api == Api::Json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn redis_is_linearizable_while_it_is_killed() {
    over_redis(Api::Text, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn redis_is_linearizable_with_writes_that_are_repeated_while_it_is_killed() {
    over_redis(Api::Json, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn two_instances_over_one_redis_are_linearizable_while_it_is_killed() {
    over_redis(Api::Text, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn two_instances_are_linearizable_with_writes_that_are_repeated_while_redis_is_killed() {
    over_redis(Api::Json, 2).await;
}

async fn over_redis(api: Api, count: usize) {
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
        round(api, &instances, killed, &mut tally).await;
    }
    tally.assert_right();
    assert_ne!(tally.unknown, 0, "nobody noticed that it was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_wrong_is_found_out() {
    for (fault, name, says) in [
        (
            Fault::LooksThenWrites,
            "looks, then writes",
            "ReplacedTwice",
        ),
        (Fault::ForgetsWrites, "forgets writes", "ReplacedTwice"),
        (Fault::DeniesWrites, "denies writes", "FromNowhere"),
        (Fault::ShowsOldPayloads, "shows old payloads", "OutOfOrder"),
        (Fault::EndsTwice, "ends twice", "EndedTwice"),
        (Fault::ForgetsSessions, "forgets sessions", "EndedByNobody"),
    ] {
        // In JSON a write that was denied is a repeat, and right.
        let denies = fault == Fault::DeniesWrites;
        for api in [Api::Text, Api::Json]
            .into_iter()
            .filter(|api| !denies || *api == Api::Text)
        {
            let tally = until_found(api, fault).await;
            assert!(
                format!("{:?}", tally.violations).contains(says),
                "{name}, {api:?}: {tally:?}"
            );
        }
    }
}

/// It is found as soon as it happens, and it does not happen in each round.
async fn until_found(api: Api, fault: Fault) -> Tally {
    let instances = Arc::new(vec![
        Server::over((Broken::new(fault), None), unlimited).await,
    ]);
    let mut tally = Tally::default();
    for _ in 0..50 {
        round(api, &instances, async {}, &mut tally).await;
        if !tally.violations.is_empty() {
            break;
        }
    }
    tally
}
