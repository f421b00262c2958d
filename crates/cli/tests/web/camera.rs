//! What a camera films: a screen with a code on it, as the video file that Chromium plays in place
//! of a camera.

use std::path::{Path, PathBuf};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use matrix_qr_protocol::qr::picture::byte_mode;
use qrcode::{Color, EcLevel};

/// The video's size, in pixels.
const WIDTH: usize = 640;
const HEIGHT: usize = 480;

/// The luminance of a lit screen in a dim room, and of what is printed on it.
const LIGHT: u8 = 200;
const DARK: u8 = 40;

/// A still video of the code, in YUV4MPEG2.
pub(crate) fn film(code: &str, directory: &Path) -> PathBuf {
    let picture = picture(code);
    let mut video = format!("YUV4MPEG2 W{WIDTH} H{HEIGHT} F10:1 Ip A1:1 C420jpeg\n").into_bytes();
    for _ in 0..2 {
        video.extend(b"FRAME\n");
        video.extend(&picture);
        // No colours.
        video.extend([128; WIDTH * HEIGHT / 2]);
    }
    let path = directory.join("camera.y4m");
    std::fs::write(&path, video).unwrap();
    path
}

/// The same as a picture file, for a browser without a camera.
pub(crate) fn photograph(code: &str, directory: &Path) -> PathBuf {
    let picture = picture(code);
    let (width, height) = (WIDTH as u32, HEIGHT as u32);
    let picture = image::GrayImage::from_raw(width, height, picture).unwrap();
    let path = directory.join("photograph.png");
    picture.save(&path).unwrap();
    path
}

/// The code, as large as it fits, in grey.
fn picture(code: &str) -> Vec<u8> {
    let bytes = STANDARD_NO_PAD.decode(code).unwrap();
    let code = byte_mode(&bytes, EcLevel::Q).unwrap();
    let module = HEIGHT / (code.width() + 8);
    let margin = |whole: usize| (whole - module * code.width()) / 2;
    let (left, top) = (margin(WIDTH), margin(HEIGHT));
    let is_dark = |x: usize, y: usize| {
        let at = |place: usize, margin: usize| Some(place.checked_sub(margin)? / module);
        let inside = at(x, left).zip(at(y, top));
        inside.is_some_and(|(x, y)| {
            x < code.width() && y < code.width() && code[(x, y)] == Color::Dark
        })
    };
    let pixels = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
    pixels
        .map(|(x, y)| if is_dark(x, y) { DARK } else { LIGHT })
        .collect()
}
