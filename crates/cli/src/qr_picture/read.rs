//! The bytes of the QR codes in a picture of any usual format.

use std::io::Cursor;

use image::{DynamicImage, GrayImage, ImageError, ImageReader, Limits, Rgba, RgbaImage, imageops};
use thiserror::Error;

use super::decode;

/// The largest picture that is read: pixels per side, and bytes of memory.
const MAX_SIDE: u32 = 10_000;
const MAX_MEMORY: u64 = 256 << 20;
/// Usual formats that are not supported: their name, and which bytes at which offset identify them.
const KNOWN_BY: [(&str, usize, &[u8]); 6] = [
    ("HEIF", 4, b"ftyphe"),
    ("HEIF", 4, b"ftypmif1"),
    ("AVIF", 4, b"ftypav"),
    ("PDF", 0, b"%PDF-"),
    ("JPEG XL", 0, b"\xff\x0a"),
    ("JPEG XL", 0, b"\0\0\0\x0cJXL "),
];

/// Why a picture gives no bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PictureError {
    #[error(
        "this is not a picture in a format that this program reads (PNG, JPEG, GIF, WebP, BMP, PNM)"
    )]
    NotAPicture,
    #[error("the file is in the format {0}, which this program does not read")]
    Unsupported(String),
    #[error("an SVG picture or a web page cannot be scanned")]
    Svg,
    #[error("the picture is damaged or too large: {0}")]
    Damaged(String),
    #[error("no readable QR code was found in the picture")]
    NoCode,
}

impl PictureError {
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::NotAPicture | Self::Svg => {
                "Take a screenshot of the code, or convert it to PNG, and try again."
            }
            Self::Unsupported(_) => {
                "Save it as PNG or JPEG, or take a screenshot of the code, and try again."
            }
            Self::Damaged(_) | Self::NoCode => {
                "Take another picture: the complete code with its white border, sharp and straight."
            }
        }
    }
}

/// Whether the file is an SVG picture or a web page.
pub(crate) fn is_markup(file: &[u8]) -> bool {
    file.trim_ascii_start().starts_with(b"<")
}

/// The bytes of all QR codes that are found in a picture; at least one.
pub(crate) fn from_picture(file: &[u8]) -> Result<Vec<Vec<u8>>, PictureError> {
    if is_markup(file) {
        return Err(PictureError::Svg);
    }
    let papers = on_paper(open(file)?).into_iter();
    papers
        .map(decode::codes)
        .find(|codes| !codes.is_empty())
        .ok_or(PictureError::NoCode)
}

fn open(file: &[u8]) -> Result<DynamicImage, PictureError> {
    let mut reader = ImageReader::new(Cursor::new(file))
        .with_guessed_format()
        .map_err(|_| PictureError::NotAPicture)?;
    let format = reader
        .format()
        .and_then(|format| format.extensions_str().first().copied());
    let format = known_by(file)
        .map(str::to_owned)
        .or(format.map(str::to_uppercase));
    let format = format.ok_or(PictureError::NotAPicture)?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    reader.decode().map_err(|error| match error {
        ImageError::Unsupported(_) => PictureError::Unsupported(format),
        error => PictureError::Damaged(error.to_string()),
    })
}

fn known_by(file: &[u8]) -> Option<&'static str> {
    let is = |(_, place, bytes): &&(_, usize, &[u8])| {
        file.get(*place..).is_some_and(|at| at.starts_with(bytes))
    };
    KNOWN_BY.iter().find(is).map(|(name, ..)| *name)
}

/// The picture on a white background, and on a black one if it is transparent: nobody knows for
/// which of the two it was made.
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
