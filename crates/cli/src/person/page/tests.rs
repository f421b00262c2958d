#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use matrix_qr_protocol::qr::QrCode;

use super::*;
use crate::{
    camera::{self, DARK, LIGHT, TIGHT},
    qr_text,
};

const WAITING: &str = "⠋ Waiting for the other device. Ctrl-C cancels. (59:59 left)";
const INVITATION: &str =
    "On the device that is already signed in, choose to link a new device, and scan this code:";

/// A code for a session at a URL, with this length in bytes.
fn code(length: usize) -> ShownCode {
    let hex = "4d41545249580203d886686ab2197b780e300a9d4a2147480700d7929f39ab31b9e514370248ed6b";
    let url = format!("https://rendezvous.example.org/{}", "x".repeat(length - 73));
    let rest: String = (url.len() as u16)
        .to_be_bytes()
        .iter()
        .chain(url.as_bytes())
        .map(|b| format!("{b:02x}"))
        .collect();
    let (code, bytes) = qr_text::find(&format!("{hex}{rest}")).unwrap();
    assert_eq!(bytes.len(), length);
    ShownCode::new(code).unwrap()
}

fn shown(length: usize, blocks: Blocks) -> CodeToShow {
    CodeToShow::new(&code(length), INVITATION, blocks)
}

fn canvas(columns: usize, rows: usize, blocks: Blocks) -> Canvas {
    Canvas {
        columns,
        rows,
        blocks,
        ink: Ink::INDEXED_COLOURS,
    }
}

/// Prints the page as the screen does.
fn print(page: &CodePage) -> String {
    format!(
        "{}\n{}{WAITING}",
        page.words,
        page.drawing
            .iter()
            .map(|lines| format!("{lines}\n"))
            .collect::<String>()
    )
}

/// The two numbers of the warning.
fn needed(page: &CodePage) -> (usize, usize) {
    let (_, sentence) = page.words.split_once("the code needs ").unwrap();
    let mut words = sentence.split(' ');
    let columns = words.next().unwrap().parse().unwrap();
    (columns, words.nth(2).unwrap().parse().unwrap())
}

#[test]
fn at_every_size_the_whole_code_is_on_the_screen_or_a_sentence_says_the_truth() {
    for (length, blocks) in [
        (113, Blocks::Half),
        (180, Blocks::Half),
        (113, Blocks::Ascii),
    ] {
        let shown = shown(length, blocks);
        for (columns, rows) in
            (40..=120).flat_map(|columns| (16..=60).map(move |rows| (columns, rows)))
        {
            let page = shown.page(WAITING, canvas(columns, rows, blocks));
            // Drawing on a terminal is slow: every size is measured, but only some widths are
            // drawn.
            match &page.drawing {
                Some(drawing) if columns % 8 == 5 || columns == 80 => {
                    stands(&page, drawing, columns, rows)
                }
                Some(_) => {}
                None => is_true(&shown, &page, (columns, rows), blocks),
            }
        }
    }
}

/// The screen shows the whole drawing between the text, as far as it fits, and the waiting line.
fn stands(page: &CodePage, drawing: &str, columns: usize, rows: usize) {
    let terminal = camera::printed(&print(page), columns, rows);
    let height = drawing.lines().count();
    let alone = camera::printed(drawing, columns, height);
    let below = crate::measure::rows(WAITING, columns);
    let above = crate::measure::rows(&page.words, columns).min(rows - below - height);
    for (row, cells) in (above..).zip(0..height) {
        for column in 0..columns {
            let cell = |terminal: &vt100::Parser, row: usize| {
                terminal.screen().cell(row as u16, column as u16).cloned()
            };
            assert_eq!(
                cell(&terminal, row),
                cell(&alone, cells),
                "{columns}×{rows}, line {row}"
            );
        }
    }
    assert!(
        terminal
            .screen()
            .contents()
            .replace('\n', "")
            .ends_with("left)")
    );
}

/// The size in the warning is enough, and no smaller one is.
fn is_true(shown: &CodeToShow, page: &CodePage, (columns, rows): (usize, usize), blocks: Blocks) {
    let fits = |columns, rows| {
        shown
            .page(WAITING, canvas(columns, rows, blocks))
            .drawing
            .is_some()
    };
    let (wide, high) = needed(page);
    assert!(
        fits(wide, high) && !fits(wide, high - 1),
        "{columns}×{rows}: {}",
        page.words
    );
    assert!(
        wide == columns || !fits(wide - 1, high),
        "{columns}×{rows}: {}",
        page.words
    );
    assert!(wide > columns || high > rows);
    let terminal = camera::printed(&print(page), columns, rows);
    let screen = terminal.screen().contents().replace('\n', "");
    assert!(
        screen.contains("warning:") && screen.contains("--qr FILE.png"),
        "{columns}×{rows}: {screen}"
    );
}

#[test]
fn a_larger_window_is_never_worse() {
    let shown = shown(147, Blocks::Half);
    let fits = |columns, rows| {
        shown
            .best(WAITING, canvas(columns, rows, Blocks::Half))
            .is_some()
    };
    for (columns, rows) in (40..=120).flat_map(|columns| (16..=60).map(move |rows| (columns, rows)))
    {
        assert!(
            !fits(columns, rows) || fits(columns + 1, rows) && fits(columns, rows + 1),
            "{columns}×{rows}"
        );
    }
}

#[test]
fn what_stands_on_the_screen_is_scanned() {
    for (columns, rows) in [
        (80, 24),
        (80, 25),
        (80, 26),
        (80, 28),
        (80, 30),
        (80, 32),
        (100, 40),
        (120, 60),
    ] {
        let code = code(113);
        let shown = CodeToShow::new(&code, INVITATION, Blocks::Half);
        let page = shown.page(WAITING, canvas(columns, rows, Blocks::Half));
        let terminal = camera::printed(&print(&page), columns, rows);
        for theme in [DARK, LIGHT] {
            let seen = camera::scan(terminal.screen(), theme, TIGHT);
            assert_eq!(seen, [code.bytes()], "{columns}×{rows}");
            assert_eq!(QrCode::decode(&seen[0]).as_ref(), Ok(code.code()));
        }
    }
}

#[test]
fn the_texts_leave_the_screen_before_the_code_gets_smaller_than_the_standard_has_it() {
    let shown = shown(113, Blocks::Half);
    let columns = |rows| {
        shown
            .best(WAITING, canvas(120, rows, Blocks::Half))
            .map(Drawing::columns)
    };
    assert_eq!([23, 24, 60].map(columns), [None, Some(45), Some(61)]);
}

#[test]
fn the_code_as_text_is_a_line_of_its_own() {
    let code = code(180);
    let page = CodeToShow::new(&code, INVITATION, Blocks::Half)
        .page(WAITING, canvas(200, 200, Blocks::Half));
    assert!(
        page.words.lines().any(|line| line == code.to_base64()),
        "{}",
        page.words
    );
}

#[test]
fn without_colours_the_other_polarity_is_offered() {
    for (background, other) in [(QrBackground::Dark, "light"), (QrBackground::Light, "dark")] {
        for ink in [Ink::Reversed(background), Ink::Plain(background)] {
            let canvas = Canvas {
                ink,
                ..canvas(200, 200, Blocks::Half)
            };
            let page = shown(113, Blocks::Half).page(WAITING, canvas);
            assert!(
                page.words.contains(&format!("--qr-background {other}")),
                "{}",
                page.words
            );
        }
    }
    assert!(
        !shown(113, Blocks::Half)
            .page(WAITING, canvas(200, 200, Blocks::Half))
            .words
            .contains("--qr-background")
    );
}
