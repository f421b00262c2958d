//! A QR code as text, for where there is no camera: unpadded base64.

use base64::{Engine as _, prelude::BASE64_STANDARD_NO_PAD};
use matrix_qr_protocol::qr::QrCode;

/// Empty for a code that is too long to be shown: then the device could not have made it.
pub(crate) fn encode(code: &QrCode) -> String {
    code.encode().map(|bytes| BASE64_STANDARD_NO_PAD.encode(bytes)).unwrap_or_default()
}
