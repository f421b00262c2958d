//! What happens often and is said seldom.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

/// Keeps a line of the log from being written each time. Without a lock: it may happen with every
/// request.
pub(crate) struct LogThrottle {
    every: Duration,
    start: Instant,
    /// In milliseconds since `start`.
    due: AtomicU64,
    unsaid: AtomicU64,
}

impl LogThrottle {
    /// At most once in this time.
    pub(crate) fn every(every: Duration) -> Self {
        Self {
            every,
            start: Instant::now(),
            due: AtomicU64::new(0),
            unsaid: AtomicU64::new(0),
        }
    }

    /// It has happened once more. How often since it was last said, if it shall be said now.
    pub(crate) fn due(&self, now: Instant) -> Option<u64> {
        self.unsaid.fetch_add(1, Relaxed);
        let (now, due) = (
            milliseconds(now.saturating_duration_since(self.start)),
            self.due.load(Relaxed),
        );
        let next = now.saturating_add(milliseconds(self.every));
        // Of those that come at once, one says it.
        let says = now >= due
            && self
                .due
                .compare_exchange(due, next, Relaxed, Relaxed)
                .is_ok();
        says.then(|| self.unsaid.swap(0, Relaxed))
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_then_seldom_and_nothing_is_forgotten() {
        let (seldom, start) = (LogThrottle::every(Duration::from_secs(10)), Instant::now());
        let at = |seconds| seldom.due(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(1));
        assert_eq!([at(0), at(5), at(9)], [None; 3]);
        assert_eq!(at(10), Some(4));
        assert_eq!([at(11), at(21)], [None, Some(2)]);
    }
}
