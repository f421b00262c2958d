//! What is wrong with a URL.

/// What is wrong with the URL of a Redis. It never quotes the URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it is not the URL of a Redis: {0}")]
pub struct RedisUrlError(&'static str);

impl RedisUrlError {
    pub(in crate::store::redis) const UNUSABLE: Self =
        Self("the library that connects to Redis does not accept it");

    pub(super) const fn new(problem: &'static str) -> Self {
        Self(problem)
    }
}
