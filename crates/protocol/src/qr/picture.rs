//! Bytes as a QR code; a QR code as a drawing, and as text for a terminal.

use qrcode::{
    EcLevel, QrCode, Version,
    bits::Bits,
    render::{svg, unicode::Dense1x2},
    types::QrError,
};

use super::ShownCode;

/// A QR code in byte mode: some readers decode the bytes of other modes differently.
///
/// # Errors
/// No QR code holds so many bytes at this level of error correction. A code that can be shown fits
/// at level L (ISO/IEC 18004: 2953 bytes).
pub fn byte_mode(bytes: &[u8], level: EcLevel) -> Result<QrCode, QrError> {
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

/// The bytes as an SVG drawing with error correction at level Q: dark on light, 8 pixels for each
/// module, with the border of four modules.
///
/// # Errors
/// As for [`byte_mode`], at level Q.
pub fn svg(bytes: &[u8]) -> Result<String, QrError> {
    let code = byte_mode(bytes, EcLevel::Q)?;
    let mut drawing = code.render::<svg::Color<'_>>();
    Ok(drawing.module_dimensions(8, 8).build())
}

impl ShownCode {
    /// The code in Unicode half blocks, with its border of four modules: for a terminal with a dark
    /// background, light letters and no space between its lines. Empty if a QR code cannot hold the
    /// bytes with error correction at level Q.
    #[must_use]
    pub fn drawing(&self) -> String {
        byte_mode(self.bytes(), EcLevel::Q).map_or_else(
            |_| String::new(),
            |code| {
                let mut renderer = code.render::<Dense1x2>();
                // What is dark in the code is the background here.
                renderer
                    .dark_color(Dense1x2::Light)
                    .light_color(Dense1x2::Dark);
                renderer.build()
            },
        )
    }
}
