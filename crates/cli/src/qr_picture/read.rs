//! The bytes of a QR code from a picture in any usual format, or from text.

use std::io::Cursor;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use image::{DynamicImage, GrayImage, ImageError, ImageReader, Limits, Rgba, RgbaImage, imageops};
use thiserror::Error;

use super::decode;

/// The largest picture that is looked at, in pixels a side, and in bytes of memory.
const MAX_SIDE: u32 = 10_000;
const MAX_MEMORY: u64 = 256 << 20;
/// Formats that people have pictures in, that are not read, and by which bytes at which place they are known.
const KNOWN_BY: [(&str, usize, &[u8]); 6] = [
    ("HEIF", 4, b"ftyphe"),
    ("HEIF", 4, b"ftypmif1"),
    ("AVIF", 4, b"ftypav"),
    ("PDF", 0, b"%PDF-"),
    ("JPEG XL", 0, b"\xff\x0a"),
    ("JPEG XL", 0, b"\0\0\0\x0cJXL "),
];

/// Why there are no bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NotReadable {
    #[error("this is not a picture in a format that this program reads (PNG, JPEG, GIF, WebP, BMP, PNM)")]
    NotAPicture,
    #[error("the file is in the format {0}, which this program does not read")]
    Unsupported(String),
    #[error("an SVG picture or a web page cannot be scanned")]
    Svg,
    #[error("the picture is damaged or too large: {0}")]
    Damaged(String),
    #[error("there is no QR code in the picture that can be read")]
    NoCode,
    #[error("the text is neither base64 nor hexadecimal")]
    NotText,
}

impl NotReadable {
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::NotAPicture | Self::Svg => "Make a screenshot of the code, or a PNG of it, and try again.",
            Self::Unsupported(_) => {
                "Save it as PNG or JPEG, or make a screenshot of the code, and try again."
            }
            Self::Damaged(_) | Self::NoCode => {
                "Take the picture again: the whole code with its white border, sharp, and straight."
            }
            Self::NotText => "Copy the whole text that the other device shows.",
        }
    }
}

/// The bytes of every QR code in a file or in what a person pasted: a picture, text, or the bytes themselves.
pub(crate) fn from_anything(contents: &[u8]) -> Result<Vec<Vec<u8>>, NotReadable> {
    if contents.starts_with(b"MATRIX") {
        return Ok(vec![contents.to_vec()]);
    }
    if contents.trim_ascii_start().starts_with(b"<") {
        return Err(NotReadable::Svg);
    }
    match std::str::from_utf8(contents) {
        Ok(text) if looks_like_text(contents) => from_text(text).map(|bytes| vec![bytes]),
        _ => from_picture(contents),
    }
}

/// The bytes of every QR code that is found in a picture; at least one.
pub(super) fn from_picture(file: &[u8]) -> Result<Vec<Vec<u8>>, NotReadable> {
    let papers = on_paper(open(file)?).into_iter();
    papers.map(decode::codes).find(|codes| !codes.is_empty()).ok_or(NotReadable::NoCode)
}

fn open(file: &[u8]) -> Result<DynamicImage, NotReadable> {
    let mut reader =
        ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|_| NotReadable::NotAPicture)?;
    let format = reader.format().and_then(|format| format.extensions_str().first().copied());
    let format = known_by(file).map(str::to_owned).or(format.map(str::to_uppercase));
    let format = format.ok_or(NotReadable::NotAPicture)?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    reader.decode().map_err(|error| match error {
        ImageError::Unsupported(_) => NotReadable::Unsupported(format),
        error => NotReadable::Damaged(error.to_string()),
    })
}

fn known_by(file: &[u8]) -> Option<&'static str> {
    let is =
        |(_, place, bytes): &&(_, usize, &[u8])| file.get(*place..).is_some_and(|at| at.starts_with(bytes));
    KNOWN_BY.iter().find(is).map(|(name, ..)| *name)
}

/// What is see-through is paper; whether white or black, nobody says.
fn on_paper(picture: DynamicImage) -> Vec<GrayImage> {
    if !picture.color().has_alpha() {
        return vec![picture.into_luma8()];
    }
    let picture = picture.into_rgba8();
    let on = |paper| {
        let mut sheet = RgbaImage::from_pixel(picture.width(), picture.height(), paper);
        imageops::overlay(&mut sheet, &picture, 0, 0);
        DynamicImage::from(sheet).into_luma8()
    };
    if picture.pixels().all(|Rgba([.., alpha])| *alpha == u8::MAX) {
        return vec![on(Rgba([255; 4]))];
    }
    vec![on(Rgba([255; 4])), on(Rgba([0, 0, 0, 255]))]
}

/// Whether these bytes are what a person could have typed or pasted.
pub(crate) fn looks_like_text(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace())
}

/// The bytes that a text stands for: hexadecimal, or base64 in either alphabet, with or without padding. White space is nothing.
pub(crate) fn from_text(text: &str) -> Result<Vec<u8>, NotReadable> {
    let text: String = text.split_ascii_whitespace().collect();
    if text.is_empty() {
        return Err(NotReadable::NotText);
    }
    from_hex(&text).or_else(|| from_base64(&text)).ok_or(NotReadable::NotText)
}

/// Hexadecimal is base64, too; but no code that begins as it must is both.
fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = text.chars().map(|c| c.to_digit(16).map(|digit| digit as u8)).collect();
    let digits = digits.filter(|digits| digits.len() % 2 == 0)?;
    let byte = |pair: &[u8]| pair.iter().fold(0, |byte, digit| byte << 4 | digit);
    Some(digits.chunks(2).map(byte).collect())
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decode = |alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok();
    decode(&alphabet::STANDARD).or_else(|| decode(&alphabet::URL_SAFE))
}
