//! A QR code as text, for where there is no camera: unpadded base64.

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use matrix_qr_protocol::qr::ShownCode;

pub(crate) fn encode(code: &ShownCode) -> String {
    BASE64_STANDARD_NO_PAD.encode(code.bytes())
}
