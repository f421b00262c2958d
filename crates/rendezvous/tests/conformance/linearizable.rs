//! Many clients use a few sessions at once, over HTTP in either API, and record what they saw.
//! Then [`history`] checks whether that is linearizable, with each store, through one instance and
//! through two, and with a Redis that is killed meanwhile. With stores that are wrong on purpose
//! ([`broken`]) the check must fail.
//!
//! `ROUNDS=1000 cargo test --release --test conformance linearizable -- --include-ignored` runs
//! longer.

mod api;
mod broken;
mod history;

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use matrix_qr_rendezvous::{Config, Memory, Redis, Store};
use tokio::task::JoinSet;

use self::{
    api::RendezvousApi,
    broken::{BrokenStore, StoreFault},
    history::{Effect, Moment, NEVER, Operation, Violation, check},
};
use crate::{redis_server::RedisServer, support::*};

const SESSIONS: usize = 6;
const CLIENTS: usize = 16;
/// How many requests each client sends in a round.
const OPERATIONS: usize = 150;

/// What happened. A run without writes, refusals and deletions proves nothing.
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
        let count = |is: fn(&Effect) -> bool| {
            history
                .iter()
                .filter(|operation| is(&operation.effect))
                .count()
        };
        self.operations += history.len();
        self.written += count(|effect| matches!(effect, Effect::Written { .. }));
        self.repeated += repeated(history);
        self.refused += count(|effect| matches!(effect, Effect::TooLate { .. }));
        self.ended += count(|effect| matches!(effect, Effect::Deleted));
        self.unknown +=
            count(|effect| matches!(effect, Effect::MaybeWritten { .. } | Effect::MaybeDeleted));
        self.violations.extend(check(history));
    }

    #[allow(
        clippy::print_stdout,
        reason = "the numbers of a long run, with --nocapture"
    )]
    fn assert_linearizable(&self) {
        println!("{self:?}");
        assert_eq!(self.violations, []);
        assert!(
            self.written > 0 && self.refused > 0 && self.ended > 0,
            "{self:?}"
        );
    }
}

/// How many acknowledged writes were repeats.
fn repeated(history: &[Operation]) -> usize {
    let written = history
        .iter()
        .filter_map(|operation| match &operation.effect {
            Effect::Written { etag, .. } => Some(etag),
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

/// No limit must interfere.
fn unlimited(config: &mut Config) {
    config.limits.creates = None;
    config.limits.requests = None;
    config.limits.sessions_per_network = None;
    config.limits.max_sessions = usize::MAX;
}

/// Runs many clients on new sessions, and `meanwhile` at the same time. Checks every history.
async fn round<S: Store>(
    api: RendezvousApi,
    instances: &Arc<Vec<TestServer<S>>>,
    meanwhile: impl Future<Output = ()>,
    tally: &mut Tally,
) {
    let clock = Instant::now();
    let mut sessions = Vec::new();
    let mut histories = Vec::new();
    for _ in 0..SESSIONS {
        let asked = clock.elapsed().as_nanos();
        let session = api.create(&instances[0], "start").await;
        let effect = Effect::Created {
            payload: "start".to_owned(),
            etag: session.etag.clone(),
        };
        histories.push(vec![Operation {
            asked,
            answered: clock.elapsed().as_nanos(),
            effect,
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
    api: RendezvousApi,
    instances: Arc<Vec<TestServer<S>>>,
    /// Each with the last payload that it has seen.
    sessions: Vec<TextSession>,
    /// Its last write to each, and what that replaced: it is repeated sometimes.
    last: Vec<Option<(TextSession, String)>>,
    number: usize,
    clock: Instant,
}

impl<S: Store> Client<S> {
    /// Returns what it saw, with the number of the session.
    async fn run(mut self) -> Vec<(usize, Operation)> {
        let (mut seen, mut random) = (Vec::new(), Random(self.number as u64));
        for count in 0..OPERATIONS {
            let place = random.below(SESSIONS);
            let instance = random.below(self.instances.len());
            let (asked, effect) = (
                self.now(),
                self.operation(place, instance, count, random.below(1000))
                    .await,
            );
            let Some(effect) = effect else { continue };
            let maybe = matches!(effect, Effect::MaybeWritten { .. } | Effect::MaybeDeleted);
            let answered = if maybe { NEVER } else { self.now() };
            seen.push((
                place,
                Operation {
                    asked,
                    answered,
                    effect,
                },
            ));
        }
        seen
    }

    fn now(&self) -> Moment {
        self.clock.elapsed().as_nanos()
    }

    /// `None` if there was no response, and the request can have changed nothing.
    async fn operation(
        &mut self,
        place: usize,
        instance: usize,
        count: usize,
        chance: usize,
    ) -> Option<Effect> {
        let session = self.sessions[place].clone();
        let server = &self.instances[instance];
        let api = self.api;
        let effect = match chance {
            0..3 => api.delete(server, &session).await,
            3..450 => {
                let (session, payload) = self.to_write(place, count, chance);
                let effect = api.write(server, &session, payload.clone()).await;
                self.last[place] = Some((session, payload));
                effect
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
        if let Effect::Read { etag, .. } | Effect::Written { etag, .. } = &effect {
            self.sessions[place].etag.clone_from(etag);
        }
        Some(effect)
    }

    /// A new payload. In MSC4388's API, sometimes its last write once more, or a payload that every
    /// client writes that has seen the current one.
    fn to_write(&self, place: usize, count: usize, chance: usize) -> (TextSession, String) {
        let session = self.sessions[place].clone();
        match (self.api, chance % 4, &self.last[place]) {
            (RendezvousApi::Json, 0, Some(last)) => last.clone(),
            (RendezvousApi::Json, 1, _) => {
                let payload = format!("upon {}", session.etag);
                (session, payload)
            }
            _ => (session, format!("{count} of {}", self.number)),
        }
    }
}

/// The same numbers for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_linearizable() {
    over_memory(RendezvousApi::Text).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory_is_linearizable_with_writes_that_are_repeated() {
    over_memory(RendezvousApi::Json).await;
}

async fn over_memory(api: RendezvousApi) {
    let instances = Arc::new(vec![TestServer::<Memory>::with(unlimited).await]);
    let mut tally = Tally::default();
    for _ in 0..rounds() {
        round(api, &instances, async {}, &mut tally).await;
    }
    tally.assert_linearizable();
    assert_eq!(tally.unknown, 0);
    assert_eq!(tally.repeated > 0, api == RendezvousApi::Json);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn redis_is_linearizable_while_it_is_killed() {
    over_redis(RendezvousApi::Text, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn redis_is_linearizable_with_writes_that_are_repeated_while_it_is_killed() {
    over_redis(RendezvousApi::Json, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn two_instances_over_one_redis_are_linearizable_while_it_is_killed() {
    over_redis(RendezvousApi::Text, 2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs redis-server: cargo xtask test"]
async fn two_instances_are_linearizable_with_writes_that_are_repeated_while_redis_is_killed() {
    over_redis(RendezvousApi::Json, 2).await;
}

async fn over_redis(api: RendezvousApi, count: usize) {
    let redis = RedisServer::durable();
    let mut instances: Vec<TestServer<Redis>> = Vec::new();
    for _ in 0..count {
        instances.push(TestServer::over((redis.store(), Some(redis.clone())), unlimited).await);
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
    tally.assert_linearizable();
    assert_ne!(tally.unknown, 0, "no client noticed that Redis was killed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_wrong_is_found_out() {
    for (fault, name, says) in [
        (
            StoreFault::ComparesThenWrites,
            "compares, then writes",
            "ReplacedTwice",
        ),
        (StoreFault::ForgetsWrites, "forgets writes", "ReplacedTwice"),
        (StoreFault::DeniesWrites, "denies writes", "FromNowhere"),
        (
            StoreFault::ShowsOldPayloads,
            "shows old payloads",
            "OutOfOrder",
        ),
        (StoreFault::DeletesTwice, "deletes twice", "EndedTwice"),
        (
            StoreFault::ForgetsSessions,
            "forgets sessions",
            "EndedByNobody",
        ),
    ] {
        // In MSC4388's API a client may repeat a write that was refused, so the history is right.
        let denies = fault == StoreFault::DeniesWrites;
        for api in [RendezvousApi::Text, RendezvousApi::Json]
            .into_iter()
            .filter(|api| !denies || *api == RendezvousApi::Text)
        {
            let tally = until_found(api, fault).await;
            assert!(
                format!("{:?}", tally.violations).contains(says),
                "{name}, {api:?}: {tally:?}"
            );
        }
    }
}

/// Runs rounds until a violation is found: a fault does not show in each round.
async fn until_found(api: RendezvousApi, fault: StoreFault) -> Tally {
    let instances = Arc::new(vec![
        TestServer::over((BrokenStore::new(fault), None), unlimited).await,
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
