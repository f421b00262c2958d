//! Two instances over one Redis: many clients use the same sessions through both, and every
//! session's history is checked.

mod client_group;

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::task::JoinSet;

use self::client_group::ClientGroup;
use crate::{
    error::BenchError,
    history::{self, Operation},
    options::BenchOptions,
    redis::RedisProcess,
    report::{BenchReport, BenchRow},
    server::{Setting, ours},
};

pub(crate) const ROWS: [&str; 2] = ["two instances: violations", "two instances: not answered"];

/// How many sessions are in use at once. Each has four clients.
const GROUPS: usize = 16;

/// The longest time of a run.
const LONGEST: Duration = Duration::from_secs(2 * 60 * 60);

/// Uses sessions until there were as many operations as the options say.
pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    let redis = RedisProcess::start().await?;
    let servers = [
        ours(options, Setting::Redis(redis.port))?,
        ours(options, Setting::Redis(redis.port))?,
    ];
    let [first, second] = [&servers[0], &servers[1]].map(|server| server.address);
    let (start, mut groups) = (Instant::now(), JoinSet::new());
    for number in 0..GROUPS {
        let share = options.operations() / GROUPS;
        // The instances create sessions in turn.
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

fn add_rows(tally: &Tally, time: Duration, report: &mut BenchReport) {
    let [violations, unanswered] = ROWS;
    let row = BenchRow::new(violations, tally.violations as f64, "sessions")
        .at_most(0.0)
        .with("operations", tally.operations);
    let rate = tally.operations as f64 / time.as_secs_f64();
    report.add(
        row.with("sessions", tally.sessions)
            .with("operations_per_second", rate)
            .note(tally.first_violation.clone()),
    );
    let row = BenchRow::new(unanswered, tally.unanswered as f64, "sessions").at_most(0.0);
    report.add(row.note(tally.error.clone()));
}

/// The results of some sessions.
#[derive(Default)]
struct Tally {
    operations: usize,
    sessions: usize,
    /// Sessions whose history no single copy can have.
    violations: usize,
    first_violation: Option<String>,
    /// Sessions whose history is incomplete, because a request failed.
    unanswered: usize,
    error: Option<String>,
}

impl Tally {
    fn count(&mut self, outcome: Result<Vec<Operation>, BenchError>) {
        self.sessions += 1;
        match outcome {
            Ok(history) => {
                self.operations += history.len();
                if let Some(violation) = history::check(&history).first() {
                    self.violations += 1;
                    self.first_violation = Some(format!("{violation:?}"));
                }
            }
            Err(error) => {
                self.unanswered += 1;
                self.error = Some(error.to_string());
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.operations += other.operations;
        self.sessions += other.sessions;
        self.violations += other.violations;
        self.first_violation = self.first_violation.take().or(other.first_violation);
        self.unanswered += other.unanswered;
        self.error = other.error.or(self.error.take());
    }
}

/// How many sessions in a row may fail before a group gives up.
const PATIENCE: usize = 20;

/// Uses one session after the other.
async fn use_sessions(
    addresses: [SocketAddr; 2],
    number: usize,
    operations: usize,
) -> Result<Tally, BenchError> {
    let (mut tally, mut group, mut failed) = (
        Tally::default(),
        ClientGroup::connect(addresses, number).await?,
        0,
    );
    while tally.operations < operations && failed < PATIENCE {
        let outcome = group.use_session().await;
        if outcome.is_err() {
            failed += 1;
            // The rest of a response would be read as the start of the next one.
            group = ClientGroup::connect(addresses, number + GROUPS * (tally.sessions + 1)).await?;
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
            tally.error
        );
        assert_eq!(tally.violations, 0, "{:?}", tally.first_violation);
    }

    /// Two servers that share nothing do not know each other's sessions.
    #[tokio::test]
    async fn two_copies_are_seen() {
        let tally = use_sessions([start_ours().await, start_ours().await], 0, 500)
            .await
            .unwrap();
        assert_eq!(
            tally.violations, tally.sessions,
            "{:?}",
            tally.first_violation
        );
    }
}
