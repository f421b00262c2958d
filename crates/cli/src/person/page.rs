//! What stands on the screen while a QR code is shown, and the drawing that leaves room for it.

use matrix_qr_protocol::qr::ShownCode;

use crate::{
    args::Background,
    measure::rows,
    output::{BAD, BOLD, DIM, paint},
    qr_picture::{Blocks, Drawing, Ink, drawings},
    qr_text,
    terminal::Room,
};

/// "The other device is here", and the question for the digits: they come in place of the line that
/// waits.
const ROWS_OF_THE_QUESTION: usize = 2;

/// A code that waits for its scanner.
pub(super) struct Shown {
    text: String,
    invitation: &'static str,
    drawings: Vec<Drawing>,
}

/// What is printed, from above.
pub(super) struct Page {
    /// The code as text comes first: it is what may leave the screen.
    pub(super) words: String,
    /// Nothing where there is not room enough; the words say so then.
    pub(super) drawing: Option<String>,
}

impl Shown {
    pub(super) fn new(code: &ShownCode, invitation: &'static str, blocks: Blocks) -> Self {
        Self {
            text: qr_text::encode(code),
            invitation,
            drawings: drawings(code.bytes(), blocks),
        }
    }

    /// The page for this room, with the line that waits below it.
    pub(super) fn page(&self, waiting: &str, room: Room) -> Page {
        let Some(smallest) = self.drawings.last() else {
            let words = join(&[
                &self.as_text(),
                &warning("the code is too long to be drawn."),
            ]);
            return Page {
                words,
                drawing: None,
            };
        };
        let drawing = self
            .best(waiting, room)
            .map(|drawing| drawing.text(room.ink));
        let below = if drawing.is_some() {
            join(&[&colourless(room.ink), &paint(BOLD, self.invitation)])
        } else {
            too_small(smallest, waiting, room)
        };
        Page {
            words: join(&[&self.as_text(), &below]),
            drawing,
        }
    }

    /// The best with which everything stays on the screen; else the best with the invitation, else
    /// with nothing but the line that waits.
    fn best(&self, waiting: &str, room: Room) -> Option<&Drawing> {
        let rows = |text: &str| rows(text, room.columns);
        let invitation = rows(self.invitation);
        let texts = join(&[&self.as_text(), &colourless(room.ink)]);
        let everything = rows(&texts) + invitation + rows(waiting).max(ROWS_OF_THE_QUESTION);
        let fits = |drawing: &Drawing, beside: usize| {
            drawing.columns() <= room.columns && drawing.rows() + beside <= room.rows
        };
        let beside = [everything, invitation + rows(waiting), rows(waiting)];
        beside
            .into_iter()
            .find_map(|beside| self.drawings.iter().find(|drawing| fits(drawing, beside)))
    }

    /// On a line of its own, to be copied.
    pub(super) fn as_text(&self) -> String {
        format!(
            "{}\n{}",
            paint(DIM, "Without a camera, give the other device this text:"),
            self.text
        )
    }
}

/// Whether it comes out dark on light is the theme's affair then.
fn colourless(ink: Ink) -> String {
    let (this, other, option) = match ink {
        Ink::Colours { .. } => return String::new(),
        Ink::Reversed(Background::Dark) | Ink::Plain(Background::Dark) => {
            ("dark", "light", "light")
        }
        Ink::Reversed(Background::Light) | Ink::Plain(Background::Light) => {
            ("light", "dark", "dark")
        }
    };
    paint(
        DIM,
        format_args!(
            "Drawn without colours, for a {this} background. On a {other} one: --qr-background {option}."
        ),
    )
}

/// The size that would do, exactly.
fn too_small(smallest: &Drawing, waiting: &str, room: Room) -> String {
    let columns = smallest.columns().max(room.columns);
    let lines = smallest.rows() + rows(waiting, columns);
    let ascii = match room.blocks {
        Blocks::Half => "",
        Blocks::Ascii => {
            " If it shows UTF-8 all the same, --qr-style half-blocks needs half of that."
        }
    };
    warning(&format!(
        "this window has {} columns and {} lines, and the code needs {columns} columns and {lines} lines. Make the \
         window larger or its letters smaller, and the code appears. Or use the text above, or begin again with --qr \
         FILE.png.{ascii}",
        room.columns, room.rows
    ))
}

fn warning(text: &str) -> String {
    format!("{} {text}", paint(BAD, "warning:"))
}

/// One below the other, without those that are empty.
fn join(texts: &[&str]) -> String {
    let texts: Vec<&str> = texts
        .iter()
        .copied()
        .filter(|text| !text.is_empty())
        .collect();
    texts.join("\n")
}

#[cfg(test)]
mod tests;
