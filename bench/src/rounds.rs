//! Runs servers in turn, round after round, and compares their results.

use std::time::Duration;

use crate::{
    error::BenchError,
    load::{Load, LoadResult},
    process::ServerProcess,
};

/// How many turns each server has, and how long a turn is.
#[derive(Clone, Copy)]
pub(crate) struct Rounds {
    pub(crate) count: usize,
    pub(crate) time: Duration,
}

/// The results of one server.
#[derive(Default)]
pub(crate) struct Runs(Vec<LoadResult>);

/// Runs each server once in each round. A short first round warms them up and does not count.
pub(crate) async fn interleave<const N: usize>(
    servers: [&ServerProcess; N],
    load: Load,
    rounds: Rounds,
) -> Result<[Runs; N], BenchError> {
    let mut runs = [const { Runs(Vec::new()) }; N];
    for server in servers {
        load.put_on(server, rounds.time / 4).await?;
    }
    for round in 0..rounds.count {
        let mut turns: Vec<_> = servers.iter().zip(&mut runs).collect();
        // The order changes, so that no server always runs after the same other one.
        turns.rotate_left(round % N.max(1));
        for (server, runs) in turns {
            runs.0.push(load.put_on(server, rounds.time).await?);
        }
    }
    Ok(runs)
}

impl Runs {
    pub(crate) fn push(&mut self, result: LoadResult) {
        self.0.push(result);
    }

    /// The median of the ratios of the two rates of a round.
    pub(crate) fn over(&self, other: &Self) -> f64 {
        median(
            self.0
                .iter()
                .zip(&other.0)
                .map(|(ours, theirs)| ours.rate / theirs.rate)
                .collect(),
        )
    }

    /// The median rate, per second.
    pub(crate) fn rate(&self) -> f64 {
        median(self.0.iter().map(|result| result.rate).collect())
    }

    /// The server's processor time per request, in microseconds.
    pub(crate) fn cpu_us(&self) -> f64 {
        let cpu: Duration = self.0.iter().map(|result| result.cpu).sum();
        let requests: usize = self.0.iter().map(|result| result.latencies.len()).sum();
        cpu.as_secs_f64() * 1e6 / requests.max(1) as f64
    }

    /// The 99th percentile of the latencies, in milliseconds.
    pub(crate) fn p99_ms(&self) -> f64 {
        let mut latencies: Vec<u32> = self
            .0
            .iter()
            .flat_map(|result| result.latencies.iter().copied())
            .collect();
        latencies.sort_unstable();
        f64::from(percentile(&latencies, 99).unwrap_or_default()) / 1e6
    }
}

/// The middle value, of an even number the lower one.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    percentile(&values, 50).unwrap_or(f64::NAN)
}

/// The value that `percent` of the values do not exceed. They must be sorted.
pub(crate) fn percentile<T: Copy>(sorted: &[T], percent: usize) -> Option<T> {
    let last = sorted.len().checked_sub(1)?;
    sorted.get(last * percent / 100).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(rates: &[f64]) -> Runs {
        let result = |rate: &f64| LoadResult {
            rate: *rate,
            cpu: Duration::from_micros(20),
            latencies: vec![1, 2],
        };
        Runs(rates.iter().map(result).collect())
    }

    #[test]
    fn a_round_that_the_machine_spoilt_does_not_count() {
        let (ours, bare) = (runs(&[90.0, 9.0, 80.0]), runs(&[100.0, 100.0, 100.0]));
        assert!((ours.over(&bare) - 0.8).abs() < f64::EPSILON);
        assert!((ours.cpu_us() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn percentiles_are_values_that_there_are() {
        let sorted: Vec<u32> = (0..=100).collect();
        assert_eq!(percentile(&sorted, 99), Some(99));
        assert_eq!(percentile(&sorted, 50), Some(50));
        assert_eq!(percentile::<u32>(&[], 50), None);
    }
}
