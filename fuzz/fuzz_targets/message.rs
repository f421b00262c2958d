//! A message is refused, or survives being written and read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_qr_protocol::login::message::Message;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::parse(bytes) {
        assert_eq!(Message::parse(&message.encode()), Ok(message));
    }
});
