//! Pauses between attempts to connect, each twice as long as the last.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

const SHORTEST: Duration = Duration::from_millis(10);

/// Well below the time that a request waits, so that the first request after an outage succeeds.
const LONGEST: Duration = Duration::from_millis(250);

/// When the next attempt may start.
pub(super) struct ReconnectBackoff {
    pause: Duration,
    until: Option<Instant>,
}

impl Default for ReconnectBackoff {
    fn default() -> Self {
        Self {
            pause: SHORTEST,
            until: None,
        }
    }
}

impl ReconnectBackoff {
    pub(super) async fn wait(&self) {
        if let Some(until) = self.until {
            sleep_until(until).await;
        }
    }

    pub(super) fn failed(&mut self) {
        self.until = Some(Instant::now() + self.pause);
        self.pause = (2 * self.pause).min(LONGEST);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_who_has_failed_waits() {
        let (mut backoff, start) = (ReconnectBackoff::default(), Instant::now());
        backoff.wait().await;
        assert_eq!(start.elapsed(), Duration::ZERO);
        backoff.failed();
        backoff.wait().await;
        assert_eq!(start.elapsed(), SHORTEST);
    }

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let mut backoff = ReconnectBackoff::default();
        let pauses: Vec<_> = std::iter::repeat_with(|| {
            backoff.failed();
            backoff.pause
        })
        .take(9)
        .collect();
        assert!(pauses.is_sorted());
        assert_eq!((pauses[0], pauses[8]), (2 * SHORTEST, LONGEST));
    }
}
