//! A message is refused, or is the same after it was encoded and parsed again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_qr_protocol::{login::message::Message, revision::Revision};

fuzz_target!(|bytes: &[u8]| {
    for revision in [Revision::Msc4108, Revision::Msc4388] {
        if let Ok(message) = Message::parse(bytes, revision) {
            assert_eq!(
                Message::parse(&message.encode(revision), revision),
                Ok(message)
            );
        }
    }
});
