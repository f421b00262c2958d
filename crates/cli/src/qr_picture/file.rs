//! A QR code in a file, PNG or SVG depending on its name, as long as the code is valid.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use image::{ExtendedColorType, ImageEncoder as _, Luma, codecs::png::PngEncoder};
use matrix_qr_protocol::qr::picture::svg;
use qrcode::EcLevel;

use super::code::{QUIET_ZONE, code};
use crate::{
    exit::{Exit, Failure},
    new_file,
};

/// The width of a module in a PNG, in pixels: large enough for a camera in front of the screen.
const MODULE: u32 = 8;

/// The format, which the file name determines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PictureFormat {
    Png,
    Svg,
}

/// A picture that this program has written. Dropping this value removes it: a code can be used only
/// once.
#[derive(Debug)]
pub(crate) struct PictureFile(PathBuf);

impl PictureFile {
    /// Must be called before anything is started: an unusable name or directory is a mistake in the
    /// command line.
    pub(crate) fn check(path: &Path) -> Result<(), Failure> {
        format(path)?;
        if fs::symlink_metadata(path).is_ok() {
            return Err(exists(path));
        }
        let no_room = |error| Failure {
            exit: Exit::Usage,
            ..unwritable(path, &error)
        };
        tempfile::NamedTempFile::new_in(new_file::directory(path))
            .map(drop)
            .map_err(no_room)
    }

    /// Writes a temporary file first, so that nobody reads an incomplete one.
    pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<Self, Failure> {
        let picture = match format(path)? {
            PictureFormat::Png => png(bytes),
            PictureFormat::Svg => svg(bytes).ok().map(String::into_bytes),
        };
        let picture = picture.ok_or_else(|| {
            Failure::here(
                "the QR code could not be drawn",
                "Report it: this is a bug.",
            )
        })?;
        new_file::write(path, &picture).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => exists(path),
            _ => unwritable(path, &error),
        })?;
        Ok(Self(path.to_owned()))
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for PictureFile {
    fn drop(&mut self) {
        // The file may have been removed already.
        let _ = fs::remove_file(&self.0);
    }
}

fn unwritable(path: &Path, error: &io::Error) -> Failure {
    // The error itself would name the temporary file, which nobody knows.
    let what = format!("{} could not be written: {}", path.display(), error.kind());
    Failure::here(what, "Choose another file for --qr.")
}

fn exists(path: &Path) -> Failure {
    Failure::new(
        Exit::Usage,
        format!("{} already exists", path.display()),
        "Remove it, or choose another file for --qr.",
    )
}

fn format(path: &Path) -> Result<PictureFormat, Failure> {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    match extension.as_deref().and_then(|e| e.to_str()) {
        Some("png") => Ok(PictureFormat::Png),
        Some("svg") => Ok(PictureFormat::Svg),
        _ => Err(Failure::new(
            Exit::Usage,
            format!("{} is neither a .png nor an .svg file", path.display()),
            "Give --qr a file name that ends in .png or .svg.",
        )),
    }
}

pub(super) fn png(bytes: &[u8]) -> Option<Vec<u8>> {
    let code = code(bytes, EcLevel::Q).ok()?;
    let image = code
        .render::<Luma<u8>>()
        .module_dimensions(MODULE, MODULE)
        .build();
    debug_assert_eq!(
        image.width() as usize,
        (code.width() + 2 * QUIET_ZONE) * MODULE as usize
    );
    let mut png = Vec::new();
    let encoder = PngEncoder::new(&mut png);
    encoder
        .write_image(
            image.as_raw(),
            image.width(),
            image.height(),
            ExtendedColorType::L8,
        )
        .ok()?;
    Some(png)
}
