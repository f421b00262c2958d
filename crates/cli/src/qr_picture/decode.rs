//! Finds QR codes in a grey picture: in poor light, blurred, inverted or mirrored.

use std::{sync::mpsc, thread, time::Duration};

use image::{DynamicImage, GrayImage, Luma, imageops, imageops::FilterType};
use rxing::{
    Binarizer as _, Luma8LuminanceSource,
    common::{DetectorRXingResult as _, HybridBinarizer},
    qrcode::cpp_port::{
        decoder::Decode,
        detector::{FindFinderPatterns, GenerateFinderPatternSets, SampleQR},
    },
};

/// How long a picture is examined. A picture that takes longer was made to waste time.
const PATIENCE: Duration = Duration::from_secs(30);
/// A larger picture is reduced to this size: no photograph of a code needs more.
const MAX_SIDE: u32 = 4000;
/// A smaller picture may have modules of one pixel, which are hard to find.
const SMALL_SIDE: u32 = 400;
/// A border that is added to a picture: some pictures lack the quiet zone.
const BORDER: u32 = 24;

/// Variants of a picture, the most promising one first. A reduced picture has less noise and still
/// has the code.
const VIEWS: [fn(&GrayImage) -> Option<GrayImage>; 7] = [
    |picture| Some(picture.clone()),
    |picture| reduced(picture, 2),
    |picture| reduced(picture, 3),
    |picture| reduced(picture, 2).as_ref().map(sharpened),
    |picture| Some(softened(picture, 1.0)),
    |picture| Some(sharpened(picture)),
    enlarged,
];

/// The bytes of all QR codes that are found. Runs on another thread, so that neither a slow picture
/// nor a panic of the library ends the command.
pub(super) fn codes(picture: GrayImage) -> Vec<Vec<u8>> {
    let (sender, found) = mpsc::sync_channel(1);
    thread::spawn(move || sender.send(look(&picture)));
    found.recv_timeout(PATIENCE).unwrap_or_default()
}

fn look(picture: &GrayImage) -> Vec<Vec<u8>> {
    let picture = bordered(&within(picture, MAX_SIDE));
    VIEWS
        .iter()
        .filter_map(|view| view(&picture))
        .map(either)
        .find(|codes| !codes.is_empty())
        .unwrap_or_default()
}

/// Dark on light, or light on dark.
fn either(mut picture: GrayImage) -> Vec<Vec<u8>> {
    let codes = read(&picture);
    if !codes.is_empty() {
        return codes;
    }
    imageops::invert(&mut picture);
    read(&picture)
}

/// The bytes as they are in the code, without guessing a text encoding.
fn read(picture: &GrayImage) -> Vec<Vec<u8>> {
    let pixels = picture.as_raw().clone();
    let Ok(source) = Luma8LuminanceSource::new(pixels, picture.width(), picture.height()) else {
        return Vec::new();
    };
    let binarizer = HybridBinarizer::new(source);
    let Ok(modules) = binarizer.get_black_matrix() else {
        return Vec::new();
    };
    let mut patterns = FindFinderPatterns(modules, true, 0);
    let mut used = Vec::new();
    let mut codes = Vec::new();
    for set in GenerateFinderPatternSets(&mut patterns) {
        let corners = [set.bl, set.tl, set.tr];
        if corners.iter().any(|corner| used.contains(corner)) {
            continue;
        }
        let decoded = SampleQR(modules, &set).and_then(|sampled| Decode(sampled.getBits()));
        if let Some(code) = decoded.ok().filter(|code| code.isValid()) {
            used.extend(corners);
            codes.push(code.content().bytes().to_vec());
        }
    }
    codes
}

fn within(picture: &GrayImage, side: u32) -> GrayImage {
    let longest = picture.width().max(picture.height());
    if longest <= side {
        return picture.clone();
    }
    let scaled =
        |length: u32| (u64::from(length) * u64::from(side) / u64::from(longest)).max(1) as u32;
    resized(
        picture,
        scaled(picture.width()),
        scaled(picture.height()),
        FilterType::Triangle,
    )
}

fn resized(picture: &GrayImage, width: u32, height: u32, filter: FilterType) -> GrayImage {
    DynamicImage::from(picture.clone())
        .resize_exact(width, height, filter)
        .into_luma8()
}

fn softened(picture: &GrayImage, deviation: f32) -> GrayImage {
    DynamicImage::from(picture.clone())
        .fast_blur(deviation)
        .into_luma8()
}

fn reduced(picture: &GrayImage, times: u32) -> Option<GrayImage> {
    let side = picture.width().max(picture.height()) / times;
    (side >= SMALL_SIDE / 2).then(|| within(picture, side))
}

fn bordered(picture: &GrayImage) -> GrayImage {
    let (width, height) = (picture.width() + 2 * BORDER, picture.height() + 2 * BORDER);
    let mut larger = GrayImage::from_pixel(width, height, Luma([255]));
    imageops::overlay(&mut larger, picture, BORDER.into(), BORDER.into());
    larger
}

fn enlarged(picture: &GrayImage) -> Option<GrayImage> {
    let longest = picture.width().max(picture.height());
    let factor = (longest <= SMALL_SIDE).then(|| (2 * SMALL_SIDE).div_ceil(longest.max(1)))?;
    Some(resized(
        picture,
        picture.width() * factor,
        picture.height() * factor,
        FilterType::Nearest,
    ))
}

/// Removes the blur of a lens.
fn sharpened(picture: &GrayImage) -> GrayImage {
    let smeared = softened(picture, 4.0);
    let mut sharp = picture.clone();
    for (pixel, smeared) in sharp.iter_mut().zip(smeared.iter()) {
        let (level, around) = (i32::from(*pixel), i32::from(*smeared));
        *pixel = (level + 3 * (level - around)).clamp(0, 255) as u8;
    }
    sharp
}
