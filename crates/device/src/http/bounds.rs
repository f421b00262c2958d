//! How large and how slow an exchange may be.

use std::time::Duration;

/// The largest response that is read, in bytes, unless the caller sets another limit.
pub const USUAL_ANSWER: usize = 1 << 20;
/// How long one request may take, unless the caller sets another limit.
pub const USUAL_TIME: Duration = Duration::from_secs(30);

/// The limits of one exchange.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// The largest body of a response, in bytes.
    pub bytes: usize,
    /// The longest time for the whole exchange.
    pub time: Duration,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bytes: USUAL_ANSWER,
            time: USUAL_TIME,
        }
    }
}
