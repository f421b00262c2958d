//! The columns and rows that a text needs in a terminal. East Asian characters need two columns,
//! colours none.

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

/// The columns of a line.
pub(crate) fn width(line: &str) -> usize {
    anstream::adapter::strip_str(line).to_string().width()
}

/// The rows of a text in a terminal with this many columns, which wraps full lines.
pub(crate) fn rows(text: &str, columns: usize) -> usize {
    text.split('\n')
        .map(|line| width(line).div_ceil(columns.max(1)).max(1))
        .sum()
}

/// Wraps words into lines of at most this many columns. A longer word is split.
pub(crate) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        for piece in pieces(word, columns) {
            let last = lines.pop().unwrap_or_default();
            if last.is_empty() {
                lines.push(piece);
            } else if last.width() + 1 + piece.width() <= columns {
                lines.push(format!("{last} {piece}"));
            } else {
                lines.extend([last, piece]);
            }
        }
    }
    lines
}

fn pieces(word: &str, columns: usize) -> Vec<String> {
    let mut pieces = vec![String::new()];
    for letter in word.chars() {
        let full = |piece: &String| {
            piece.width() + letter.width().unwrap_or(0) > columns && !piece.is_empty()
        };
        if pieces.last().is_some_and(full) {
            pieces.push(String::new());
        }
        if let Some(piece) = pieces.last_mut() {
            piece.push(letter);
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_to_its_column() {
        assert_eq!(wrap("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrap("abcdefgh ij", 3), ["abc", "def", "gh", "ij"]);
        assert_eq!(wrap("漢字 かな", 5), ["漢字", "かな"]);
        assert_eq!(wrap("漢字かな", 5), ["漢字", "かな"]);
        assert_eq!(wrap("漢", 1), ["漢"]);
        assert_eq!(wrap("", 3), [""]);
    }

    #[test]
    fn a_text_takes_the_rows_that_the_terminal_breaks_it_into() {
        assert_eq!(rows("", 10), 1);
        assert_eq!(rows("0123456789", 10), 1);
        assert_eq!(rows("0123456789a\n", 10), 3);
        assert_eq!(rows("\u{1b}[1m0123456789\u{1b}[0m", 10), 1);
        assert_eq!(rows("漢字漢字漢字", 10), 2);
        assert_eq!(rows("0123456789", usize::MAX), 1);
    }
}
