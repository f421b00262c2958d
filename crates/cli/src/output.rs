//! All output goes through here: results to standard output, the dialogue to standard error; with
//! `--json`, one object per line on standard output and nothing else.

use std::{
    fmt::Display,
    io::{self, Write as _},
    time::{Duration, Instant},
};

use anstyle::{AnsiColor, Effects, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use matrix_qr_page::words;
pub(crate) use matrix_qr_protocol::harmless;
use serde_json::{Value, json};

use crate::{args::ColorWhen, exit::Failure};

pub(crate) const BOLD: Style = Style::new().effects(Effects::BOLD);
pub(crate) const DIM: Style = Style::new().effects(Effects::DIMMED);
pub(crate) const GOOD: Style = AnsiColor::Green.on_default();
pub(crate) const BAD: Style = AnsiColor::Red.on_default().effects(Effects::BOLD);

/// A text in a style. The output stream removes the colours where they are not wanted.
pub(crate) fn paint(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Overrides what the environment (NO_COLOR, CLICOLOR_FORCE, the terminal) says.
pub(crate) fn use_colours(when: ColorWhen) {
    match when {
        ColorWhen::Auto => {}
        ColorWhen::Always => anstream::ColorChoice::Always.write_global(),
        ColorWhen::Never => anstream::ColorChoice::Never.write_global(),
    }
}

/// Prints for a person, or for a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Printer {
    Human,
    Json,
}

impl Printer {
    pub(crate) fn new(json: bool) -> Self {
        if json { Self::Json } else { Self::Human }
    }

    /// The result of the command: to standard output.
    pub(crate) fn result(self, text: impl Display, json: Value) {
        match self {
            Self::Human => line(anstream::stdout().lock(), text),
            Self::Json => line(anstream::stdout().lock(), json),
        }
    }

    /// A part of the dialogue with a person: to standard error.
    pub(crate) fn say(self, text: impl Display) {
        if self == Self::Human {
            line(anstream::stderr().lock(), text);
        }
    }

    /// An event for a script.
    pub(crate) fn event(self, json: Value) {
        if self == Self::Json {
            line(anstream::stdout().lock(), json);
        }
    }

    /// A problem that does not end the command.
    pub(crate) fn warn(self, what: &str) {
        self.say(format_args!(
            "{} {}.",
            paint(BAD, "warning:"),
            harmless(what)
        ));
        self.event(json!({ "event": "warning", "what": what }));
    }

    /// The first Ctrl-C was received.
    pub(crate) fn cancelling(self, what: &str) {
        self.say(format_args!("\n{what} Press Ctrl-C again to stop at once."));
        self.event(json!({ "event": "cancelling" }));
    }

    /// A question. The cursor stays behind it.
    pub(crate) fn prompt(self, text: impl Display) {
        if self == Self::Human {
            let mut stderr = anstream::stderr().lock();
            // Nobody reads the message if the terminal was closed.
            let _ = write!(stderr, "{text}").and_then(|()| stderr.flush());
        }
    }

    /// A drawing, with its own choice of colours or reverse video.
    pub(crate) fn draw(self, text: &str) {
        if self == Self::Human {
            line(io::stderr().lock(), text);
        }
    }

    /// Clears the screen, but not what has scrolled off it.
    pub(crate) fn erase(self) {
        if self == Self::Human && !target(false).is_hidden() {
            // Nobody reads the message if the terminal was closed.
            let _ = write!(io::stderr().lock(), "\x1b[H\x1b[2J");
        }
    }

    pub(crate) fn failure(self, failure: &Failure) {
        let cause = failure.cause.and_then(words::cause_name);
        self.say(format_args!(
            "{} {}",
            paint(BAD, "error:"),
            harmless(&failure.what)
        ));
        if let Some(cause) = cause {
            self.say(format_args!("  {} {cause}", paint(DIM, "cause:")));
        }
        self.say(format_args!(
            "  {} {}",
            paint(DIM, "what to do:"),
            harmless(&failure.advice)
        ));
        self.event(json!({
            "event": "error",
            "exit_code": failure.exit as u8,
            "what": failure.what,
            "side": cause,
            "advice": failure.advice,
        }));
    }

    /// A line that stays in place until it is dropped: what the program waits for, and the time
    /// left.
    pub(crate) fn waiting(self, text: impl Display, until: Option<Instant>) -> WaitingLine {
        let hidden = self == Self::Json;
        let bar = ProgressBar::with_draw_target(None, target(hidden));
        let left = move |_: &ProgressState, w: &mut dyn std::fmt::Write| {
            let _ = w.write_str(&until.map(time_left).unwrap_or_default());
        };
        if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {left}") {
            bar.set_style(style.with_key("left", left));
        }
        bar.set_message(text.to_string());
        if bar.is_hidden() {
            self.say(format_args!("{text}"));
        } else {
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        WaitingLine(bar)
    }
}

/// What such a line looks like on the screen. Where it cannot stay in place, the cursor moves below
/// it.
pub(crate) fn waiting_line(text: &str, until: Option<Instant>) -> String {
    if target(false).is_hidden() {
        format!("{text}\n")
    } else {
        format!("⠋ {text} {}", until.map(time_left).unwrap_or_default())
    }
}

/// A line that stays in place and disappears when this value is dropped.
#[derive(Debug)]
pub(crate) struct WaitingLine(ProgressBar);

impl Drop for WaitingLine {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

fn target(hidden: bool) -> ProgressDrawTarget {
    if hidden {
        ProgressDrawTarget::hidden()
    } else {
        ProgressDrawTarget::stderr()
    }
}

fn time_left(until: Instant) -> String {
    let seconds = until.saturating_duration_since(Instant::now()).as_secs();
    format!("({}:{:02} left)", seconds / 60, seconds % 60)
}

fn line(mut stream: impl io::Write, text: impl Display) {
    // The reader has closed the other end, so nobody would read the error.
    let _ = writeln!(stream, "{text}").and_then(|()| stream.flush());
}

/// A few characters in a box.
pub(crate) fn boxed(text: &str) -> String {
    let spaced: String = harmless(text).chars().flat_map(|c| [' ', c]).collect();
    let inner = format!(" {spaced}  ");
    let rule = "─".repeat(inner.chars().count());
    format!("    ┌{rule}┐\n    │{}│\n    └{rule}┘", paint(BOLD, inner))
}

/// A row of a table: a name and its value.
pub(crate) fn row(name: &str, value: &str) -> String {
    format!(
        "  {} {}",
        paint(DIM, format_args!("{name:<12}")),
        harmless(value)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_are_in_the_box_with_their_zero() {
        assert!(boxed("07").contains(" 0 7 "));
    }

    #[test]
    fn what_others_wrote_cannot_drive_the_terminal() {
        let long = "x".repeat(250);
        assert_eq!(harmless(&long), long);
        assert_eq!(
            harmless("a\u{1b}[2Jb\nc\u{202e}"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}"
        );
        assert!(boxed("A\u{1b}B").contains(" A \u{fffd} B "));
        assert!(row("name", "\u{9b}2J").ends_with("\u{fffd}2J"));
    }

    #[test]
    fn the_time_left_is_never_negative() {
        assert_eq!(time_left(Instant::now()), "(0:00 left)");
    }
}
