//! What happens often and is said seldom.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// How often a line is logged, at most.
const EVERY: Duration = Duration::from_secs(600);

/// Keeps a line of the log from being written for each request.
pub(crate) struct Seldom {
    start: Instant,
    /// In seconds since `start`.
    due: AtomicU64,
}

impl Seldom {
    pub(crate) fn new() -> Self {
        Self { start: Instant::now(), due: AtomicU64::new(0) }
    }

    /// Whether it is time to say it. Of those that ask at once, one is told so.
    pub(crate) fn is_due(&self, now: Instant) -> bool {
        let (now, due) = (now.saturating_duration_since(self.start).as_secs(), self.due.load(Relaxed));
        now >= due && self.due.compare_exchange(due, now + EVERY.as_secs(), Relaxed, Relaxed).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_first_and_then_seldom() {
        let (seldom, now) = (Seldom::new(), Instant::now());
        let due = [0, 1, 599, 600, 601].map(|seconds| seldom.is_due(now + Duration::from_secs(seconds)));
        assert_eq!(due, [true, false, false, true, false]);
    }
}
