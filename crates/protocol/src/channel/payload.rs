//! The payloads that the channel reads and writes: base64, and the greetings in the first two.

use super::error::ChannelError;
use crate::base64;
use crate::rendezvous::{Binding, MAX_PAYLOAD_BYTES, Payload};

/// Step 4: what device S encrypts to show that it knows the keys.
pub(super) const INITIATE: &[u8] = b"MATRIX_QR_CODE_LOGIN_INITIATE";
/// Step 5: what device G answers.
pub(super) const OK: &[u8] = b"MATRIX_QR_CODE_LOGIN_OK";
/// What Poly1305 adds to a message.
pub(super) const TAG_BYTES: usize = 16;

pub(super) fn expect_greeting(plaintext: &[u8], expected: &[u8]) -> Result<(), ChannelError> {
    if plaintext == expected {
        Ok(())
    } else {
        Err(ChannelError::UnexpectedGreeting)
    }
}

pub(super) fn payload(message: &[u8], binding: Binding) -> Payload {
    Payload {
        bytes: base64::encode(message).into_bytes(),
        binding,
    }
}

pub(super) fn decode(text: &[u8]) -> Result<Vec<u8>, ChannelError> {
    if text.len() > MAX_PAYLOAD_BYTES {
        return Err(ChannelError::Malformed {
            what: "it is larger than a rendezvous session carries",
        });
    }
    base64::decode(text).ok_or(ChannelError::Malformed {
        what: "it is not base64",
    })
}

/// The length of the payload that carries this many bytes of plaintext: four characters for three
/// bytes, rounded up.
pub(super) fn payload_len(plaintext_len: usize) -> usize {
    plaintext_len
        .saturating_add(TAG_BYTES)
        .saturating_mul(4)
        .div_ceil(3)
}
