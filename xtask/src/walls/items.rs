//! The items of a module, and the paths in them.

use super::tokens::{SourceToken, is_word};

/// What stands in a module: a type, a function, an import, another module.
#[derive(Debug)]
pub(super) struct Item<'a> {
    /// The keyword: `struct`, `use`, `mod`. Empty for the call of a macro.
    pub(super) kind: &'a str,
    pub(super) name: &'a str,
    /// Beyond its own module: `pub`, `pub(crate)`, `pub(super)`.
    pub(super) is_visible: bool,
    /// Only in tests (`#[cfg(test)]`).
    pub(super) is_test: bool,
    /// Of `#[path = "…"]`.
    pub(super) path: Option<&'a str>,
    /// All of it, from its keyword on.
    pub(super) tokens: &'a [SourceToken<'a>],
}

const KINDS: [&str; 11] = [
    "mod",
    "use",
    "struct",
    "enum",
    "union",
    "trait",
    "type",
    "fn",
    "impl",
    "static",
    "macro_rules",
];

/// Those that end with a semicolon, whatever braces they have.
const WITH_SEMICOLON: [&str; 4] = ["use", "type", "static", "const"];

impl<'a> Item<'a> {
    /// What is between the braces of `mod name { … }`. None for a module in a file of its own.
    pub(super) fn body(&self) -> Option<&'a [SourceToken<'a>]> {
        match self.tokens {
            [_, _, open, body @ .., _] if open.text == "{" => Some(body),
            _ => None,
        }
    }
}

/// The items at the outermost level of these tokens.
pub(super) fn items<'a>(mut tokens: &'a [SourceToken<'a>]) -> Vec<Item<'a>> {
    let mut items = Vec::new();
    while !tokens.is_empty() {
        let (attributes, after) = attributes(tokens);
        let (is_visible, after) = visibility(after);
        let (kind, name) = kind(after);
        let (item, after) = after.split_at(end(kind, after));
        if !item.is_empty() {
            let texts: Vec<_> = attributes.iter().map(|token| token.text).collect();
            items.push(Item {
                kind,
                name,
                is_visible,
                is_test: texts.windows(3).any(|found| found == ["cfg", "(", "test"]),
                path: texts.windows(3).find_map(|found| match found {
                    ["path", "=", path] => Some(path.trim_matches('"')),
                    _ => None,
                }),
                tokens: item,
            });
        }
        tokens = after;
    }
    items
}

fn attributes<'a>(tokens: &'a [SourceToken<'a>]) -> (&'a [SourceToken<'a>], &'a [SourceToken<'a>]) {
    let mut at = 0;
    while let Some([hash, rest @ ..]) = tokens.get(at..)
        && hash.text == "#"
    {
        let inner = usize::from(rest.first().is_some_and(|token| token.text == "!"));
        at += 1 + inner + group(rest.get(inner..).unwrap_or_default());
    }
    tokens.split_at(at)
}

fn visibility<'a>(tokens: &'a [SourceToken<'a>]) -> (bool, &'a [SourceToken<'a>]) {
    let [first, rest @ ..] = tokens else {
        return (false, tokens);
    };
    if first.text != "pub" {
        return (false, tokens);
    }
    let within = if rest.first().is_some_and(|token| token.text == "(") {
        group(rest)
    } else {
        0
    };
    (true, rest.get(within..).unwrap_or_default())
}

/// The keyword of the item, and its name.
fn kind<'a>(tokens: &'a [SourceToken<'a>]) -> (&'a str, &'a str) {
    for (at, token) in tokens.iter().enumerate() {
        let text = |further: usize| tokens.get(at + further).map_or("", |token| token.text);
        match token.text {
            "macro_rules" => return (token.text, text(2)),
            kind if KINDS.contains(&kind) => return (kind, text(1)),
            "const" if !["fn", "async", "unsafe", "extern"].contains(&text(1)) => {
                return ("const", text(1));
            }
            "async" | "unsafe" | "extern" | "const" => {}
            abi if abi.starts_with('"') => {}
            _ => break,
        }
    }
    ("", "")
}

/// How many tokens the item has.
fn end(kind: &str, tokens: &[SourceToken<'_>]) -> usize {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        match token.text {
            ";" => return at + 1,
            "{" if !WITH_SEMICOLON.contains(&kind) => {
                return at + group(tokens.get(at..).unwrap_or_default());
            }
            "(" | "[" | "{" => at += group(tokens.get(at..).unwrap_or_default()),
            _ => at += 1,
        }
    }
    tokens.len()
}

/// How many tokens are from this bracket to the one that closes it.
pub(super) fn group(tokens: &[SourceToken<'_>]) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// One name that an import or an expression reaches for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'a> {
    /// `crate::a::B` in three. A `*` comes last.
    pub(super) segments: Vec<&'a str>,
    /// By which the importing file knows it.
    pub(super) name: &'a str,
    pub(super) line: usize,
}

/// The paths of `a::{b::C, d::{self, E as F}}`, and how many tokens they take.
pub(super) fn paths<'a>(tokens: &'a [SourceToken<'a>]) -> (Vec<Path<'a>>, usize) {
    let mut found = Vec::new();
    let length = tree(&mut Vec::new(), tokens, &mut found);
    (found, length)
}

fn tree<'a>(
    prefix: &mut Vec<&'a str>,
    tokens: &'a [SourceToken<'a>],
    found: &mut Vec<Path<'a>>,
) -> usize {
    let (outer, mut at) = (prefix.len(), 0);
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    while is_word(text(at)) || text(at) == "*" {
        prefix.push(text(at));
        at += 1;
        if text(at) != "::" || !(is_word(text(at + 1)) || ["*", "{"].contains(&text(at + 1))) {
            break;
        }
        at += 1;
    }
    if text(at) == "{" {
        let length = group(tokens.get(at..).unwrap_or_default());
        let mut inner = tokens.get(at + 1..at + length - 1).unwrap_or_default();
        while !inner.is_empty() {
            let taken = tree(prefix, inner, found);
            inner = inner.get(taken.max(1)..).unwrap_or_default();
        }
        at += length;
    } else if let Some(line) = tokens.first().map(|token| token.line)
        && prefix.len() > outer
    {
        if prefix.len() > 1 && prefix.last() == Some(&"self") {
            prefix.pop();
        }
        let mut name = prefix.last().copied().unwrap_or_default();
        if text(at) == "as" {
            (name, at) = (text(at + 1), at + 2);
        }
        let segments = prefix.clone();
        found.push(Path {
            segments,
            name,
            line,
        });
    }
    prefix.truncate(outer);
    at
}

#[cfg(test)]
mod tests {
    use super::{super::tokens::tokens, *};

    #[test]
    fn items_end_where_they_end() {
        let source = "
            //! Words.
            #![allow(x)]
            pub(crate) struct A<'a>(&'a str);
            #[cfg(test)] mod tests { struct Hidden; }
            #[path = \"../b.rs\"] mod b;
            const fn c() -> [u8; 2] { [1, 2] }
            const D: [u8; 2] = { [1, 2] };
            pub use self::e::{F, g::*};
            impl H for I { type J = K; }
            call! { pub struct L; }
            pub(super) enum M { N }
        ";
        let tokens = tokens(source);
        let items = items(&tokens);
        let seen: Vec<_> = items
            .iter()
            .map(|item| (item.kind, item.name, item.is_visible))
            .collect();
        let wanted = [
            ("struct", "A", true),
            ("mod", "tests", false),
            ("mod", "b", false),
            ("fn", "c", false),
            ("const", "D", false),
            ("use", "self", true),
            ("impl", "H", false),
            ("", "", false),
            ("enum", "M", true),
        ];
        assert_eq!(seen, wanted);
        assert_eq!(items.iter().filter(|item| item.is_test).count(), 1);
        assert_eq!(items[2].path, Some("../b.rs"));
        assert_eq!(items[1].body().map(<[_]>::len), Some(3));
    }

    #[test]
    fn a_tree_of_imports_is_many_paths() {
        let tokens = tokens("a::{b::C, d::{self, E as F}, g::*}; h");
        let (found, length) = paths(&tokens);
        let seen: Vec<_> = found
            .iter()
            .map(|path| (path.segments.join("::"), path.name))
            .collect();
        let wanted = [
            ("a::b::C", "C"),
            ("a::d", "d"),
            ("a::d::E", "F"),
            ("a::g::*", "*"),
        ];
        assert_eq!(seen, wanted.map(|(path, name)| (path.to_owned(), name)));
        assert_eq!(tokens[length].text, ";");
    }
}
