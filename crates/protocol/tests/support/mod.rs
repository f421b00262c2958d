//! Randomness for tests.
#![allow(dead_code, unreachable_pub)]

use std::convert::Infallible;

use rand_core::{TryCryptoRng, TryRng};

/// A generator that gives these bytes, 32 each time, so that keys can be published.
pub struct FixedRng(Vec<u8>);

impl FixedRng {
    pub fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }
}

impl TryRng for FixedRng {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        panic!("a key is made of bytes")
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        panic!("a key is made of bytes")
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        assert_eq!(bytes.len(), 32, "a key or a nonce");
        bytes.copy_from_slice(&self.0.drain(..32).collect::<Vec<_>>());
        Ok(())
    }
}

impl TryCryptoRng for FixedRng {}
