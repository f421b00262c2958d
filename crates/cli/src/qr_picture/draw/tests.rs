#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use crate::camera::{self, DARK, Gap, LIGHT, Spacing, TIGHT, Theme, spacings};

/// As long as a real code, with every kind of byte in it.
fn bytes(length: u8) -> Vec<u8> {
    let mut bytes = b"MATRIX\x02\x03".to_vec();
    bytes.extend((0..length).map(|n| n.wrapping_mul(89)));
    bytes
}

/// What is read off it in a terminal that is somewhat larger.
fn scan(drawing: &Drawing, ink: Ink, theme: Theme, spacing: Spacing) -> Vec<Vec<u8>> {
    let terminal = camera::printed(
        &drawing.text(ink),
        drawing.columns() + 10,
        drawing.rows() + 5,
    );
    camera::scan(terminal.screen(), theme, spacing)
}

#[test]
fn a_drawing_is_read_at_every_spacing() {
    let mut all = drawings(&bytes(105), Blocks::Half);
    all.truncate(3);
    all.extend(drawings(&bytes(140), Blocks::Half).pop());
    for drawing in all {
        for spacing in spacings() {
            let seen = scan(&drawing, Ink::TRUE_COLOURS, DARK, spacing);
            assert!(
                seen == [bytes(105)] || seen == [bytes(140)],
                "{} columns {spacing:?}",
                drawing.columns()
            );
        }
    }
}

#[test]
fn every_ink_is_read_in_every_theme() {
    let on = |theme: Theme| {
        if theme.background > theme.letters {
            QrBackground::Light
        } else {
            QrBackground::Dark
        }
    };
    for theme in [DARK, LIGHT] {
        for ink in [
            Ink::TRUE_COLOURS,
            Ink::INDEXED_COLOURS,
            Ink::Reversed(on(theme)),
        ] {
            for blocks in [Blocks::Half, Blocks::Ascii] {
                for factor in [1.0, 1.5] {
                    let drawing = &drawings(&bytes(105), blocks)[5];
                    let seen = scan(drawing, ink, theme, Spacing(factor, Gap::Below));
                    assert_eq!(seen, [bytes(105)], "{blocks:?} {ink:?} {theme:?} {factor}");
                }
            }
        }
    }
}

#[test]
fn characters_alone_are_read_where_lines_touch() {
    for blocks in [Blocks::Half, Blocks::Ascii] {
        for drawing in drawings(&bytes(105), blocks).into_iter().skip(4) {
            let text = drawing.text(Ink::Plain(QrBackground::Dark));
            assert!(!text.contains('\u{1b}') && text.is_ascii() == (blocks == Blocks::Ascii));
            assert_eq!(
                scan(&drawing, Ink::Plain(QrBackground::Dark), DARK, TIGHT),
                [bytes(105)]
            );
            assert_eq!(
                scan(&drawing, Ink::Plain(QrBackground::Light), LIGHT, TIGHT),
                [bytes(105)]
            );
            assert!(scan(&drawing, Ink::Plain(QrBackground::Dark), LIGHT, TIGHT).is_empty());
        }
    }
}

#[test]
fn no_theme_changes_the_colours_of_a_drawing() {
    let drawing = &drawings(&bytes(140), Blocks::Half)[0];
    assert_eq!(
        scan(
            drawing,
            Ink::INDEXED_COLOURS,
            Theme {
                letters: 70,
                background: 60
            },
            TIGHT
        ),
        [bytes(140)]
    );
    assert!(!drawing.text(Ink::TRUE_COLOURS).contains("38;5"));
}

#[test]
fn the_border_shrinks_after_the_error_correction() {
    let drawings = drawings(&bytes(105), Blocks::Half);
    let sizes: Vec<_> = drawings
        .iter()
        .map(|drawing| (drawing.columns(), drawing.rows()))
        .collect();
    assert_eq!(
        sizes,
        [(61, 31), (53, 27), (49, 25), (57, 29), (49, 25), (45, 23)]
    );
    let ascii = &super::drawings(&bytes(105), Blocks::Ascii)[0];
    assert_eq!((ascii.columns(), ascii.rows()), (122, 61));
    assert!(super::drawings(&[0; 3000], Blocks::Half).is_empty());
}
