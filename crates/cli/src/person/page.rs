//! The text on the screen next to a QR code, and the drawing that leaves enough space for it.

use matrix_qr_protocol::qr::ShownCode;

use crate::{
    args::QrBackground,
    measure::rows,
    output::{BAD, BOLD, DIM, paint},
    qr_picture::{Blocks, Drawing, Ink, drawings},
    terminal::Canvas,
};

/// "The other device has connected", and the question for the digits. They replace the waiting
/// line.
const ROWS_OF_THE_QUESTION: usize = 2;

/// A QR code that another device can scan.
pub(super) struct CodeToShow {
    text: String,
    invitation: &'static str,
    drawings: Vec<Drawing>,
}

/// The output, from top to bottom.
pub(super) struct CodePage {
    /// It starts with the code as text, which may scroll off the screen.
    pub(super) words: String,
    /// `None` if the canvas is too small; `words` says so then.
    pub(super) drawing: Option<String>,
}

impl CodeToShow {
    pub(super) fn new(code: &ShownCode, invitation: &'static str, blocks: Blocks) -> Self {
        Self {
            text: code.to_base64(),
            invitation,
            drawings: drawings(code.bytes(), blocks),
        }
    }

    /// The page for this canvas, with the waiting line below it.
    pub(super) fn page(&self, waiting: &str, canvas: Canvas) -> CodePage {
        let Some(smallest) = self.drawings.last() else {
            let words = join(&[
                &self.as_text(),
                &warning("the code is too long to be drawn."),
            ]);
            return CodePage {
                words,
                drawing: None,
            };
        };
        let drawing = self
            .best(waiting, canvas)
            .map(|drawing| drawing.text(canvas.ink));
        let below = if drawing.is_some() {
            join(&[&colourless(canvas.ink), &paint(BOLD, self.invitation)])
        } else {
            too_small(smallest, waiting, canvas)
        };
        CodePage {
            words: join(&[&self.as_text(), &below]),
            drawing,
        }
    }

    /// The best drawing that leaves space for everything; otherwise the best one for the
    /// invitation, otherwise for the waiting line only.
    fn best(&self, waiting: &str, canvas: Canvas) -> Option<&Drawing> {
        let rows = |text: &str| rows(text, canvas.columns);
        let invitation = rows(self.invitation);
        let texts = join(&[&self.as_text(), &colourless(canvas.ink)]);
        let everything = rows(&texts) + invitation + rows(waiting).max(ROWS_OF_THE_QUESTION);
        let fits = |drawing: &Drawing, beside: usize| {
            drawing.columns() <= canvas.columns && drawing.rows() + beside <= canvas.rows
        };
        let beside = [everything, invitation + rows(waiting), rows(waiting)];
        beside
            .into_iter()
            .find_map(|beside| self.drawings.iter().find(|drawing| fits(drawing, beside)))
    }

    /// The code as text, on a line of its own so that it can be copied.
    pub(super) fn as_text(&self) -> String {
        format!(
            "{}\n{}",
            paint(DIM, "If the other device has no camera, give it this text:"),
            self.text
        )
    }
}

/// The colour theme decides then whether the code is dark on light.
fn colourless(ink: Ink) -> String {
    let (this, other, option) = match ink {
        Ink::Colours { .. } => return String::new(),
        Ink::Reversed(QrBackground::Dark) | Ink::Plain(QrBackground::Dark) => {
            ("dark", "light", "light")
        }
        Ink::Reversed(QrBackground::Light) | Ink::Plain(QrBackground::Light) => {
            ("light", "dark", "dark")
        }
    };
    paint(
        DIM,
        format_args!(
            "Drawn without colours for a {this} background. \
             If it is {other}, use --qr-background {option}."
        ),
    )
}

/// The exact size that is needed.
fn too_small(smallest: &Drawing, waiting: &str, canvas: Canvas) -> String {
    let columns = smallest.columns().max(canvas.columns);
    let lines = smallest.rows() + rows(waiting, columns);
    let ascii = match canvas.blocks {
        Blocks::Half => "",
        Blocks::Ascii => {
            " If the terminal supports UTF-8, --qr-style half-blocks needs half the space."
        }
    };
    warning(&format!(
        "this window has {} columns and {} lines, but the code needs {columns} columns and {lines} \
         lines. Enlarge the window or reduce the font size, and the code appears. Or use the text \
         above, or start again with --qr FILE.png.{ascii}",
        canvas.columns, canvas.rows
    ))
}

fn warning(text: &str) -> String {
    format!("{} {text}", paint(BAD, "warning:"))
}

/// Joins the texts that are not empty with line breaks.
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
