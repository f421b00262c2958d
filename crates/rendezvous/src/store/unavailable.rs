//! Why a store cannot be used.

/// The store cannot be reached, does not answer in time, or refuses. Whether a write happened is
/// then unknown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session store cannot be used ({0})")]
pub struct Unavailable(&'static str);

impl Unavailable {
    /// Every code there is, so that each can be the label of a counter from the start. Those in
    /// capitals are Redis's own error codes.
    pub(crate) const CODES: [&str; 18] = [
        "io",
        "timeout",
        "ERR",
        "BUSY",
        "CLUSTERDOWN",
        "LOADING",
        "MASTERDOWN",
        "MISCONF",
        "MOVED",
        "NOAUTH",
        "NOPERM",
        "NOREPLICAS",
        "OOM",
        "READONLY",
        "TRYAGAIN",
        "WRONGPASS",
        "record",
        Self::OTHER,
    ];

    const OTHER: &str = "other";

    /// With a code: `io`, `timeout`, `record` (something unexpected is stored), or an error code of
    /// Redis. An unknown code becomes `other`.
    #[must_use]
    pub fn new(code: &str) -> Self {
        Self(
            Self::CODES
                .into_iter()
                .find(|known| *known == code)
                .unwrap_or(Self::OTHER),
        )
    }

    /// The code.
    #[must_use]
    pub fn code(self) -> &'static str {
        self.0
    }
}
