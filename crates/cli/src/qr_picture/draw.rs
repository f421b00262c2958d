//! A QR code on the terminal: two modules above each other in one character, or two characters for
//! one module.
//!
//! Each character carries the colour of both of its modules, the lower one as its background: where
//! a terminal puts space between its lines, it is the background that fills it, and no stripe goes
//! through the code.

use std::fmt::Write as _;

use anstyle::{Ansi256Color, Color, Effects, RgbColor, Style};
use qrcode::{Color as Module, EcLevel, QrCode};

use super::{QUIET_ZONE, code};
use crate::args::Background;

/// The least border with which scanners find a code.
const LEAST_QUIET_ZONE: usize = 2;

/// The characters of a drawing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blocks {
    /// Each is two modules, one above the other.
    Half,
    /// Two of them, side by side, are one module.
    Ascii,
}

/// How dark and light are told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ink {
    /// By two colours, whatever the theme is.
    Colours { dark: Color, light: Color },
    /// By the terminal's own two colours, exchanged where it must be.
    Reversed(Background),
    /// By the characters alone.
    Plain(Background),
}

impl Ink {
    pub(crate) const TRUE_COLOURS: Self = Self::Colours {
        dark: Color::Rgb(RgbColor(0, 0, 0)),
        light: Color::Rgb(RgbColor(255, 255, 255)),
    };
    /// The ends of the ramp of grey and of the colour cube. Themes set 0 to 15, and some 16 to 21,
    /// but not these.
    pub(crate) const INDEXED_COLOURS: Self = Self::Colours {
        dark: Color::Ansi256(Ansi256Color(232)),
        light: Color::Ansi256(Ansi256Color(231)),
    };
}

/// One of a character's two modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Half {
    Upper,
    Lower,
}

/// One way to draw a code.
pub(crate) struct Drawing {
    code: QrCode,
    quiet_zone: usize,
    blocks: Blocks,
}

/// The ways to draw these bytes, the best first: the standard's border before the least one, and
/// with it the largest error correction, the proposal's level Q before any other. None if a QR code
/// cannot hold them.
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

    /// The border above. A code has an odd number of modules: with two in a character one is to
    /// spare, and stands here. So the middle of each finder pattern begins with a lower half, and
    /// no character's background cuts through it.
    fn above(&self) -> usize {
        self.quiet_zone + self.modules_in_a_row() - 1
    }

    /// The lines, each one ended but the last.
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
            // A String takes all that is written to it.
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

    /// The modules on a side, with the border.
    fn side(&self) -> usize {
        self.code.width() + 2 * self.quiet_zone
    }

    /// Which of the two modules has the background's colour, and with it the space that a terminal
    /// may have above and below its letters. The lower one, so that each module has its colour
    /// where a scanner looks for it, also if all of that space is below. But in what must be found
    /// first, the one that draws no stripe between two modules of the same colour.
    fn background(&self, x: usize, upper: usize) -> Half {
        let as_the_next = |y: usize| self.is_dark(x, y) == self.is_dark(x, y + 1);
        let stripe_above = self.is_sought(x, upper) && upper.checked_sub(1).is_none_or(as_the_next);
        let stripe_below = self.is_sought(x, upper + 1) && as_the_next(upper + 1);
        if stripe_above && !stripe_below {
            Half::Upper
        } else {
            Half::Lower
        }
    }

    /// Whether a scanner must find this module before it reads any: those of the finder patterns,
    /// with the light ones around them, and those inside the last alignment pattern (ISO/IEC 18004,
    /// "Finder pattern", "Alignment patterns").
    fn is_sought(&self, x: usize, y: usize) -> bool {
        // From the light modules before the code on.
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

    /// In the drawing's coordinates: what is not in the code is paper.
    fn is_dark(&self, x: usize, y: usize) -> bool {
        let inside =
            |at: usize, before| at.checked_sub(before).filter(|at| *at < self.code.width());
        let module = inside(x, self.quiet_zone).zip(inside(y, self.above()));
        module.is_some_and(|at| self.code[at] == Module::Dark)
    }
}

/// A character for two modules. One that is all dark or all light has no glyph: fonts leave gaps
/// around theirs.
fn half(ink: Ink, [upper, lower]: [bool; 2], background: Half) -> (Style, &'static str) {
    let (letter, behind, glyph) = match background {
        Half::Lower => (upper, lower, "▀"),
        Half::Upper => (lower, upper, "▄"),
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
fn is_lit(background: Background, is_dark: bool) -> bool {
    is_dark == (background == Background::Light)
}

#[cfg(test)]
mod tests;
