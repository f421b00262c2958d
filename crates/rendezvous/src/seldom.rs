//! What happens often and is said seldom.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Keeps a line of the log from being written each time.
pub(crate) struct Seldom {
    every: Duration,
    since: Mutex<Since>,
}

#[derive(Default)]
struct Since {
    said: Option<Instant>,
    unsaid: u64,
}

impl Seldom {
    /// At most once in this time.
    pub(crate) fn every(every: Duration) -> Self {
        Self { every, since: Mutex::default() }
    }

    /// It has happened once more. How often since it was last said, if it shall be said now.
    pub(crate) fn due(&self, now: Instant) -> Option<u64> {
        let mut since = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        since.unsaid += 1;
        if since.said.is_some_and(|said| now.saturating_duration_since(said) < self.every) {
            return None;
        }
        since.said = Some(now);
        Some(std::mem::take(&mut since.unsaid))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_at_once_then_seldom_and_nothing_is_forgotten() {
        let (seldom, start) = (Seldom::every(Duration::from_secs(10)), Instant::now());
        let at = |seconds| seldom.due(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(1));
        assert_eq!([at(0), at(5), at(9)], [None; 3]);
        assert_eq!(at(10), Some(4));
        assert_eq!([at(11), at(21)], [None, Some(2)]);
    }
}
