//! What the other side wrote, made fit to be shown: it must not be able to drive a terminal or to
//! flood a log.

/// The longest text that is shown, in characters.
const MAX_SHOWN: usize = 100;

/// A piece of text that others wrote, for a sentence of ours: harmless, and not longer than a line.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut line: String = text.chars().take(MAX_SHOWN).map(safe).collect();
    if text.chars().nth(MAX_SHOWN).is_some() {
        line.push('…');
    }
    line
}

/// A whole text without the characters that drive a terminal or turn the text around.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars().map(safe).collect()
}

/// Whether a text can be an identifier that others made up: 1 to 255 characters of ASCII, without
/// spaces and control characters.
#[must_use]
pub fn is_identifier(text: &str) -> bool {
    (1..=255).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn safe(c: char) -> char {
    let turns_text_around =
        matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if c.is_control() || turns_text_around {
        '\u{fffd}'
    } else {
        c
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_peer_cannot_drive_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[2J\nb\u{202e}c"),
            "a\u{fffd}[2J\u{fffd}b\u{fffd}c"
        );
        assert_eq!(printable(&"x".repeat(101)).chars().count(), 101);
        assert_eq!(printable("Ünïcode/+"), "Ünïcode/+");
        assert_eq!(harmless("ours; as it is\u{1b}"), "ours; as it is\u{fffd}");
    }

    #[test]
    fn an_identifier_can_be_shown_as_it_is() {
        for good in ["A", "a/b+c=", "!~", &"x".repeat(255)] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in [
            "",
            "a b",
            "a\n",
            "\u{1b}[2J",
            "\u{7f}",
            "a\u{202e}b",
            "é",
            &"x".repeat(256),
        ] {
            assert!(!is_identifier(bad), "{bad:?}");
        }
    }
}
