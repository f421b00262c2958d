//! A QR code on the terminal: two modules, one above the other, per character; or two characters
//! per module.
//!
//! Each character has the colours of both of its modules, the lower one as its background. If a
//! terminal puts space between its lines, the background fills it, and no stripe runs through the
//! code.

use std::fmt::Write as _;

use anstyle::{Ansi256Color, Color, Effects, RgbColor, Style};
use qrcode::{Color as Module, EcLevel, QrCode};

use super::code::{QUIET_ZONE, code};
use crate::args::QrBackground;

/// The smallest border with which scanners find a code.
const LEAST_QUIET_ZONE: usize = 2;

/// The characters of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// Each character is two modules, one above the other.
    Half,
    /// Two characters, side by side, are one module.
    Ascii,
}

/// How dark and light modules differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// In two fixed colours, independent of the theme.
    Colours { dark: Color, light: Color },
    /// In the terminal's own two colours, reversed where necessary.
    Reversed(QrBackground),
    /// In different characters only.
    Plain(QrBackground),
}

impl Ink {
    pub(crate) const TRUE_COLOURS: Self = Self::Colours {
        dark: Color::Rgb(RgbColor(0, 0, 0)),
        light: Color::Rgb(RgbColor(255, 255, 255)),
    };
    /// The darkest grey and the lightest colour of the palette. Themes change the colours 0 to 15,
    /// and some 16 to 21, but not these.
    pub(crate) const INDEXED_COLOURS: Self = Self::Colours {
        dark: Color::Ansi256(Ansi256Color(232)),
        light: Color::Ansi256(Ansi256Color(231)),
    };
}

/// One of the two modules of a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CellHalf {
    Upper,
    Lower,
}

/// One way to draw a code.
pub(crate) struct Drawing {
    code: QrCode,
    quiet_zone: usize,
    blocks: Blocks,
}

/// The ways to draw these bytes, the best one first: the standard's border, then the smallest one;
/// for each, the most error correction first, starting with the proposal's level Q. Empty if a QR
/// code cannot hold the bytes.
pub(crate) fn drawings(bytes: &[u8], blocks: Blocks) -> Vec<Drawing> {
    let codes: Vec<QrCode> = [EcLevel::Q, EcLevel::M, EcLevel::L]
        .into_iter()
        .filter_map(|level| code(bytes, level).ok())
        .collect();
    let with = |quiet_zone| {
        codes.iter().map(move |code| Drawing {
            code: code.clone(),
            quiet_zone,
            blocks,
        })
    };
    [QUIET_ZONE, LEAST_QUIET_ZONE]
        .into_iter()
        .flat_map(with)
        .collect()
}

impl Drawing {
    pub(crate) fn columns(&self) -> usize {
        match self.blocks {
            Blocks::Half => self.side(),
            Blocks::Ascii => 2 * self.side(),
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.side().div_ceil(self.modules_in_a_row())
    }

    /// The height of the border above the code. A code has an odd number of rows: with two modules
    /// per character, there is one spare row, which is added here. So the middle of each finder
    /// pattern starts with a lower half, and no character's background cuts through it.
    fn above(&self) -> usize {
        self.quiet_zone + self.modules_in_a_row() - 1
    }

    /// The lines; each one except the last ends with a line break.
    pub(crate) fn text(&self, ink: Ink) -> String {
        let lines = (0..self.rows()).map(|row| self.line(row * self.modules_in_a_row(), ink));
        lines.collect::<Vec<_>>().join("\n")
    }

    fn line(&self, upper: usize, ink: Ink) -> String {
        let (mut line, mut style) = (String::new(), Style::new());
        for x in 0..self.side() {
            let module = self.is_dark(x, upper);
            let (next, text) = match self.blocks {
                Blocks::Half => half(
                    ink,
                    [module, self.is_dark(x, upper + 1)],
                    self.background(x, upper),
                ),
                Blocks::Ascii => whole(ink, module),
            };
            // Writing to a String cannot fail.
            if next != style {
                let _ = write!(line, "{style:#}{next}");
                style = next;
            }
            line.push_str(text);
        }
        let _ = write!(line, "{style:#}");
        line
    }

    fn modules_in_a_row(&self) -> usize {
        match self.blocks {
            Blocks::Half => 2,
            Blocks::Ascii => 1,
        }
    }

    /// The width of the code in modules, with the border.
    fn side(&self) -> usize {
        self.code.width() + 2 * self.quiet_zone
    }

    /// Which of the two modules determines the background, which also fills the space that a
    /// terminal may have above and below its letters. It is the lower one, so that each module has
    /// its colour where a scanner expects it, even if all of that space is below. In the patterns
    /// that a scanner must find first, it is the one that draws no stripe between two modules of
    /// the same colour.
    fn background(&self, x: usize, upper: usize) -> CellHalf {
        let as_the_next = |y: usize| self.is_dark(x, y) == self.is_dark(x, y + 1);
        let stripe_above = self.is_sought(x, upper) && upper.checked_sub(1).is_none_or(as_the_next);
        let stripe_below = self.is_sought(x, upper + 1) && as_the_next(upper + 1);
        if stripe_above && !stripe_below {
            CellHalf::Upper
        } else {
            CellHalf::Lower
        }
    }

    /// Whether a scanner must find this module before it reads any: the finder patterns with the
    /// light modules around them, and the inside of the last alignment pattern (ISO/IEC 18004,
    /// "Finder pattern", "Alignment patterns").
    fn is_sought(&self, x: usize, y: usize) -> bool {
        // Includes the light modules next to the code.
        let inside = |at: usize, before: usize| {
            (at + 1)
                .checked_sub(before)
                .filter(|at| *at <= self.code.width() + 1)
        };
        let (Some(x), Some(y)) = (inside(x, self.quiet_zone), inside(y, self.above())) else {
            return false;
        };
        let end = self.code.width() - 7;
        let (in_first, in_last) = (|at: usize| at <= 8, |at: usize| at >= end);
        let finder = in_first(x) && (in_first(y) || in_last(y)) || in_last(x) && in_first(y);
        let alignment = |at: usize| (end..end + 3).contains(&at);
        finder || alignment(x) && alignment(y)
    }

    /// In the drawing's coordinates. Everything outside of the code is light.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside =
            |at: usize, before| at.checked_sub(before).filter(|at| *at < self.code.width());
        let module = inside(x, self.quiet_zone).zip(inside(y, self.above()));
        module.is_some_and(|at| self.code[at] == Module::Dark)
    }
}

/// A character for two modules. If both have the same colour, it is a space: fonts leave gaps
/// around their glyphs.
fn half(ink: Ink, [upper, lower]: [bool; 2], background: CellHalf) -> (Style, &'static str) {
    let (letter, behind, glyph) = match background {
        CellHalf::Lower => (upper, lower, "▀"),
        CellHalf::Upper => (lower, upper, "▄"),
    };
    let glyph = if upper == lower { " " } else { glyph };
    match ink {
        Ink::Colours { dark, light } => {
            let colour = |is_dark| Some(if is_dark { dark } else { light });
            let style = Style::new().bg_color(colour(behind));
            (
                if upper == lower {
                    style
                } else {
                    style.fg_color(colour(letter))
                },
                glyph,
            )
        }
        Ink::Reversed(background) if is_lit(background, behind) => (REVERSED, glyph),
        Ink::Reversed(_) => (Style::new(), glyph),
        Ink::Plain(background) => match (is_lit(background, upper), is_lit(background, lower)) {
            (true, true) => (Style::new(), "█"),
            (true, false) => (Style::new(), "▀"),
            (false, true) => (Style::new(), "▄"),
            (false, false) => (Style::new(), " "),
        },
    }
}

/// Two characters for one module.
fn whole(ink: Ink, is_dark: bool) -> (Style, &'static str) {
    match ink {
        Ink::Colours { dark, light } => (
            Style::new().bg_color(Some(if is_dark { dark } else { light })),
            "  ",
        ),
        Ink::Reversed(background) if is_lit(background, is_dark) => (REVERSED, "  "),
        Ink::Plain(background) if is_lit(background, is_dark) => (Style::new(), "##"),
        Ink::Reversed(_) | Ink::Plain(_) => (Style::new(), "  "),
    }
}

const REVERSED: Style = Style::new().effects(Effects::INVERT);

/// Whether a module has the colour of the letters.
fn is_lit(background: QrBackground, is_dark: bool) -> bool {
    is_dark == (background == QrBackground::Light)
}

#[cfg(test)]
mod tests;
