//! What a terminal can show of a QR code: how much, in which characters, and in which colours.

use std::{
    env,
    io::{IsTerminal as _, stderr, stdout},
    os::fd::AsFd,
};

use anstream::{AutoStream, ColorChoice, stream::RawStream};
use terminal_size::{Height, Width, terminal_size_of};

use crate::{
    args::{Background, Look, Style},
    qr_picture::{Blocks, Ink},
};

/// The room for a drawing, in characters, and what it can be drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Room {
    pub(crate) columns: usize,
    pub(crate) rows: usize,
    pub(crate) blocks: Blocks,
    pub(crate) ink: Ink,
}

/// The room in the dialogue.
pub(crate) fn dialogue_room(look: Look) -> Room {
    room(&stderr(), look, stderr().is_terminal())
}

/// The room among the results. They are printed through a stream that takes all styles out where
/// colours are not wanted.
pub(crate) fn result_room() -> Room {
    room(&stdout(), Look::default(), false)
}

/// What is no terminal has no edges.
fn room(stream: &(impl RawStream + AsFd), look: Look, reverses: bool) -> Room {
    let size = terminal_size_of(stream.as_fd());
    let (columns, rows) = size.map_or(
        (usize::MAX, usize::MAX),
        |(Width(columns), Height(rows))| (columns.into(), rows.into()),
    );
    let ink = match AutoStream::choice(stream) {
        ColorChoice::Never => colourless(reverses, look.qr_background, variable),
        _ => colours(variable),
    };
    Room {
        columns,
        rows,
        blocks: blocks(look.qr_style, variable),
        ink,
    }
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_default()
}

fn blocks(style: Style, variable: impl Fn(&str) -> String) -> Blocks {
    match style {
        Style::HalfBlocks => Blocks::Half,
        Style::Ascii => Blocks::Ascii,
        Style::Auto if is_utf8(variable) => Blocks::Half,
        Style::Auto => Blocks::Ascii,
    }
}

/// POSIX: the first of these that is set and not empty names the characters. Where none does, as in
/// most containers, nothing is known of the terminal, and nearly all are UTF-8.
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

/// GNU screen takes the numbers of a true colour for other attributes, and hands COLORTERM on.
fn colours(variable: impl Fn(&str) -> String) -> Ink {
    let is_true = ["truecolor", "24bit"].contains(&variable("COLORTERM").as_str());
    if is_true && !variable("TERM").starts_with("screen") {
        Ink::TRUE_COLOURS
    } else {
        Ink::INDEXED_COLOURS
    }
}

/// Reverse video is no colour: it is left out only where escape sequences are not understood.
fn colourless(reverses: bool, background: Background, variable: impl Fn(&str) -> String) -> Ink {
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
                blocks(Style::Auto, set(variables)),
                expected,
                "{variables:?}"
            );
            assert_eq!(blocks(Style::HalfBlocks, set(variables)), Blocks::Half);
            assert_eq!(blocks(Style::Ascii, set(variables)), Blocks::Ascii);
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
        let light = Background::Light;
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
