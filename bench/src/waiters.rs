//! Readers that the server holds (`Prefer: wait`), tens of thousands at once. Over HTTP/2: a
//! process has not as many descriptors, and neither has the server.

mod held;

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use self::held::{Held, Release};
use crate::{
    client::Client,
    error::BenchError,
    fill::{Session, fill},
    options::Options,
    report::{Report, Row},
    requests::Request,
    rounds::percentile,
    server::{Setting, ours},
};

pub(crate) const ROWS: [&str; 4] = [
    "waiters held",
    "waiters released by another's write",
    "memory per waiter",
    "from a write to its waiter, p99",
];

/// How many of the sessions are written to.
const SAMPLE: usize = 500;

/// Until the server has seen the last of them.
const SETTLE: Duration = Duration::from_secs(1);

/// The waiters are held for 30 s. What is later than this after the first may be released by its
/// time.
const IN_TIME: Duration = Duration::from_secs(27);

/// At once, on a busy machine.
const AT_ONCE_MS: f64 = 100.0;

/// One waiter for each session.
pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<(), BenchError> {
    let [held_row, stray_row, memory_row, release_row] = ROWS;
    let server = ours(options, Setting::Wide)?;
    let sessions = fill(server.address, options.waiters, 64).await?;
    let mut held = Held::connect(server.address, sessions.len()).await?;
    let (before, start) = (server.process.memory()?, Instant::now());
    for (number, session) in sessions.iter().enumerate() {
        held.wait(number, session).await?;
    }
    sleep(SETTLE).await;
    let early = held.released().len();
    let memory = server.process.memory()?.saturating_sub(before);
    let outcome = release(&mut held, &sessions, Client::connect(server.address).await?).await?;
    if start.elapsed() > IN_TIME {
        return Err(BenchError::TooSlow("holding the readers"));
    }
    let count = (sessions.len() - early) as f64;
    report.add(Row::new(held_row, count, "readers").at_least(options.waiters as f64));
    report.add(Row::new(stray_row, outcome.strays as f64, "readers").at_most(0.0));
    report.add(Row::new(
        memory_row,
        memory as f64 / sessions.len() as f64,
        "KiB",
    ));
    report.add(Row::new(release_row, outcome.p99_ms(), "ms").at_most(AT_ONCE_MS));
    Ok(())
}

/// What the writes did.
struct Outcome {
    /// Sorted.
    times: Vec<Duration>,
    /// How many were released and should not have been.
    strays: usize,
}

impl Outcome {
    fn p99_ms(&self) -> f64 {
        percentile(&self.times, 99)
            .unwrap_or_default()
            .as_secs_f64()
            * 1e3
    }
}

/// Writes to some of the sessions, one after the other. Each must release its own reader and nobody
/// else.
async fn release(
    held: &mut Held,
    sessions: &[Session],
    mut writer: Client,
) -> Result<Outcome, BenchError> {
    let (mut outcome, mut request) = (
        Outcome {
            times: Vec::new(),
            strays: 0,
        },
        Request::default(),
    );
    let step = (sessions.len() / SAMPLE).max(1);
    for (number, session) in sessions.iter().enumerate().step_by(step) {
        let start = Instant::now();
        let write = request.write(&session.path, &session.etag, b"news");
        writer.ask(write).await?.expect("write", 202)?;
        let released = timeout(IN_TIME, held.release_of(number)).await;
        let (Release { at, status, .. }, strays) =
            released.map_err(|_| BenchError::TooSlow("a release"))??;
        outcome.strays += strays;
        if status != 200 {
            return Err(BenchError::Status {
                request: "a read that waits",
                wanted: 200,
                got: status,
            });
        }
        outcome.times.push(at.saturating_duration_since(start));
    }
    outcome.strays += held.released().len();
    outcome.times.sort_unstable();
    Ok(outcome)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::tests::start_ours;

    #[tokio::test]
    async fn a_write_releases_its_reader() {
        let address = start_ours().await;
        let sessions = fill(address, 40, 16).await.unwrap();
        let mut held = Held::connect(address, sessions.len()).await.unwrap();
        for (number, session) in sessions.iter().enumerate() {
            held.wait(number, session).await.unwrap();
        }
        assert!(held.released().is_empty());
        let writer = Client::connect(address).await.unwrap();
        let outcome = release(&mut held, &sessions, writer).await.unwrap();
        assert_eq!((outcome.times.len(), outcome.strays), (sessions.len(), 0));
    }
}
