//! Two instances over one Redis: many clients use the same sessions through both, and every
//! session's history is checked.

mod group;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use self::group::Group;
use crate::{
    error::BenchError,
    history::{self, Event, Violation},
    options::Options,
    redis::Redis,
    report::{Report, Row},
    server::{Setting, ours},
};

pub(crate) const ROWS: [&str; 2] = ["two instances: violations", "two instances: not answered"];

/// How many sessions are in use at once. Each has four clients.
const GROUPS: usize = 16;

/// No run is longer.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

/// Asks until there were so many operations.
pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<(), BenchError> {
    let redis = Redis::start().await?;
    let servers = [
        ours(options, Setting::Redis(redis.port))?,
        ours(options, Setting::Redis(redis.port))?,
    ];
    let [first, second] = [&servers[0], &servers[1]].map(|server| server.address);
    let (start, mut groups) = (Instant::now(), JoinSet::new());
    for number in 0..GROUPS {
        let share = options.operations() / GROUPS;
        // Every other session is made by the other instance.
        let addresses = if number % 2 == 0 {
            [first, second]
        } else {
            [second, first]
        };
        groups.spawn(use_sessions(addresses, number, share));
    }
    let mut tally = Tally::default();
    let all = async {
        while let Some(part) = groups.join_next().await {
            tally.add(part??);
        }
        Ok::<_, BenchError>(())
    };
    tokio::time::timeout(LONGEST, all)
        .await
        .map_err(|_| BenchError::TooSlow("the operations"))??;
    add_rows(&tally, start.elapsed(), report);
    Ok(())
}

fn add_rows(tally: &Tally, time: Duration, report: &mut Report) {
    let [violations, unanswered] = ROWS;
    let found: usize = tally.violations.values().sum();
    let kinds = (found > 0).then(|| format!("{:?}", tally.violations));
    let row = Row::new(violations, found as f64, "sessions")
        .at_most(0.0)
        .with("operations", tally.operations);
    let rate = tally.operations as f64 / time.as_secs_f64();
    report.add(
        row.with("sessions", tally.sessions)
            .with("operations_per_second", rate)
            .note(kinds),
    );
    let row = Row::new(unanswered, tally.unanswered as f64, "sessions").at_most(0.0);
    report.add(row.note(tally.trouble.clone()));
}

/// What came of some sessions.
#[derive(Default)]
struct Tally {
    operations: usize,
    sessions: usize,
    violations: BTreeMap<Violation, usize>,
    /// Sessions whose history is not known, since a request in it has failed.
    unanswered: usize,
    trouble: Option<String>,
}

impl Tally {
    fn count(&mut self, outcome: Result<Vec<Event>, BenchError>) {
        self.sessions += 1;
        match outcome {
            Ok(events) => {
                self.operations += events.len();
                if let Err(violation) = history::check(&events) {
                    *self.violations.entry(violation).or_default() += 1;
                }
            }
            Err(trouble) => {
                self.unanswered += 1;
                self.trouble = Some(trouble.to_string());
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.sessions += other.sessions;
        self.unanswered += other.unanswered;
        self.trouble = other.trouble.or(self.trouble.take());
        for (violation, count) in other.violations {
            *self.violations.entry(violation).or_default() += count;
        }
    }
}

/// How many sessions in a row may fail before there is no point in going on.
const PATIENCE: usize = 20;

/// One session after the other.
async fn use_sessions(
    addresses: [SocketAddr; 2],
    number: usize,
    operations: usize,
) -> Result<Tally, BenchError> {
    let (mut tally, mut group, mut failed) = (
        Tally::default(),
        Group::connect(addresses, number).await?,
        0,
    );
    while tally.operations < operations && failed < PATIENCE {
        let outcome = group.use_session().await;
        if outcome.is_err() {
            failed += 1;
            // What is left of the answer would be taken for the next one's.
            group = Group::connect(addresses, number + GROUPS * (tally.sessions + 1)).await?;
        } else {
            failed = 0;
        }
        tally.count(outcome);
    }
    Ok(tally)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tests::start_ours;

    #[tokio::test]
    async fn one_server_is_one_copy() {
        let address = start_ours().await;
        let tally = use_sessions([address, address], 0, 500).await.unwrap();
        assert!(
            tally.operations >= 500 && tally.unanswered == 0,
            "{:?}",
            tally.trouble
        );
        assert!(tally.violations.is_empty(), "{:?}", tally.violations);
    }

    /// Two servers that share nothing know nothing of each other's sessions.
    #[tokio::test]
    async fn two_copies_are_seen() {
        let tally = use_sessions([start_ours().await, start_ours().await], 0, 500)
            .await
            .unwrap();
        assert_eq!(
            tally.violations.values().sum::<usize>(),
            tally.sessions,
            "{:?}",
            tally.violations
        );
    }
}
