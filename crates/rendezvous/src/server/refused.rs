//! Connections that are refused: counted, and said in the log, but seldom. Who refuses many has no room for many lines.

use std::{
    io,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

use crate::metrics::{ConnectionRefusal, Metrics};

/// At most so often is the same said.
const SELDOM: Duration = Duration::from_secs(10);

/// Counts what is refused on one listener.
pub(super) struct Refusals {
    metrics: Metrics,
    too_many: Complaint,
    not_a_proxy: Complaint,
    no_proxy_header: Complaint,
    not_accepted: Complaint,
}

impl Refusals {
    pub(super) fn new(metrics: Metrics) -> Self {
        let complaint = Complaint::default;
        Self {
            metrics,
            too_many: complaint(),
            not_a_proxy: complaint(),
            no_proxy_header: complaint(),
            not_accepted: complaint(),
        }
    }

    /// A connection was closed without an answer.
    pub(super) fn refused(&self, why: ConnectionRefusal) {
        self.metrics.connection_refused(why);
        let (complaint, says) = match why {
            ConnectionRefusal::TooMany => (&self.too_many, "as many are open as may be: max-connections"),
            ConnectionRefusal::NotAProxy => (
                &self.not_a_proxy,
                "with the PROXY protocol only trusted proxies may connect: trusted-proxies",
            ),
            ConnectionRefusal::NoProxyHeader => (
                &self.no_proxy_header,
                "a trusted proxy did not begin with a header of the PROXY protocol: tell it to, or set proxy-protocol = false",
            ),
        };
        if let Some(connections) = complaint.due(Instant::now()) {
            tracing::warn!(connections, "refused connections: {says}");
        }
    }

    /// The system has no connection to give, mostly for want of file descriptors: clients wait.
    pub(super) fn not_accepted(&self, error: &io::Error) {
        if let Some(attempts) = self.not_accepted.due(Instant::now()) {
            tracing::warn!(%error, attempts, "cannot accept connections: raise LimitNOFILE (ulimit -n) if there are too many open files");
        }
    }
}

/// Something that may happen often and is said seldom.
#[derive(Default)]
struct Complaint(Mutex<Since>);

#[derive(Default)]
struct Since {
    said: Option<Instant>,
    unsaid: u64,
}

impl Complaint {
    /// It has happened once more. How often since it was last said, if it shall be said now.
    fn due(&self, now: Instant) -> Option<u64> {
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        since.unsaid += 1;
        if since.said.is_some_and(|said| now.saturating_duration_since(said) < SELDOM) {
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
        let (complaint, start) = (Complaint::default(), Instant::now());
        let at = |seconds| complaint.due(start + Duration::from_secs(seconds));
        assert_eq!(at(0), Some(1));
        assert_eq!([at(0), at(5), at(9)], [None; 3]);
        assert_eq!(at(10), Some(4));
        assert_eq!([at(11), at(21)], [None, Some(2)]);
    }
}
