#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use base64::prelude::{BASE64_STANDARD, BASE64_STANDARD_NO_PAD, BASE64_URL_SAFE_NO_PAD};

use super::*;

const HEX: &str = "4d41545249580203d886686ab2197b780e300a9d4a2147480700d7929f39ab31b9e514370248ed6b0008687474703a2f2f61";

fn ours() -> Vec<u8> {
    bytes(HEX).unwrap()
}

/// Of every length, so that base64 ends in each of its ways.
fn codes() -> Vec<Vec<u8>> {
    let url = |path: &str| {
        let mut bytes = ours()[..40].to_vec();
        let url = format!("https://rendezvous.example.org/{path}");
        bytes.extend((url.len() as u16).to_be_bytes());
        bytes.extend(url.into_bytes());
        bytes
    };
    ["", "a", "ab", "abc", &"x".repeat(200)].map(url).into()
}

fn wrapped(text: &str, columns: usize, end: &str) -> String {
    let letters: Vec<char> = text.chars().collect();
    letters
        .chunks(columns)
        .map(|line| line.iter().collect::<String>() + end)
        .collect()
}

#[test]
fn a_code_is_hex_or_base64_of_either_kind() {
    for code in codes() {
        let hex: String = code.iter().map(|b| format!("{b:02x}")).collect();
        let texts = [
            hex.to_uppercase(),
            hex,
            BASE64_STANDARD.encode(&code),
            BASE64_STANDARD_NO_PAD.encode(&code),
            BASE64_URL_SAFE_NO_PAD.encode(&code),
        ];
        for text in texts {
            assert_eq!(
                find(&text).map(|(_, bytes)| bytes),
                Ok(code.clone()),
                "{text}"
            );
        }
    }
}

#[test]
fn whatever_is_around_a_code_does_not_hide_it() {
    for code in codes() {
        let text = BASE64_STANDARD.encode(&code);
        let around = [
            format!("Without a camera, give the other device this text:\n{text}\n"),
            format!("No camera? The same as text: {text}"),
            format!("code={text}"),
            format!("\"{text}\""),
            format!("“{text}”"),
            format!("<{text}>"),
            format!("> {}", wrapped(&text, 60, "\n> ")),
            format!(
                "Dear Alice,\r\n\r\n{}\r\nYours, Bob. 78\r\n",
                wrapped(&text, 76, "\r\n")
            ),
            wrapped(&text, 40, "\u{a0}\n\t"),
            wrapped(&text, 37, "\n"),
            wrapped(&text, 8, "\r\n\r\n"),
        ];
        for text in around {
            assert_eq!(
                find(&text).map(|(_, bytes)| bytes),
                Ok(code.clone()),
                "{text}"
            );
        }
    }
}

#[test]
fn a_part_of_a_code_is_incomplete_wherever_it_ends() {
    for code in codes() {
        let hex: String = code.iter().map(|b| format!("{b:02x}")).collect();
        for text in [hex, BASE64_STANDARD_NO_PAD.encode(&code)] {
            for length in 40..text.len() {
                let error = find(&text[..length]).unwrap_err();
                assert_eq!(
                    error,
                    NoCodeInText::Refused(QrError::Truncated),
                    "{length} of {text}"
                );
                assert!(!error.is_final());
            }
        }
    }
}

#[test]
fn what_is_no_code_says_what_it_is() {
    for text in [
        "",
        " \n",
        "not base64!",
        "TUFUU",
        "é",
        "no-such-picture.png",
    ] {
        assert_eq!(find(text).unwrap_err(), NoCodeInText::NotText, "{text:?}");
    }
    assert_eq!(
        find("aHR0cHM6Ly9leGFtcGxlLm9yZy8=").unwrap_err(),
        NoCodeInText::Refused(QrError::NotMatrix)
    );
    let other = find(&BASE64_STANDARD.encode(b"MATRIX\x04\x03")).unwrap_err();
    assert_eq!(other, NoCodeInText::Refused(QrError::OtherVersion(4)));
    assert!(other.is_final());
    let endless = format!("{}{}", &HEX[..80], "ffff".repeat(MAX_LETTERS));
    assert!(find(&endless).is_err());
}

#[test]
fn a_text_is_what_an_editor_saves() {
    let text = "“TUFU”\r\n";
    let units: Vec<u16> = text.encode_utf16().collect();
    let le: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    let be: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
    for bytes in [
        text.as_bytes().to_vec(),
        [b"\xef\xbb\xbf", text.as_bytes()].concat(),
        [b"\xff\xfe", &le[..]].concat(),
        [b"\xfe\xff", &be[..]].concat(),
    ] {
        assert_eq!(decoded(&bytes).unwrap(), text, "{bytes:?}");
    }
    let plain: Vec<u8> = "TUFU".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(decoded(&plain).unwrap(), "TUFU");
    assert_eq!(decoded(&text.as_bytes()[..2]).as_deref(), None);
    assert_eq!(
        decoded("T“".as_bytes().split_last().unwrap().1).unwrap(),
        "T"
    );
    for bytes in [
        &b""[..],
        b"MATRIX\x02\x03",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0\0\x10JFIF",
        b"\0\0\x01\0",
    ] {
        assert_eq!(decoded(bytes), None, "{bytes:?}");
    }
}
