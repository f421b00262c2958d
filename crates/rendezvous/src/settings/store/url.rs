//! Where sessions are kept.

use std::fmt;

#[cfg(feature = "redis")]
use matrix_qr_rendezvous::RedisUrl;

/// Where sessions are kept. Printed without secrets.
#[derive(Clone, PartialEq)]
pub(crate) enum StoreUrl {
    /// In this process.
    Memory,
    /// In a Redis or Valkey.
    #[cfg(feature = "redis")]
    Redis(RedisUrl),
}

impl StoreUrl {
    pub(in super::super) fn parse(text: &[u8]) -> Result<Self, String> {
        match str::from_utf8(text) {
            Err(_) => Err("it is not UTF-8".to_owned()),
            Ok("memory") => Ok(Self::Memory),
            Ok(url) => Self::parse_redis(url),
        }
    }

    #[cfg(feature = "redis")]
    fn parse_redis(url: &str) -> Result<Self, String> {
        url.parse()
            .map(Self::Redis)
            .map_err(|error: matrix_qr_rendezvous::RedisUrlError| {
                format!("it is not `memory`, and {error}")
            })
    }

    #[cfg(not(feature = "redis"))]
    fn parse_redis(_: &str) -> Result<Self, String> {
        Err("it must be `memory`: this program was built without Redis".to_owned())
    }

    pub(in super::super) fn has_secret(&self) -> bool {
        match self {
            Self::Memory => false,
            #[cfg(feature = "redis")]
            Self::Redis(url) => url.has_secret(),
        }
    }

    #[cfg(feature = "redis")]
    pub(in super::super) fn has_tls(&self) -> bool {
        matches!(self, Self::Redis(url) if url.has_tls())
    }
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str("memory"),
            #[cfg(feature = "redis")]
            Self::Redis(url) => url.fmt(f),
        }
    }
}
