//! The QR code that `--scan` or `inspect` reads.

use std::{
    fs::File,
    io::{self, BufRead, Read},
    path::Path,
};

use matrix_qr_protocol::{
    error::ToUserError,
    qr::{QrCode, QrError},
};

use crate::{
    exit::{Exit, Failure},
    keyboard,
    output::Printer,
    qr_picture::{self, PictureError},
    qr_text::{self, MAX_TEXT, NoCodeInText},
};

/// The largest file that is read, in bytes.
const MAX_FILE: u64 = 32 << 20;

/// A QR code, and the bytes that it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scanned {
    pub(crate) code: QrCode,
    pub(crate) bytes: Vec<u8>,
}

/// From a file, or from standard input for `-`.
pub(crate) fn from_path(path: &Path, out: Printer) -> Result<Scanned, Failure> {
    if path == Path::new("-") {
        from_stdin(out)
    } else {
        scan(&from_file(path)?)
    }
}

/// From a file, from standard input for `-`, or from the text itself.
pub(crate) fn from_argument(argument: &str, out: Printer) -> Result<Scanned, Failure> {
    match argument {
        "-" => from_stdin(out),
        file if Path::new(file).exists() => scan(&from_file(Path::new(file))?),
        text => in_text(text).map_err(|error| match error {
            NoCodeInText::NotText => Failure::new(
                Exit::QrCode,
                format!("there is no file with this name, and it is not a valid code: {error}"),
                "Give a picture file, or the complete text that the other device shows.",
            ),
            refused @ NoCodeInText::Refused(_) => refused.into(),
        }),
    }
}

fn from_stdin(out: Printer) -> Result<Scanned, Failure> {
    let interactive = keyboard::is_terminal();
    if interactive {
        out.say("Paste the other device's code as text, then press Enter:");
    }
    let incomplete = || {
        if interactive {
            out.say(
                "The code is not complete yet: paste the rest, or press Enter once more to stop.",
            );
        }
    };
    let contents = one_code(io::stdin().lock(), incomplete);
    let contents = contents.map_err(|error| unreadable(Path::new("-"), &error))?;
    if contents.trim_ascii().is_empty() {
        let advice = "Give a picture file, or `-` with the code on standard input.";
        return Err(Failure::new(
            Exit::QrCode,
            "standard input is empty",
            advice,
        ));
    }
    scan(&contents)
}

/// Reads a picture, a text with a code in it, or the bytes of a code.
pub(crate) fn scan(contents: &[u8]) -> Result<Scanned, Failure> {
    let text = Some(contents)
        .filter(|contents| contents.len() <= MAX_TEXT)
        .and_then(qr_text::decoded);
    match text.as_deref().map(in_text) {
        Some(Ok(scanned)) => Ok(scanned),
        Some(Err(refused @ NoCodeInText::Refused(_))) => Err(refused.into()),
        Some(Err(error)) if !qr_picture::is_markup(contents) => Err(error.into()),
        _ if QrCode::decode(contents) != Err(QrError::NotMatrix) => choose(vec![contents.to_vec()]),
        _ => in_picture(contents),
    }
}

fn in_text(text: &str) -> Result<Scanned, NoCodeInText> {
    qr_text::find(text).map(|(code, bytes)| Scanned { code, bytes })
}

fn in_picture(contents: &[u8]) -> Result<Scanned, Failure> {
    let failed =
        |error: PictureError| Failure::new(Exit::QrCode, error.to_string(), error.advice());
    choose(qr_picture::from_picture(contents).map_err(failed)?)
}

/// The first Matrix code among the codes of a picture; if there is none, what is wrong with the
/// first code.
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
    Failure::new(Exit::QrCode, error.what(), error.advice())
}

fn from_file(path: &Path) -> Result<Vec<u8>, Failure> {
    File::open(path)
        .and_then(all)
        .map_err(|error| unreadable(path, &error))
}

fn all(reader: impl Read) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    reader.take(MAX_FILE + 1).read_to_end(&mut contents)?;
    if contents.len() as u64 > MAX_FILE {
        return Err(io::Error::other(format!(
            "it is larger than {} MiB",
            MAX_FILE >> 20
        )));
    }
    Ok(contents)
}

/// Reads a picture to the end of the input. A text ends when the code in it is complete, so that
/// answers to questions may follow it, or with two empty lines in a row. One empty line is not
/// enough: a terminal turns a Windows line ending into two.
fn one_code(mut reader: impl BufRead, incomplete: impl Fn()) -> io::Result<Vec<u8>> {
    if qr_text::decoded(reader.fill_buf()?).is_none() {
        return all(reader);
    }
    let (mut contents, mut empty_lines) = (Vec::new(), 0);
    let mut reader = reader.take(MAX_TEXT as u64);
    while empty_lines < 2 {
        let line = read_line(&mut reader, &mut contents)?;
        if line == 0 || is_finished(&contents) {
            break;
        }
        let is_empty = contents
            .iter()
            .rev()
            .take(line)
            .all(|byte| *byte == 0 || byte.is_ascii_whitespace());
        match is_empty {
            _ if contents.trim_ascii().is_empty() => contents.clear(),
            true => empty_lines += 1,
            false => empty_lines = 0,
        }
        if is_empty && empty_lines == 1 {
            incomplete();
        }
    }
    Ok(contents)
}

/// Reads another line, and returns how many bytes it has. In little-endian UTF-16, another byte
/// follows the line feed.
fn read_line(mut reader: impl BufRead, contents: &mut Vec<u8>) -> io::Result<usize> {
    let read = reader.read_until(b'\n', contents)?;
    let more = if contents.get(1) == Some(&0) || contents.starts_with(b"\xff\xfe") {
        read % 2
    } else {
        0
    };
    Ok(read + reader.take(more as u64).read_to_end(contents)?)
}

fn is_finished(contents: &[u8]) -> bool {
    let found = qr_text::decoded(contents).map(|text| qr_text::find(&text));
    found.is_some_and(|found| found.map_or_else(NoCodeInText::is_final, |_| true))
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    let what = format!("{} could not be read: {error}", path.display());
    Failure::new(
        Exit::QrCode,
        what,
        "Give a picture file, or `-` with the code on standard input.",
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const HEX: &str = "4d41545249580203d886686ab2197b780e300a9d4a2147480700d7929f39ab31b9e514370248ed6b0008687474703a2f2f61";

    /// The code that is read, whatever may come after it, and what is left for the next reader.
    fn read(mut input: &[u8]) -> (Result<Scanned, Failure>, String) {
        let contents = one_code(&mut input, || ()).unwrap();
        (scan(&contents), String::from_utf8(input.to_vec()).unwrap())
    }

    #[test]
    fn on_standard_input_a_text_goes_on_until_its_code_is_complete() {
        let ours = scan(HEX.as_bytes()).unwrap();
        let (first, second) = HEX.split_at(60);
        for before in [
            format!("{HEX}\n"),
            format!("\n \r\n{HEX}\n"),
            format!("{first}\n{second}\n"),
            format!("{first}\r\n\r\n{second}\r\n"),
            format!("\u{feff}The code:\n\n\"{first}\n{second}\"\n"),
        ] {
            let (scanned, left) = read(format!("{before}78\ny\n").as_bytes());
            assert_eq!(
                (scanned.unwrap(), left.as_str()),
                (ours.clone(), "78\ny\n"),
                "{before:?}"
            );
        }
        for (mark, encode) in [
            ("\u{feff}", u16::to_le_bytes as fn(u16) -> [u8; 2]),
            ("\u{feff}", u16::to_be_bytes),
            ("", u16::to_le_bytes),
        ] {
            let mut input: Vec<u8> = format!("{mark}{first}\r\n{second}\r\n")
                .encode_utf16()
                .flat_map(encode)
                .collect();
            input.extend(b"78\n");
            let (scanned, left) = read(&input);
            assert_eq!((scanned.unwrap(), left.as_str()), (ours.clone(), "78\n"));
        }
    }

    #[test]
    fn on_standard_input_a_text_without_a_code_ends_with_two_empty_lines() {
        let (first, _) = HEX.split_at(60);
        for (before, what) in [
            (format!("{first}\n\n\n"), "the QR code is incomplete"),
            (
                format!("{first}\n\nhello\n\n \n"),
                "the QR code is incomplete",
            ),
            (
                "hello!\n\n\n".to_owned(),
                "the text is neither base64 nor hexadecimal",
            ),
            (
                format!("{}\n", HEX.replacen("0203", "0403", 1)),
                "this is a Matrix QR code of version 4, and this program reads versions 2 and 3",
            ),
        ] {
            let (scanned, left) = read(format!("{before}78\n").as_bytes());
            assert_eq!(
                (scanned.unwrap_err().what.as_str(), left.as_str()),
                (what, "78\n"),
                "{before:?}"
            );
        }
        assert_eq!(
            read(first.as_bytes()).0.unwrap_err().what,
            "the QR code is incomplete"
        );
        let endless = "x\n".repeat(MAX_TEXT);
        assert_eq!(one_code(endless.as_bytes(), || ()).unwrap().len(), MAX_TEXT);
        let asked = std::cell::Cell::new(0);
        one_code(format!("\n\n{first}\n\n\n").as_bytes(), || {
            asked.set(asked.get() + 1)
        })
        .unwrap();
        assert_eq!(asked.get(), 1);
    }

    #[test]
    fn on_standard_input_a_picture_is_everything() {
        assert_eq!(
            one_code(&b"\x89PNG\n..\n"[..], || ()).unwrap(),
            b"\x89PNG\n..\n"
        );
        assert_eq!(one_code(&b""[..], || ()).unwrap(), b"");
        assert_eq!(one_code(&b"\n\n"[..], || ()).unwrap(), b"");
    }

    #[test]
    fn a_code_may_be_given_as_its_bytes() {
        let ours = scan(HEX.as_bytes()).unwrap();
        assert_eq!(scan(&ours.bytes).unwrap(), ours);
    }

    #[test]
    fn among_several_codes_ours_is_taken() {
        let ours = scan(HEX.as_bytes()).unwrap().bytes;
        assert_eq!(
            choose(vec![b"https://example.org".to_vec(), ours.clone()])
                .unwrap()
                .bytes,
            ours
        );
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
