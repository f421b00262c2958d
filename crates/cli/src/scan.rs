//! What `--scan` and `inspect` look at, as a QR code.

use std::{
    fs::File,
    io::{self, BufRead as _, Read},
    path::Path,
};

use matrix_qr_protocol::qr::{QrCode, QrError};

use crate::{
    exit::{Exit, Failure},
    qr_picture::{self, NotReadable},
};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 32 << 20;

/// A QR code, and the bytes that it was read from.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub(crate) code: QrCode,
    pub(crate) bytes: Vec<u8>,
}

/// From a file, or from standard input for `-`: there a text is one line, so that answers to questions may follow it.
pub(crate) fn from_path(path: &Path) -> Result<Scanned, Failure> {
    let contents = if path == Path::new("-") { one_code(io::stdin().lock()) } else { from_file(path) };
    scan(&contents.map_err(|error| unreadable(path, &error))?)
}

/// From a file, from all of standard input for `-`, or from the text itself.
pub(crate) fn from_argument(argument: &str) -> Result<Scanned, Failure> {
    let path = Path::new(argument);
    let contents = match argument {
        "-" => all(io::stdin().lock()),
        _ if path.exists() => from_file(path),
        text => return from_text(text),
    };
    scan(&contents.map_err(|error| unreadable(path, &error))?)
}

fn from_text(text: &str) -> Result<Scanned, Failure> {
    let no_file = |error: NotReadable| {
        let what = format!("there is no file of that name, and as a code {error}");
        Failure::new(Exit::QrCode, what, "Give a picture, or the whole text that the other device shows.")
    };
    choose(vec![qr_picture::from_text(text).map_err(no_file)?])
}

fn scan(contents: &[u8]) -> Result<Scanned, Failure> {
    let failed = |error: NotReadable| Failure::new(Exit::QrCode, error.to_string(), error.advice());
    choose(qr_picture::from_anything(contents).map_err(failed)?)
}

/// The one among the codes of a picture that is for us; if there is none, what is wrong with the first.
fn choose(codes: Vec<Vec<u8>>) -> Result<Scanned, Failure> {
    let mut first_error = QrError::NotMatrix;
    for (place, bytes) in codes.into_iter().enumerate() {
        match QrCode::decode(&bytes) {
            Ok(code) => return Ok(Scanned { code, bytes }),
            Err(error) if place == 0 => first_error = error,
            Err(_) => {}
        }
    }
    Err(not_ours(first_error))
}

fn not_ours(error: QrError) -> Failure {
    let otherwise = "scan the code that the other device shows for signing in";
    Failure::split(Exit::QrCode, (&error.to_string(), "; "), otherwise)
}

fn from_file(path: &Path) -> io::Result<Vec<u8>> {
    all(File::open(path)?)
}

fn all(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    reader.take(MAX_FILE + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!("it is larger than {} MiB", MAX_FILE >> 20)));
    }
    Ok(contents)
}

/// A picture is everything that comes; a text is the first line that is not empty.
fn one_code(mut reader: impl io::BufRead) -> io::Result<Vec<u8>> {
    if !qr_picture::looks_like_text(reader.fill_buf()?) {
        return all(reader);
    }
    let mut line = Vec::new();
    let mut reader = reader.take(MAX_FILE);
    while line.trim_ascii().is_empty() {
        line.clear();
        if reader.read_until(b'\n', &mut line)? == 0 {
            break;
        }
    }
    Ok(line)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let what = format!("{} could not be read: {error}", path.display());
    Failure::new(Exit::QrCode, what, "Give the picture's file, or `-` and the code on standard input.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEX: &str = "4d41545249580203d886686ab2197b780e300a9d4a2147480700d7929f39ab31b9e514370248ed6b0008687474703a2f2f61";

    #[test]
    fn on_standard_input_a_text_is_one_line_and_a_picture_is_everything() {
        assert_eq!(one_code(&b"\n TUFU\ny\n"[..]).unwrap(), b" TUFU\n");
        assert_eq!(one_code(&b"\x89PNG\n..\n"[..]).unwrap(), b"\x89PNG\n..\n");
        assert_eq!(one_code(&b""[..]).unwrap(), b"");
        assert_eq!(one_code(&b"\n\n"[..]).unwrap(), b"");
    }

    #[test]
    fn among_several_codes_ours_is_taken() {
        let ours = qr_picture::from_text(HEX).unwrap();
        assert_eq!(choose(vec![b"https://example.org".to_vec(), ours.clone()]).unwrap().bytes, ours);
        let both_wrong = choose(vec![b"MATRIX\x04".to_vec(), b"other".to_vec()]).unwrap_err();
        assert!(both_wrong.what.contains("version 4"), "{}", both_wrong.what);
    }

    #[test]
    fn what_is_wrong_and_what_to_do_are_two_things() {
        let failure = not_ours(QrError::Truncated);
        assert_eq!(
            (failure.what.as_str(), failure.advice.as_str()),
            ("the QR code is incomplete", "Scan it again.")
        );
    }
}
