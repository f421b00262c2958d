//! The documentation of a crate's root has a table that names every module of the root.

use super::{items::items, sources::Sources, tokens::tokens};

pub(super) fn check(sources: &Sources) -> Vec<String> {
    sources
        .iter()
        .filter(|(path, _)| is_root_of_package(path, sources))
        .flat_map(|(path, text)| missing(path, text))
        .collect()
}

/// `lib.rs`, or `main.rs` where the package is a program only.
fn is_root_of_package(path: &str, sources: &Sources) -> bool {
    match path.strip_suffix("src/main.rs") {
        Some(package) => !sources.contains_key(&format!("{package}src/lib.rs")),
        None => path.ends_with("src/lib.rs"),
    }
}

fn missing(path: &str, text: &str) -> Vec<String> {
    let table: Vec<_> = text
        .lines()
        .filter(|line| line.starts_with("//! |"))
        .collect();
    let is_named = |module: &str| {
        let (whole, start) = (format!("`{module}`"), format!("`{module}::"));
        table
            .iter()
            .any(|row| row.contains(&whole) || row.contains(&start))
    };
    let tokens = tokens(text);
    let modules = items(&tokens)
        .into_iter()
        .filter(|item| item.kind == "mod" && !item.is_test);
    modules
        .filter(|item| !is_named(item.name))
        .map(|item| format!("map: {path} has no row for the module `{}`", item.name))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walls::sources::of;

    const ROOT: &str = "//! Words about `c`.
//!
//! | module | what it does |
//! |---|---|
//! | `a` | one thing |
//! | [`b::inner`] | another |

mod a;
pub mod b;
pub(crate) mod c;
#[cfg(test)]
mod tests;
";

    #[test]
    fn a_module_without_a_row_is_found() {
        let wanted = "map: crates/x/src/lib.rs has no row for the module `c`";
        let tree = [
            ("crates/x/src/lib.rs", ROOT),
            ("crates/x/src/main.rs", "mod own;"),
        ];
        assert_eq!(check(&of(&tree)), [wanted]);
    }

    #[test]
    fn a_program_without_a_library_has_a_map_too() {
        let tree = [
            ("tool/src/main.rs", "mod own;"),
            ("tool/src/own.rs", "mod inner;"),
        ];
        assert_eq!(
            check(&of(&tree)),
            ["map: tool/src/main.rs has no row for the module `own`"]
        );
    }
}
