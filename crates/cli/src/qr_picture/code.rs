//! How a QR code is made, and its border.

pub(super) use matrix_qr_protocol::qr::picture::byte_mode as code;

/// The border that the QR code standard asks for, in modules (ISO/IEC 18004, section "Quiet zone").
pub(super) const QUIET_ZONE: usize = 4;
