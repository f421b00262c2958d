//! Bytes as a QR code.

use qrcode::{EcLevel, QrCode, Version, bits::Bits, types::QrError};

/// The border that the QR code standard asks for, in modules (ISO/IEC 18004, section "Quiet zone").
pub(super) const QUIET_ZONE: usize = 4;

/// A QR code in byte mode: some readers decode the bytes of other modes differently.
pub(super) fn code(bytes: &[u8], level: EcLevel) -> Result<QrCode, QrError> {
    let fits = |version| {
        let mut bits = Bits::new(Version::Normal(version));
        bits.push_byte_data(bytes)
            .and_then(|()| bits.push_terminator(level))
            .map(|()| bits)
    };
    let bits = (1..=40)
        .find_map(|version| fits(version).ok())
        .ok_or(QrError::DataTooLong)?;
    QrCode::with_bits(bits, level)
}
