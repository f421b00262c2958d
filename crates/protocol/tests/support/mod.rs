//! What several tests need: randomness, and the published QR codes.
#![allow(dead_code, unreachable_pub)]

use std::convert::Infallible;

use matrix_qr_protocol::qr::{QrCode, QrError};
use rand_core::{TryCryptoRng, TryRng};
use serde::Deserialize;

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

/// The published QR codes of one revision: those that are right, each as that revision describes
/// it, and those that are not.
#[derive(Deserialize)]
pub struct QrVectors<V> {
    pub valid: Vec<V>,
    pub invalid: Vec<Invalid>,
}

#[derive(Deserialize)]
pub struct Invalid {
    name: String,
    hex: String,
    error: String,
}

pub fn hex(text: &str) -> Vec<u8> {
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

/// Each is refused for its own reason.
pub fn assert_refused(vectors: &[Invalid]) {
    for v in vectors {
        let error = QrCode::decode(&hex(&v.hex)).expect_err(&v.name);
        let name = match error {
            QrError::BadUrl(_) => "BadUrl".to_owned(),
            QrError::BadHomeserver(_) => "BadHomeserver".to_owned(),
            other => format!("{other:?}"),
        };
        assert_eq!(name, v.error, "{}", v.name);
    }
}
