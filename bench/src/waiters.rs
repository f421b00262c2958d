//! Tens of thousands of readers that wait for a change at once (`Prefer: wait`). They use HTTP/2,
//! because neither this process nor the server has enough file descriptors for a connection each.

mod held_readers;

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

use self::held_readers::{HeldReaders, ReleasedReader};
use crate::{
    client::RawClient,
    error::BenchError,
    fill::{CreatedSession, fill},
    options::BenchOptions,
    report::{BenchReport, BenchRow},
    requests::RequestBuffer,
    rounds::percentile,
    server::{Setting, ours},
};

pub(crate) const ROWS: [&str; 4] = [
    "waiters held",
    "waiters released by another's write",
    "memory per waiter",
    "from a write to its waiter, p99",
];

/// How many of the sessions are written.
const SAMPLE: usize = 500;

/// The time until the server has received the last request.
const SETTLE: Duration = Duration::from_secs(1);

/// The server holds a reader for at most 30 s. A release later than this may be due to that limit.
const IN_TIME: Duration = Duration::from_secs(27);

/// The longest time for a release, in milliseconds, on a busy machine.
const AT_ONCE_MS: f64 = 100.0;

/// Measures with one reader for each session.
pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    let [held_row, stray_row, memory_row, release_row] = ROWS;
    let server = ours(options, Setting::Wide)?;
    let sessions = fill(server.address, options.waiters, 64).await?;
    let mut held = HeldReaders::connect(server.address, sessions.len()).await?;
    let (before, start) = (server.process.memory()?, Instant::now());
    for (number, session) in sessions.iter().enumerate() {
        held.wait(number, session).await?;
    }
    sleep(SETTLE).await;
    let early = held.released().len();
    let memory = server.process.memory()?.saturating_sub(before);
    let outcome = release(
        &mut held,
        &sessions,
        RawClient::connect(server.address).await?,
    )
    .await?;
    if start.elapsed() > IN_TIME {
        return Err(BenchError::TooSlow("holding the readers"));
    }
    let count = (sessions.len() - early) as f64;
    report.add(BenchRow::new(held_row, count, "readers").at_least(options.waiters as f64));
    report.add(BenchRow::new(stray_row, outcome.strays as f64, "readers").at_most(0.0));
    report.add(BenchRow::new(
        memory_row,
        memory as f64 / sessions.len() as f64,
        "KiB",
    ));
    report.add(BenchRow::new(release_row, outcome.p99_ms(), "ms").at_most(AT_ONCE_MS));
    Ok(())
}

/// The releases after the writes.
struct ReleaseTimes {
    /// From a write to the release of its reader, sorted.
    times: Vec<Duration>,
    /// How many other readers were released.
    strays: usize,
}

impl ReleaseTimes {
    fn p99_ms(&self) -> f64 {
        percentile(&self.times, 99)
            .unwrap_or_default()
            .as_secs_f64()
            * 1e3
    }
}

/// Writes to some of the sessions, one after the other. Each write must release its own reader and
/// no other.
async fn release(
    held: &mut HeldReaders,
    sessions: &[CreatedSession],
    mut writer: RawClient,
) -> Result<ReleaseTimes, BenchError> {
    let (mut outcome, mut request) = (
        ReleaseTimes {
            times: Vec::new(),
            strays: 0,
        },
        RequestBuffer::default(),
    );
    let step = (sessions.len() / SAMPLE).max(1);
    for (number, session) in sessions.iter().enumerate().step_by(step) {
        let start = Instant::now();
        let write = request.write(&session.path, &session.etag, b"changed");
        writer.ask(write).await?.expect("write", 202)?;
        let released = timeout(IN_TIME, held.release_of(number)).await;
        let (ReleasedReader { at, status, .. }, strays) =
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
        let mut held = HeldReaders::connect(address, sessions.len()).await.unwrap();
        for (number, session) in sessions.iter().enumerate() {
            held.wait(number, session).await.unwrap();
        }
        assert!(held.released().is_empty());
        let writer = RawClient::connect(address).await.unwrap();
        let outcome = release(&mut held, &sessions, writer).await.unwrap();
        assert_eq!((outcome.times.len(), outcome.strays), (sessions.len(), 0));
    }
}
