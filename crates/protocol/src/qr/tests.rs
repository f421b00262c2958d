#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::channel::PublicKey;
use crate::homeserver::{BaseUrl, HomeserverAddress};
use crate::rendezvous::{ApiRoot, SessionId, SessionUrl};
use crate::revision::Role;
use crate::user_error::ToUserError;

const URL: &str = "https://rendezvous.lab.element.dev/e8da6355-550b-4a32-a193-1619d9830668";

fn code(shown_by: ShownBy, url: &str) -> QrCode {
    let key = PublicKey::from_base64("2IZoarIZe3gOMAqdSiFHSAcA15KfOasxueUUNwJI7Ws").unwrap();
    QrCode {
        shown_by,
        key,
        location: Location::Url(SessionUrl::parse(url).unwrap()),
    }
}

fn existing() -> QrCode {
    code(
        ShownBy::Existing(HomeserverAddress::parse("https://matrix-client.matrix.org").unwrap()),
        URL,
    )
}

fn at_homeserver(shown_by: ShownBy, prefix: Prefix) -> QrCode {
    let api = ApiRoot::new(
        BaseUrl::parse("https://matrix-client.matrix.org").unwrap(),
        prefix,
    );
    let session = SessionId::parse(api, "e8da6355-550b-4a32-a193-1619d9830668").unwrap();
    QrCode {
        location: Location::Id(session),
        ..code(shown_by, URL)
    }
}

/// One of each kind.
fn all() -> Vec<QrCode> {
    let mut all = vec![existing(), code(ShownBy::New, URL)];
    for prefix in [Prefix::Stable, Prefix::Unstable] {
        all.extend([
            at_homeserver(existing().shown_by, prefix),
            at_homeserver(ShownBy::New, prefix),
        ]);
    }
    all
}

#[test]
fn role_and_homeserver_follow_from_who_shows_it() {
    assert_eq!(
        (existing().role(), existing().homeserver().unwrap().as_str()),
        (Role::Existing, "https://matrix-client.matrix.org")
    );
    let new = code(ShownBy::New, URL);
    assert_eq!((new.role(), new.homeserver()), (Role::New, None));
}

#[test]
fn what_is_encoded_decodes() {
    for original in all() {
        let bytes = original.encode().unwrap();
        assert_eq!(QrCode::decode(&bytes), Ok(original));
    }
}

#[test]
fn no_truncation_is_a_code() {
    for original in all() {
        let bytes = original.encode().unwrap();
        for end in 0..bytes.len() {
            let prefix = if bytes.starts_with(prefix::bytes_of(Prefix::Stable)) {
                prefix::bytes_of(Prefix::Stable)
            } else {
                prefix::bytes_of(Prefix::Unstable)
            };
            let expected = if end < prefix.len() {
                QrError::NotMatrix
            } else {
                QrError::Truncated
            };
            assert_eq!(QrCode::decode(&bytes[..end]), Err(expected), "{end} bytes");
        }
    }
}

#[test]
fn every_change_of_a_byte_is_refused_or_read_as_what_it_says() {
    let bytes = existing().encode().unwrap();
    for (i, value) in (0..bytes.len()).flat_map(|i| (0..=255).map(move |value| (i, value))) {
        assert_is_what_it_says(&bytes, i, value);
    }
}

#[test]
fn every_change_of_a_bit_is_refused_or_read_as_what_it_says() {
    for original in all() {
        let bytes = original.encode().unwrap();
        for i in 0..bytes.len() * 8 {
            assert_is_what_it_says(&bytes, i / 8, bytes[i / 8] ^ 1 << (i % 8));
        }
    }
}

fn assert_is_what_it_says(bytes: &[u8], i: usize, value: u8) {
    let mut changed = bytes.to_vec();
    changed[i] = value;
    if let Ok(code) = QrCode::decode(&changed) {
        assert_eq!(code.encode().unwrap(), changed, "byte {i} as {value}");
    }
}

/// Its one base URL is that of the session and that of the account.
#[test]
fn a_homeserver_without_the_session_is_not_shown() {
    for text in [
        "https://matrix-client.matrix.org/",
        "https://example.org",
        "matrix.org",
    ] {
        let elsewhere = ShownBy::Existing(HomeserverAddress::parse(text).unwrap());
        let code = at_homeserver(elsewhere, Prefix::Unstable);
        assert_eq!(code.encode(), Err(QrError::HomeserverElsewhere), "{text}");
    }
}

#[test]
fn what_no_qr_code_can_hold_is_not_encoded() {
    let of_length = |n: usize| {
        code(
            ShownBy::New,
            &format!("https://a/{}", "x".repeat(n - 10 - 42)),
        )
    };
    assert_eq!(
        of_length(MAX_QR_BYTES).encode().unwrap().len(),
        MAX_QR_BYTES
    );
    assert_eq!(
        of_length(MAX_QR_BYTES + 1).encode(),
        Err(QrError::TooLong(MAX_QR_BYTES + 1))
    );
    // Reading is not bound by what we would show.
    let long = format!("https://a/{}", "x".repeat(2038));
    let bytes = [
        b"MATRIX\x02\x03".as_slice(),
        existing().key.as_bytes(),
        &2048u16.to_be_bytes(),
        long.as_bytes(),
    ]
    .concat();
    assert_eq!(QrCode::decode(&bytes), Ok(code(ShownBy::New, &long)));
}

#[test]
fn a_forged_key_is_not_shown() {
    for code in all() {
        let forged = QrCode {
            key: PublicKey::from_bytes([0; 32]),
            ..code
        };
        assert_eq!(forged.encode(), Err(QrError::NonContributoryKey));
    }
}

#[test]
fn errors_say_what_to_do() {
    let message = |bytes: &[u8]| QrCode::decode(bytes).unwrap_err().to_string();
    assert_eq!(message(b"hello"), "this is not a Matrix QR code");
    assert_eq!(
        QrCode::decode(b"hello").unwrap_err().advice(),
        "Scan the code that the other device shows for sign-in."
    );
    assert!(message(b"MATRIX\x02\x01").contains("already signed in"));
    assert!(message(b"MATRIX\x04\x00").contains("version 4"));
    assert!(message(b"IO_ELEMENT_MSC4388\x02\x03").contains("version 2"));
}

#[test]
fn a_shown_code_is_text_and_a_drawing() {
    for code in all() {
        let shown = ShownCode::new(code.clone()).unwrap();
        let bytes = crate::base64::decode(shown.to_base64()).unwrap();
        assert_eq!(shown.bytes(), bytes);
        assert_eq!(format!("{shown:?}"), format!("{code:?}"));
        assert_eq!(QrCode::decode(&bytes), Ok(code));

        // Every module, from its half of a character: a block is light.
        let expected = picture::byte_mode(shown.bytes(), qrcode::EcLevel::Q).unwrap();
        let (width, drawing) = (expected.width(), shown.drawing());
        let lines: Vec<Vec<char>> = drawing.lines().map(|line| line.chars().collect()).collect();
        let is_dark = |x: usize, y: usize| match (lines[y / 2][x], y % 2) {
            (' ', _) | ('▄', 0) | ('▀', 1) => true,
            ('█', _) | ('▀', 0) | ('▄', 1) => false,
            (other, _) => panic!("{other:?}"),
        };
        assert_eq!(lines.len(), (width + 8).div_ceil(2));
        for (x, y) in (0..width).flat_map(|x| (0..width).map(move |y| (x, y))) {
            let dark = expected[(x, y)] == qrcode::Color::Dark;
            assert_eq!(is_dark(x + 4, y + 4), dark, "{x}, {y}");
        }
        assert!(
            (0..width + 8).all(|x| !is_dark(x, 0) && !is_dark(0, x)),
            "the border is light"
        );
    }
}

#[test]
fn the_head_of_a_code_holds_nothing_of_its_session() {
    for (bytes, head) in [
        (&b"MATRIX\x02\x03key"[..], &b"MATRIX\x02\x03"[..]),
        (
            b"IO_ELEMENT_MSC4388\x03\x01key",
            b"IO_ELEMENT_MSC4388\x03\x01",
        ),
        (b"MATRIX\x02", b"MATRIX\x02"),
        (b"hello", b"he"),
        (b"h", b"h"),
    ] {
        assert_eq!(QrCode::head(bytes), head);
    }
}
