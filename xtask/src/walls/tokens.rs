//! Rust source as tokens: enough to see items and paths. Comments are left out.

/// A word, a literal, `::`, or one character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SourceToken<'a> {
    pub(super) text: &'a str,
    /// From 1.
    pub(super) line: usize,
}

pub(super) fn tokens(source: &str) -> Vec<SourceToken<'_>> {
    let (mut rest, mut line, mut tokens) = (source, 1, Vec::new());
    while !rest.is_empty() {
        let (text, after) = rest.split_at(length(rest));
        let skipped = text.starts_with(char::is_whitespace)
            || text.starts_with("//")
            || text.starts_with("/*");
        if !skipped {
            tokens.push(SourceToken { text, line });
        }
        line += text.matches('\n').count();
        rest = after;
    }
    tokens
}

/// Whether this is an identifier or a keyword.
pub(super) fn is_word(text: &str) -> bool {
    text.starts_with(|first: char| first.is_alphabetic() || first == '_') && !text.contains('"')
}

/// Of the token at the start, in bytes, and at least one character.
fn length(rest: &str) -> usize {
    let first = rest.chars().next().map_or(0, char::len_utf8);
    let whitespace = rest.len() - rest.trim_start().len();
    if whitespace > 0 {
        whitespace
    } else if rest.starts_with("//") {
        rest.find('\n').unwrap_or(rest.len())
    } else if rest.starts_with("/*") {
        comment(rest)
    } else if let Some(length) = string(rest) {
        length
    } else if let Some(after) = rest.strip_prefix('\'') {
        1 + character(after)
    } else if rest.starts_with("::") {
        2
    } else {
        word(rest).max(first)
    }
}

fn word(rest: &str) -> usize {
    rest.find(|next: char| !next.is_alphanumeric() && next != '_')
        .unwrap_or(rest.len())
}

/// A block comment, which may have others inside.
fn comment(rest: &str) -> usize {
    let (mut at, mut depth) = (0, 0);
    while let Some(tail) = rest.get(at..).filter(|tail| !tail.is_empty()) {
        if tail.starts_with("/*") {
            (at, depth) = (at + 2, depth + 1);
        } else if tail.starts_with("*/") {
            (at, depth) = (at + 2, depth - 1);
        } else {
            at += tail.chars().next().map_or(1, char::len_utf8);
        }
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// With its prefix, hashes and quotes.
fn string(rest: &str) -> Option<usize> {
    let open = rest.find('"')?;
    let (prefix, after) = (rest.get(..open)?, rest.get(open + 1..)?);
    let hashes = prefix.trim_start_matches(|letter: char| "brc".contains(letter));
    let letters = prefix.len() - hashes.len();
    if letters > 2 || !hashes.chars().all(|hash| hash == '#') {
        return None;
    }
    if prefix.contains('r') {
        let end = format!("\"{hashes}");
        let inside = after.find(&end).unwrap_or(after.len());
        return Some((open + 1 + inside + end.len()).min(rest.len()));
    }
    hashes.is_empty().then(|| open + 1 + until(after, '"'))
}

/// What follows the quote of a character or of a lifetime.
fn character(after: &str) -> usize {
    let first = after.chars().next().map_or(0, char::len_utf8);
    let is_literal = after.starts_with('\\')
        || after
            .get(first..)
            .is_some_and(|rest| rest.starts_with('\''));
    if is_literal {
        until(after, '\'')
    } else {
        word(after)
    }
}

/// Up to and including this, where no backslash escapes it.
fn until(text: &str, end: char) -> usize {
    let mut escaped = false;
    for (at, next) in text.char_indices() {
        if next == end && !escaped {
            return at + 1;
        }
        escaped = next == '\\' && !escaped;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_and_comments_hide_what_is_in_them() {
        let source = r##"
            a /* b /* c */ d */ ::e // f
            "g \" h" r#"i " j"# b'k' '\'' 'l: 'm' n<'o>
        "##;
        let texts: Vec<_> = tokens(source).iter().map(|token| token.text).collect();
        let wanted = [
            "a",
            "::",
            "e",
            "\"g \\\" h\"",
            "r#\"i \" j\"#",
            "b",
            "'k'",
            "'\\''",
            "'l",
            ":",
            "'m'",
            "n",
            "<",
            "'o",
            ">",
        ];
        assert_eq!(texts, wanted);
    }

    #[test]
    fn each_token_has_its_line() {
        let lines: Vec<_> = tokens("a\n/* b\n */ c\n\"d\ne\" f")
            .iter()
            .map(|token| token.line)
            .collect();
        assert_eq!(lines, [1, 3, 4, 5]);
    }
}
