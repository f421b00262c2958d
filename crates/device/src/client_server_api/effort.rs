//! What a call may cost.

use std::time::Duration;

use crate::http::USUAL_ANSWER;

/// What one call may cost, the repetitions included.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Effort {
    pub(super) tries: u32,
    pub(super) within: Duration,
    pub(super) bytes: usize,
}

impl Effort {
    /// A call that changes nothing when it is repeated with the same body.
    pub(crate) const REPEATABLE: Self = Self {
        tries: 4,
        within: Duration::from_secs(20),
        bytes: USUAL_ANSWER,
    };
    /// A call that would do its work twice.
    #[cfg(feature = "matrix-sdk")]
    pub(crate) const ONCE: Self = Self {
        tries: 1,
        ..Self::REPEATABLE
    };
    /// A check at the end of a session, while a person waits.
    pub(crate) const BRIEF: Self = Self {
        tries: 2,
        within: Duration::from_secs(8),
        bytes: USUAL_ANSWER,
    };
    /// A call that nothing depends on.
    pub(super) const COURTESY: Self = Self {
        tries: 1,
        within: Duration::from_secs(5),
        bytes: USUAL_ANSWER,
    };
    /// A whole key backup: large and slow for an old account (about 500 bytes a room key).
    pub(crate) const WHOLE_BACKUP: Self = Self {
        tries: 2,
        within: Duration::from_secs(300),
        bytes: 256 << 20,
    };
}
