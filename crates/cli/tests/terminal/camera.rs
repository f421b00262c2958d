//! A photograph of a terminal, and a strict scanner: it reads dark on light only, and does not
//! enhance the picture.

use std::num::NonZeroU16;

use image::{GrayImage, Luma};

/// A character, in pixels.
const WIDTH: u32 = 8;
const HEIGHT: u32 = 16;

/// The two default colours of a terminal, as grey.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Theme {
    pub(crate) letters: u8,
    pub(crate) background: u8,
}

pub(crate) const DARK: Theme = Theme {
    letters: 0xcc,
    background: 0x1e,
};
pub(crate) const LIGHT: Theme = Theme {
    letters: 0x33,
    background: 0xf5,
};

/// Where a terminal puts the space between its lines.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Gap {
    Below,
    Around,
}

/// The height of a line divided by the height of its letters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Spacing(pub(crate) f64, pub(crate) Gap);

pub(crate) const TIGHT: Spacing = Spacing(1.0, Gap::Below);

/// The spacings that terminals offer.
pub(crate) fn spacings() -> Vec<Spacing> {
    let factors = [1.0, 1.06, 1.1, 1.2, 1.3, 1.4, 1.5];
    factors
        .into_iter()
        .flat_map(|factor| [Spacing(factor, Gap::Below), Spacing(factor, Gap::Around)])
        .collect()
}

/// A terminal of this size with this text.
pub(crate) fn printed(text: &str, columns: usize, rows: usize) -> vt100::Parser {
    let size = |side: usize| NonZeroU16::new(u16::try_from(side).unwrap()).unwrap();
    let mut terminal = vt100::Parser::new(size(rows), size(columns), 0);
    terminal.process(text.replace('\n', "\r\n").as_bytes());
    terminal
}

/// The codes that a scanner reads from this screen.
pub(crate) fn scan(screen: &vt100::Screen, theme: Theme, spacing: Spacing) -> Vec<Vec<u8>> {
    let mut prepared = rqrr::PreparedImage::prepare(photograph(screen, theme, spacing));
    let bytes = |grid: &rqrr::Grid<_>| {
        let mut bytes = Vec::new();
        grid.decode_to(&mut bytes).ok().map(|_| bytes)
    };
    prepared.detect_grids().iter().filter_map(bytes).collect()
}

pub(crate) fn photograph(
    screen: &vt100::Screen,
    theme: Theme,
    Spacing(factor, gap): Spacing,
) -> GrayImage {
    let (rows, columns) = screen.size();
    let line = (f64::from(HEIGHT) * factor).round() as u32;
    let above = match gap {
        Gap::Below => 0,
        Gap::Around => (line - HEIGHT) / 2,
    };
    GrayImage::from_fn(
        u32::from(columns.get()) * WIDTH,
        u32::from(rows.get()) * line,
        |x, y| {
            let cell = screen.cell((y / line) as u16, (x / WIDTH) as u16).unwrap();
            let (letter, background) = colours(cell, theme);
            let inked = (y % line)
                .checked_sub(above)
                .is_some_and(|y| glyph(cell.contents(), x % WIDTH, y));
            Luma([if inked { letter } else { background }])
        },
    )
}

fn colours(cell: &vt100::Cell, theme: Theme) -> (u8, u8) {
    let grey = |colour, own| match colour {
        vt100::Color::Default => own,
        vt100::Color::Rgb(red, _, _) => red,
        vt100::Color::Idx(231) => 255,
        vt100::Color::Idx(232) => 8,
        // A theme may change these: assume the wrong colour.
        vt100::Color::Idx(0..8) => 255,
        vt100::Color::Idx(_) => 0,
    };
    let (letter, background) = (
        grey(cell.fgcolor(), theme.letters),
        grey(cell.bgcolor(), theme.background),
    );
    if cell.inverse() {
        (background, letter)
    } else {
        (letter, background)
    }
}

/// Where a character has ink: half blocks in their half, letters somewhere in the middle.
fn glyph(character: &str, x: u32, y: u32) -> bool {
    match character {
        "" | " " => false,
        "█" | "#" => y < HEIGHT,
        "▀" => y < HEIGHT / 2,
        "▄" => (HEIGHT / 2..HEIGHT).contains(&y),
        _ => {
            (1..WIDTH - 1).contains(&x) && (3..HEIGHT - 3).contains(&y) && (x + y).is_multiple_of(3)
        }
    }
}
