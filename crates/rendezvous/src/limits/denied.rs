//! Why the limits refuse a request.

use std::time::Duration;

/// Why the limits refuse a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Denied {
    /// Its network may not use the server.
    Network,
    /// Its network sends requests too fast. It may try again after this time.
    Rate(Duration),
    /// Its network has as many sessions as one network may have.
    NetworkFull,
    /// The server has as many sessions as it may have.
    Full,
}
