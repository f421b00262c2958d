//! QR codes as pictures: on the terminal, in files, and back. What the bytes mean is not known
//! here.

mod decode;
mod draw;
mod file;
mod read;

pub(crate) use self::{
    draw::{Blocks, Drawing, Ink, drawings},
    file::PictureFile,
    read::{NotReadable, from_picture, is_markup},
};

use qrcode::{EcLevel, QrCode, Version, bits::Bits, types::QrError};

/// The border that the QR code standard asks for, in modules (ISO/IEC 18004, section "Quiet zone").
const QUIET_ZONE: usize = 4;

/// A QR code in byte mode: a reader that gives the bytes of other modes differently is not led
/// astray.
fn code(bytes: &[u8], level: EcLevel) -> Result<QrCode, QrError> {
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

#[cfg(test)]
mod tests;
