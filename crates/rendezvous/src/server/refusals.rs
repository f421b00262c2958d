//! Refused connections: all are counted, few are logged. A flood of them must not flood the log.

use std::{
    io,
    time::{Duration, Instant},
};

use crate::{
    log_throttle::LogThrottle,
    metrics::{ConnectionRefusal, Metrics},
};

/// The minimum time between two log lines of the same kind.
const EVERY: Duration = Duration::from_secs(10);

/// Counts and logs the connections that one listener refuses.
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

    /// A connection was closed without a response.
    pub(super) fn refused(&self, why: ConnectionRefusal) {
        self.metrics.connection_refused(why);
        let (seldom, reason) = match why {
            ConnectionRefusal::TooMany => (&self.too_many, "the limit is reached: max-connections"),
            ConnectionRefusal::NotAProxy => (
                &self.not_a_proxy,
                "with the PROXY protocol only trusted proxies may connect: trusted-proxies",
            ),
            ConnectionRefusal::NoProxyHeader => (
                &self.no_proxy_header,
                "a trusted proxy did not start with a header of the PROXY protocol: configure it to, or set proxy-protocol = false",
            ),
        };
        if let Some(connections) = seldom.due(Instant::now()) {
            tracing::warn!(connections, "refused connections: {reason}");
        }
    }

    /// The system could not accept a connection, usually for lack of file descriptors: clients
    /// wait.
    pub(super) fn not_accepted(&self, error: &io::Error) {
        if let Some(attempts) = self.not_accepted.due(Instant::now()) {
            tracing::warn!(%error, attempts, "cannot accept connections: if there are too many open files, raise LimitNOFILE (ulimit -n)");
        }
    }
}
