//! The bytes of a QR code from a picture in any usual format.

use std::io::Cursor;

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
}

impl NotReadable {
    pub(crate) fn advice(&self) -> &'static str {
        match self {
            Self::NotAPicture | Self::Svg => "Make a screenshot of the code, or a PNG of it, and try again.",
            Self::Damaged(_) | Self::NoCode => {
                "Take the picture again: the whole code with its white border, sharp, and straight."
            }
        }
    }
}

/// Whether it is an SVG picture or a web page.
pub(crate) fn is_markup(file: &[u8]) -> bool {
    file.trim_ascii_start().starts_with(b"<")
}

/// The bytes of every QR code that is found in a picture; at least one.
pub(crate) fn from_picture(file: &[u8]) -> Result<Vec<Vec<u8>>, NotReadable> {
    if is_markup(file) {
        return Err(NotReadable::Svg);
    }
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
