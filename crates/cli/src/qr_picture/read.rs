//! The bytes of a QR code from a picture in any usual format, or from text.

use std::io::Cursor;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use image::{GrayImage, ImageReader, Limits, imageops};
use thiserror::Error;

/// The largest picture that is looked at, in pixels a side, and in bytes of memory.
const MAX_SIDE: u32 = 10_000;
const MAX_MEMORY: u64 = 256 << 20;
/// A picture that is larger is also tried at this size: noise goes away, the code stays.
const COMFORTABLE_SIDE: u32 = 1200;
/// A picture that is smaller may have modules of one pixel, which are hard to find.
const SMALL_SIDE: u32 = 400;
/// Added around the picture: some leave the quiet zone out.
const BORDER: u32 = 24;

/// Why there are no bytes.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum NotReadable {
    #[error("this is not a picture in a format that this program reads (PNG, JPEG, GIF, WebP, BMP, PNM)")]
    NotAPicture,
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
    let picture = decode(file)?;
    let views: [fn(&GrayImage) -> Option<GrayImage>; 6] = [
        |picture| Some(picture.clone()),
        |picture| Some(bordered(picture)),
        |picture| Some(bordered(&inverted(picture))),
        |picture| enlarged(picture).as_ref().map(bordered),
        |picture| enlarged(picture).as_ref().map(inverted).as_ref().map(bordered),
        shrunk,
    ];
    views
        .iter()
        .filter_map(|view| view(&picture))
        .map(codes)
        .find(|codes| !codes.is_empty())
        .ok_or(NotReadable::NoCode)
}

fn decode(file: &[u8]) -> Result<GrayImage, NotReadable> {
    let mut reader =
        ImageReader::new(Cursor::new(file)).with_guessed_format().map_err(|_| NotReadable::NotAPicture)?;
    reader.format().ok_or(NotReadable::NotAPicture)?;
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_SIDE), Some(MAX_SIDE));
    limits.max_alloc = Some(MAX_MEMORY);
    reader.limits(limits);
    let picture = reader.decode().map_err(|error| NotReadable::Damaged(error.to_string()))?;
    // What is see-through is paper.
    let mut paper = image::RgbaImage::from_pixel(picture.width(), picture.height(), image::Rgba([255; 4]));
    imageops::overlay(&mut paper, &picture.into_rgba8(), 0, 0);
    Ok(image::DynamicImage::from(paper).into_luma8())
}

fn codes(picture: GrayImage) -> Vec<Vec<u8>> {
    let mut prepared = rqrr::PreparedImage::prepare(picture);
    let grids = prepared.detect_grids();
    let bytes = |grid: &rqrr::Grid<_>| {
        let mut bytes = Vec::new();
        grid.decode_to(&mut bytes).ok().map(|_| bytes)
    };
    grids.iter().filter_map(bytes).collect()
}

fn inverted(picture: &GrayImage) -> GrayImage {
    let mut picture = picture.clone();
    imageops::invert(&mut picture);
    picture
}

fn bordered(picture: &GrayImage) -> GrayImage {
    let (width, height) = (picture.width() + 2 * BORDER, picture.height() + 2 * BORDER);
    let mut larger = GrayImage::from_pixel(width, height, image::Luma([255]));
    imageops::overlay(&mut larger, picture, BORDER.into(), BORDER.into());
    larger
}

fn enlarged(picture: &GrayImage) -> Option<GrayImage> {
    let longest = picture.width().max(picture.height());
    let factor = (longest <= SMALL_SIDE).then(|| (2 * SMALL_SIDE).div_ceil(longest.max(1)))?;
    Some(imageops::resize(
        picture,
        picture.width() * factor,
        picture.height() * factor,
        imageops::FilterType::Nearest,
    ))
}

fn shrunk(picture: &GrayImage) -> Option<GrayImage> {
    let longest = picture.width().max(picture.height());
    let scaled =
        |side: u32| (u64::from(side) * u64::from(COMFORTABLE_SIDE) / u64::from(longest)).max(1) as u32;
    (longest > COMFORTABLE_SIDE).then(|| {
        imageops::resize(
            picture,
            scaled(picture.width()),
            scaled(picture.height()),
            imageops::FilterType::Triangle,
        )
    })
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
