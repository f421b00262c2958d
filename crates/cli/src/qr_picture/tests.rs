#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use image::{DynamicImage, GrayImage, ImageFormat, Luma, imageops};

use super::*;

/// As long as a real code, with every byte value in it: none of it is text.
fn bytes() -> Vec<u8> {
    let mut bytes = b"MATRIX\x02\x03".to_vec();
    bytes.extend(0..=255);
    bytes
}

fn picture() -> DynamicImage {
    image::load_from_memory(&file::png(&bytes()).unwrap()).unwrap()
}

fn encoded(picture: impl Into<DynamicImage>, format: ImageFormat) -> Vec<u8> {
    let mut file = std::io::Cursor::new(Vec::new());
    picture.into().write_to(&mut file, format).unwrap();
    file.into_inner()
}

#[test]
fn every_usual_format_is_read() {
    for format in [
        ImageFormat::Png,
        ImageFormat::Jpeg,
        ImageFormat::Gif,
        ImageFormat::WebP,
        ImageFormat::Bmp,
        ImageFormat::Pnm,
    ] {
        let picture = DynamicImage::from(picture().into_rgb8());
        assert_eq!(from_picture(&encoded(picture, format)), Ok(vec![bytes()]), "{format:?}");
    }
}

#[test]
fn the_pictures_of_the_proposal_are_read() {
    for mode in ["03", "04"] {
        let path = format!("{}/../../vectors/4108-qr-mode{mode}.png", env!("CARGO_MANIFEST_DIR"));
        let codes = from_picture(&std::fs::read(path).unwrap()).unwrap();
        matrix_qr_protocol::qr::QrCode::decode(&codes[0]).unwrap();
    }
}

#[test]
fn a_picture_may_be_inverted_small_large_borderless_or_see_through() {
    let original = picture().into_luma8();
    let mut inverted = original.clone();
    imageops::invert(&mut inverted);
    let side = original.width() / 8;
    let small = imageops::resize(&original, side, side, imageops::FilterType::Nearest);
    let mut small_inverted = small.clone();
    imageops::invert(&mut small_inverted);
    let large = imageops::resize(&original, 1300, 1300, imageops::FilterType::Triangle);
    let borderless =
        imageops::crop_imm(&original, 32, 32, original.width() - 64, original.height() - 64).to_image();
    for (name, view) in [
        ("inverted", inverted),
        ("small", small),
        ("small and inverted", small_inverted),
        ("large", large),
        ("borderless", borderless),
    ] {
        assert_eq!(from_picture(&encoded(view, ImageFormat::Png)), Ok(vec![bytes()]), "{name}");
    }
    let see_through = image::RgbaImage::from_fn(original.width(), original.height(), |x, y| {
        let Luma([paper]) = *original.get_pixel(x, y);
        image::Rgba([0, 0, 0, 255 - paper])
    });
    assert_eq!(from_picture(&encoded(see_through, ImageFormat::Png)), Ok(vec![bytes()]));
}

#[test]
fn what_holds_no_code_says_so() {
    let blank = GrayImage::from_pixel(50, 50, Luma([255]));
    assert_eq!(from_picture(&encoded(blank, ImageFormat::Png)), Err(NotReadable::NoCode));
    assert_eq!(from_picture(b"hello"), Err(NotReadable::NotAPicture));
    assert_eq!(from_picture(b""), Err(NotReadable::NotAPicture));
    assert_eq!(from_picture(file::svg(&bytes()).unwrap().as_bytes()), Err(NotReadable::Svg));
    let png = file::png(&bytes()).unwrap();
    assert!(matches!(from_picture(&png[..png.len() / 2]), Err(NotReadable::Damaged(_))));
}

#[test]
fn two_codes_in_a_picture_are_both_found() {
    let one = picture().into_luma8();
    let other = image::load_from_memory(&file::png(b"other").unwrap()).unwrap().into_luma8();
    let mut both = GrayImage::from_pixel(one.width() + other.width(), one.height(), Luma([255]));
    imageops::overlay(&mut both, &one, 0, 0);
    imageops::overlay(&mut both, &other, one.width().into(), 0);
    let mut found = from_picture(&encoded(both, ImageFormat::Png)).unwrap();
    found.sort();
    assert_eq!(found, [bytes(), b"other".to_vec()]);
}

#[test]
fn a_picture_file_is_written_whole_never_over_another_and_removed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("code.PNG");
    let picture = PictureFile::write(&path, &bytes()).unwrap();
    assert_eq!(from_picture(&std::fs::read(picture.path()).unwrap()), Ok(vec![bytes()]));
    assert_eq!(PictureFile::write(&path, b"other").unwrap_err().exit, crate::exit::Exit::Usage);
    assert!(PictureFile::check(&path).is_err());
    drop(picture);
    assert!(!path.exists());
    assert!(PictureFile::check(&directory.path().join("code.txt")).is_err());
    let svg = PictureFile::write(&directory.path().join("code.svg"), &bytes()).unwrap();
    let text = std::fs::read_to_string(svg.path()).unwrap();
    assert!(text.starts_with("<?xml") && text.trim_end().ends_with("</svg>"));
}
