//! A QR code is refused, or encodes to the same bytes that it was decoded from.
#![no_main]

use libfuzzer_sys::fuzz_target;
use matrix_qr_protocol::qr::QrCode;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(code) = QrCode::decode(bytes) {
        assert_eq!(code.encode().as_deref(), Ok(bytes));
    }
});
