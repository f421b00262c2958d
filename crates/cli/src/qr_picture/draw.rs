//! A QR code on the terminal: half blocks, two modules above each other in one character.

use anstyle::{Ansi256Color, Color, Style};
use qrcode::{Color as Module, EcLevel, QrCode};

use super::{QUIET_ZONE, code};

/// Black on white whatever the theme: 16 and 231 are the corners of the colour cube, which themes leave alone.
const INK: Style = Style::new()
    .fg_color(Some(Color::Ansi256(Ansi256Color(16))))
    .bg_color(Some(Color::Ansi256(Ansi256Color(231))));

/// How much room there is for a drawing, in characters, and whether it may have colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) colours: bool,
}

/// What came of a drawing.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Drawing {
    /// The lines, and how many of them; more than the room has when `too_tall`.
    Lines { text: String, rows: usize, too_tall: bool },
    /// So many columns are needed.
    TooNarrow(usize),
}

/// The largest error correction with which the code fits, the proposal's level Q before any other.
pub(crate) fn drawing(bytes: &[u8], room: Room) -> Option<Drawing> {
    let codes: Vec<QrCode> = [EcLevel::Q, EcLevel::M, EcLevel::L]
        .into_iter()
        .filter_map(|level| code(bytes, level).ok())
        .collect();
    let smallest = codes.last()?;
    if side(smallest) > room.columns {
        return Some(Drawing::TooNarrow(side(smallest)));
    }
    let fits = |code: &&QrCode| side(code) <= room.columns && height(code) <= room.rows;
    let code = codes.iter().find(fits).unwrap_or(smallest);
    Some(Drawing::Lines {
        text: lines(code, room.colours),
        rows: height(code),
        too_tall: height(code) > room.rows,
    })
}

fn side(code: &QrCode) -> usize {
    code.width() + 2 * QUIET_ZONE
}

fn height(code: &QrCode) -> usize {
    side(code).div_ceil(2)
}

fn lines(code: &QrCode, colours: bool) -> String {
    let line = |upper: usize| -> String {
        let cells = 0..side(code);
        let cells =
            cells.map(|x| character(dark(code, x, upper), dark(code, x, upper + 1), colours)).collect();
        if colours { format!("{INK}{cells}{INK:#}") } else { cells }
    };
    (0..side(code)).step_by(2).map(line).collect::<Vec<_>>().join("\n")
}

/// With colours the block is the ink. Without, it is the paper: most terminals are dark.
fn character(upper: bool, lower: bool, colours: bool) -> char {
    match (upper == colours, lower == colours) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    }
}

/// In drawing coordinates: outside of the code, and below an odd last row, is paper.
fn dark(code: &QrCode, x: usize, y: usize) -> bool {
    let inside = |at: usize| at.checked_sub(QUIET_ZONE).filter(|at| *at < code.width());
    inside(x).zip(inside(y)).is_some_and(|at| code[at] == Module::Dark)
}
