#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use image::{DynamicImage, GrayImage, ImageFormat, Luma, imageops};
use matrix_qr_protocol::qr::picture::svg;

mod photograph;

use self::photograph::{Class, Photograph};
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
        assert_eq!(
            from_picture(&encoded(picture, format)),
            Ok(vec![bytes()]),
            "{format:?}"
        );
    }
}

#[test]
fn the_pictures_of_the_proposal_are_read() {
    for mode in ["03", "04"] {
        let path = format!(
            "{}/../../vectors/4108-qr-mode{mode}.png",
            env!("CARGO_MANIFEST_DIR")
        );
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
    let boxed = imageops::resize(&original, 1300, 1300, imageops::FilterType::Triangle);
    let borderless = imageops::crop_imm(
        &original,
        32,
        32,
        original.width() - 64,
        original.height() - 64,
    )
    .to_image();
    for (name, view) in [
        ("inverted", inverted),
        ("small", small),
        ("small and inverted", small_inverted),
        ("large", boxed),
        ("borderless", borderless),
    ] {
        assert_eq!(
            from_picture(&encoded(view, ImageFormat::Png)),
            Ok(vec![bytes()]),
            "{name}"
        );
    }
    for ink in [0, 255] {
        let see_through = image::RgbaImage::from_fn(original.width(), original.height(), |x, y| {
            let Luma([paper]) = *original.get_pixel(x, y);
            image::Rgba([ink, ink, ink, 255 - paper])
        });
        assert_eq!(
            from_picture(&encoded(see_through, ImageFormat::Png)),
            Ok(vec![bytes()]),
            "ink {ink}"
        );
    }
}

/// All byte values, and none of them letters of any encoding that a reader could look for.
#[test]
fn bytes_come_out_as_they_went_in() {
    for first in [
        &b"\xff\xfe\0"[..],
        b"\xef\xbb\xbf",
        b"\x1b$B\x83\x65",
        b"\xc3\x28\x82\xa0\xd8",
        b"0123456789",
    ] {
        let mut bytes = first.to_vec();
        bytes.extend((0..=255).rev().chain([0, 0]));
        assert_eq!(from_picture(&file::png(&bytes).unwrap()), Ok(vec![bytes]));
    }
}

#[test]
fn photographs_are_read() {
    for (class, number) in Class::ALL
        .iter()
        .flat_map(|class| [(*class, 0), (*class, 1)])
    {
        let photograph = Photograph::of(class, number);
        assert_eq!(
            from_picture(&photograph.file),
            Ok(vec![photograph.bytes]),
            "{class:?} {number}"
        );
    }
}

/// `cargo xtask pictures` runs it, and compares this with what another reader reads of the same
/// files.
#[test]
#[ignore = "needs minutes: cargo xtask pictures"]
fn the_whole_corpus_of_photographs_is_written_and_read_all_at_once() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/photographs");
    std::fs::create_dir_all(directory).unwrap();
    let (mut ours, mut all) = (String::new(), 0);
    for class in Class::ALL {
        for number in 0..24 {
            let name = format!("{directory}/{class:?}-{number:02}");
            let photograph = Photograph::of(class, number);
            std::fs::write(format!("{name}.picture"), &photograph.file).unwrap();
            std::fs::write(format!("{name}.bytes"), &photograph.bytes).unwrap();
            let found = from_picture(&photograph.file).unwrap_or_default();
            assert!(
                found.iter().all(|bytes| *bytes == photograph.bytes),
                "{name} is misread"
            );
            all += found.len();
            ours.push_str(&format!("{class:?}-{number:02} {}\n", found.len()));
        }
    }
    std::fs::write(format!("{directory}/ours"), ours).unwrap();
    assert!(all >= 255, "only {all}");
}

#[test]
fn pictures_in_other_formats_are_called_by_their_names() {
    let files: [(&str, &[u8]); 7] = [
        ("AVIF", b"\0\0\0\x20ftypavif\0\0\0\0avifmif1miaf"),
        ("HEIF", b"\0\0\0\x18ftypheic\0\0\0\0mif1heic"),
        ("TIFF", b"II*\0\x08\0\0\0\0\0\0\0\0\0\0\0"),
        ("TIFF", b"MM\0*\0\0\0\x08\0\0\0\0\0\0\0\0"),
        ("ICO", b"\0\0\x01\0\x01\0\x10\x10\0\0\x01\0\x20\0"),
        ("PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n"),
        ("JPEG XL", b"\xff\x0a\xfa\x7f\x01\x90\x08\x06\x01\0"),
    ];
    for (name, file) in files {
        let refused = from_picture(file).unwrap_err();
        assert_eq!(refused, PictureError::Unsupported(name.to_owned()));
        assert!(refused.to_string().contains(name) && refused.advice().contains("PNG or JPEG"));
    }
}

#[test]
fn a_picture_that_would_fill_the_memory_is_refused_by_its_size() {
    let mut png = encoded(GrayImage::new(1, 1), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    assert!(matches!(from_picture(&png), Err(PictureError::Damaged(_))));
    let wide = GrayImage::from_pixel(10_001, 1, Luma([255]));
    assert!(matches!(
        from_picture(&encoded(wide, ImageFormat::Png)),
        Err(PictureError::Damaged(_))
    ));
}

#[test]
fn what_holds_no_code_says_so() {
    let blank = GrayImage::from_pixel(50, 50, Luma([255]));
    assert_eq!(
        from_picture(&encoded(blank, ImageFormat::Png)),
        Err(PictureError::NoCode)
    );
    assert_eq!(from_picture(b"hello"), Err(PictureError::NotAPicture));
    assert_eq!(from_picture(b""), Err(PictureError::NotAPicture));
    assert_eq!(
        from_picture(svg(&bytes()).unwrap().as_bytes()),
        Err(PictureError::Svg)
    );
    let png = file::png(&bytes()).unwrap();
    assert!(matches!(
        from_picture(&png[..png.len() / 2]),
        Err(PictureError::Damaged(_))
    ));
}

#[test]
fn two_codes_in_a_picture_are_both_found() {
    let one = picture().into_luma8();
    let other = image::load_from_memory(&file::png(b"other").unwrap())
        .unwrap()
        .into_luma8();
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
    assert_eq!(
        from_picture(&std::fs::read(picture.path()).unwrap()),
        Ok(vec![bytes()])
    );
    assert_eq!(
        PictureFile::write(&path, b"other").unwrap_err().exit,
        crate::exit::Exit::Usage
    );
    assert!(PictureFile::check(&path).is_err());
    drop(picture);
    assert!(!path.exists());
    assert!(PictureFile::check(&directory.path().join("code.txt")).is_err());
    let svg = PictureFile::write(&directory.path().join("code.svg"), &bytes()).unwrap();
    let text = std::fs::read_to_string(svg.path()).unwrap();
    assert!(text.starts_with("<?xml") && text.trim_end().ends_with("</svg>"));
}
