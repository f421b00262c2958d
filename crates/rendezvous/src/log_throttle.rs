//! For events that happen often and are logged rarely.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Limits how often a line is logged. Without a lock: the event may happen with every request.
pub(crate) struct LogThrottle {
    every: Duration,
    start: Instant,
    /// In milliseconds since `start`.
    due: AtomicU64,
    unlogged: AtomicU64,
}

impl LogThrottle {
    /// Logs at most once in this time.
    pub(crate) fn every(every: Duration) -> Self {
        Self {
            every,
            start: Instant::now(),
            due: AtomicU64::new(0),
            unlogged: AtomicU64::new(0),
        }
    }

    /// Notes that the event has happened once more. If it should be logged now: how often it has
    /// happened since the last time.
    pub(crate) fn due(&self, now: Instant) -> Option<u64> {
        self.unlogged.fetch_add(1, Relaxed);
        let (now, due) = (
            milliseconds(now.saturating_duration_since(self.start)),
            self.due.load(Relaxed),
        );
        let next = now.saturating_add(milliseconds(self.every));
        // Of concurrent callers, one logs.
        let logs = now >= due
            && self
                .due
                .compare_exchange(due, next, Relaxed, Relaxed)
                .is_ok();
        logs.then(|| self.unlogged.swap(0, Relaxed))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_event_is_logged_at_once_and_all_are_counted() {
        let (seldom, start) = (LogThrottle::every(Duration::from_secs(10)), Instant::now());
        let at = |seconds| seldom.due(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(1));
        assert_eq!([at(0), at(5), at(9)], [None; 3]);
        assert_eq!(at(10), Some(4));
        assert_eq!([at(11), at(21)], [None, Some(2)]);
    }
}
