//! How a terminal can show a QR code: in which size, characters and colours.

use std::{
    env,
    io::{IsTerminal as _, stderr, stdout},
    os::fd::AsFd,
};

use anstream::{AutoStream, ColorChoice, stream::RawStream};
use terminal_size::{Height, Width, terminal_size_of};

use crate::{
    args::{DrawingArgs, QrBackground, QrStyle},
    qr_picture::{Blocks, Ink},
};

/// The space for a drawing, in characters, and the means to draw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Canvas {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) blocks: Blocks,
    pub(crate) ink: Ink,
}

/// The canvas in the dialogue, on standard error.
pub(crate) fn dialogue_canvas(drawing: DrawingArgs) -> Canvas {
    canvas(&stderr(), drawing, stderr().is_terminal())
}

/// The canvas among the results, on standard output. That stream removes all styles where colours
/// are not wanted.
pub(crate) fn result_canvas() -> Canvas {
    canvas(&stdout(), DrawingArgs::default(), false)
}

/// If the stream is not a terminal, the size is not limited.
fn canvas(stream: &(impl RawStream + AsFd), drawing: DrawingArgs, reverses: bool) -> Canvas {
    let size = terminal_size_of(stream.as_fd());
    let (columns, rows) = size.map_or(
        (usize::MAX, usize::MAX),
        |(Width(columns), Height(rows))| (columns.into(), rows.into()),
    );
    let ink = match AutoStream::choice(stream) {
        ColorChoice::Never => colourless(reverses, drawing.qr_background, variable),
        _ => colours(variable),
    };
    Canvas {
        columns,
        rows,
        blocks: blocks(drawing.qr_style, variable),
        ink,
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn blocks(style: QrStyle, variable: impl Fn(&str) -> String) -> Blocks {
    match style {
        QrStyle::HalfBlocks => Blocks::Half,
        QrStyle::Ascii => Blocks::Ascii,
        QrStyle::Auto if is_utf8(variable) => Blocks::Half,
        QrStyle::Auto => Blocks::Ascii,
    }
}

/// POSIX: the first of these variables that is set and not empty names the character set. If there
/// is none, as in most containers, the terminal is probably UTF-8, as nearly all are.
fn is_utf8(variable: impl Fn(&str) -> String) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .map(variable)
        .into_iter()
        .find(|locale| !locale.is_empty());
    let names = |locale: String| {
        ["utf-8", "utf8"]
            .iter()
            .any(|name| locale.to_ascii_lowercase().contains(name))
    };
    locale.is_none_or(names)
}

/// GNU screen misreads the numbers of a true colour as other attributes, and passes COLORTERM on.
fn colours(variable: impl Fn(&str) -> String) -> Ink {
    let is_true = ["truecolor", "24bit"].contains(&variable("COLORTERM").as_str());
    if is_true && !variable("TERM").starts_with("screen") {
        Ink::TRUE_COLOURS
    } else {
        Ink::INDEXED_COLOURS
    }
}

/// Reverse video is not a colour. It is left out only if the terminal does not understand escape
/// sequences.
fn colourless(reverses: bool, background: QrBackground, variable: impl Fn(&str) -> String) -> Ink {
    if reverses && !is_dumb(variable) {
        Ink::Reversed(background)
    } else {
        Ink::Plain(background)
    }
}

fn is_dumb(variable: impl Fn(&str) -> String) -> bool {
    matches!(variable("TERM").as_str(), "" | "dumb")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set<'a>(variables: &'a [(&str, &str)]) -> impl Fn(&str) -> String + Copy + 'a {
        |name| {
            variables
                .iter()
                .find(|(set, _)| *set == name)
                .map_or(String::new(), |(_, value)| (*value).to_owned())
        }
    }

    #[test]
    fn the_locale_decides_over_the_characters_unless_the_person_does() {
        for (variables, expected) in [
            (&[][..], Blocks::Half),
            (&[("LANG", "en_US.UTF-8")], Blocks::Half),
            (&[("LANG", "de_DE.utf8")], Blocks::Half),
            (&[("LANG", "C.UTF-8"), ("LC_ALL", "C")], Blocks::Ascii),
            (
                &[("LANG", "C"), ("LC_CTYPE", "C.UTF-8"), ("LC_ALL", "")],
                Blocks::Half,
            ),
            (&[("LANG", "POSIX")], Blocks::Ascii),
            (&[("LANG", "de_DE")], Blocks::Ascii),
        ] {
            assert_eq!(
                blocks(QrStyle::Auto, set(variables)),
                expected,
                "{variables:?}"
            );
            assert_eq!(blocks(QrStyle::HalfBlocks, set(variables)), Blocks::Half);
            assert_eq!(blocks(QrStyle::Ascii, set(variables)), Blocks::Ascii);
        }
    }

    #[test]
    fn true_colours_are_used_where_they_are_understood() {
        for (variables, expected) in [
            (&[("TERM", "xterm-256color")][..], Ink::INDEXED_COLOURS),
            (
                &[("TERM", "xterm-256color"), ("COLORTERM", "truecolor")],
                Ink::TRUE_COLOURS,
            ),
            (
                &[("TERM", "xterm"), ("COLORTERM", "24bit")],
                Ink::TRUE_COLOURS,
            ),
            (
                &[
                    ("TERM", "screen.xterm-256color"),
                    ("COLORTERM", "truecolor"),
                ],
                Ink::INDEXED_COLOURS,
            ),
            (
                &[("TERM", "xterm"), ("COLORTERM", "yes")],
                Ink::INDEXED_COLOURS,
            ),
        ] {
            assert_eq!(colours(set(variables)), expected, "{variables:?}");
        }
    }

    #[test]
    fn without_colours_reverse_video_is_used_where_it_is_understood() {
        let light = QrBackground::Light;
        assert_eq!(
            colourless(true, light, set(&[("TERM", "xterm")])),
            Ink::Reversed(light)
        );
        assert_eq!(
            colourless(true, light, set(&[("TERM", "dumb")])),
            Ink::Plain(light)
        );
        assert_eq!(colourless(true, light, set(&[])), Ink::Plain(light));
        assert_eq!(
            colourless(false, light, set(&[("TERM", "xterm")])),
            Ink::Plain(light)
        );
    }
}
