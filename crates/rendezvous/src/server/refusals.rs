//! Connections that are refused: counted, and said in the log, but seldom. Who refuses many has no
//! room for many lines.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    log_throttle::LogThrottle,
    metrics::{ConnectionRefusal, Metrics},
};

/// At most so often is the same said.
const EVERY: Duration = Duration::from_secs(10);

/// Counts what is refused on one listener.
pub(super) struct ConnectionRefusals {
    metrics: Metrics,
    too_many: LogThrottle,
    not_a_proxy: LogThrottle,
    no_proxy_header: LogThrottle,
    not_accepted: LogThrottle,
}

impl ConnectionRefusals {
    pub(super) fn new(metrics: Metrics) -> Self {
        let seldom = || LogThrottle::every(EVERY);
        Self {
            metrics,
            too_many: seldom(),
            not_a_proxy: seldom(),
            no_proxy_header: seldom(),
            not_accepted: seldom(),
        }
    }

    /// A connection was closed without an answer.
    pub(super) fn refused(&self, why: ConnectionRefusal) {
        self.metrics.connection_refused(why);
        let (seldom, says) = match why {
            ConnectionRefusal::TooMany => (
                &self.too_many,
                "as many are open as may be: max-connections",
            ),
            ConnectionRefusal::NotAProxy => (
                &self.not_a_proxy,
                "with the PROXY protocol only trusted proxies may connect: trusted-proxies",
            ),
            ConnectionRefusal::NoProxyHeader => (
                &self.no_proxy_header,
                "a trusted proxy did not begin with a header of the PROXY protocol: tell it to, or set proxy-protocol = false",
            ),
        };
        if let Some(connections) = seldom.due(Instant::now()) {
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
