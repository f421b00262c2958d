//! One type name, one meaning: a name that other files can see is defined in one file only.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    items::{Item, items},
    sources::Sources,
    tokens::{SourceToken, tokens},
};

const TYPES: [&str; 5] = ["struct", "enum", "union", "trait", "type"];

/// What is wrong. `allowed` has a line for each name that may be defined in several files:
/// `Name count: reason`.
pub(super) fn check(sources: &Sources, allowed: &str) -> Vec<String> {
    let mut places: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for (path, text) in sources {
        for name in visible(&tokens(text)) {
            places.entry(name).or_default().insert(path);
        }
    }
    places.retain(|_, files| files.len() > 1);
    let mut findings = Vec::new();
    let lines = allowed.lines().map(str::trim);
    for line in lines.filter(|line| !line.is_empty() && !line.starts_with('#')) {
        findings.extend(allow(line, &mut places));
    }
    findings.extend(places.iter().map(|(name, files)| {
        format!(
            "type name: {name} is defined in {} files: {}",
            files.len(),
            joined(files)
        )
    }));
    findings
}

/// Takes out what this line of the list allows. An entry that allows nothing is a mistake.
fn allow(line: &str, places: &mut BTreeMap<String, BTreeSet<&str>>) -> Option<String> {
    let wrong = |why: &str| {
        Some(format!(
            "type name: the list of allowed names: {line}: {why}"
        ))
    };
    let entry = line
        .split_once(": ")
        .filter(|(_, reason)| !reason.trim().is_empty());
    let Some((name, count)) = entry.and_then(|(entry, _)| entry.split_once(' ')) else {
        return wrong("not `Name count: reason`");
    };
    match places.get(name) {
        None => wrong("the name is not defined in several files"),
        Some(files) if files.len().to_string() == count => {
            places.remove(name);
            None
        }
        Some(files) => {
            let found = format!("defined in {} files: {}", files.len(), joined(files));
            places.remove(name);
            wrong(&found)
        }
    }
}

fn joined(files: &BTreeSet<&str>) -> String {
    files.iter().copied().collect::<Vec<_>>().join(", ")
}

/// The types that other files can see, modules inside the file included.
fn visible(tokens: &[SourceToken<'_>]) -> Vec<String> {
    let mut names = Vec::new();
    for item in items(tokens) {
        if is_type(&item) && item.is_visible {
            names.push(item.name.to_owned());
        }
        names.extend(
            item.body()
                .into_iter()
                .filter(|_| item.kind == "mod")
                .flat_map(visible),
        );
    }
    names
}

fn is_type(item: &Item<'_>) -> bool {
    TYPES.contains(&item.kind)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walls::sources::of;

    fn twice() -> Sources {
        of(&[
            (
                "crates/a/src/one.rs",
                "pub(crate) struct Session; struct Private;",
            ),
            (
                "crates/b/src/two.rs",
                "pub enum Session { A } struct Private;",
            ),
            (
                "crates/b/src/three.rs",
                "mod inner { pub(super) type Third = u8; }",
            ),
            (
                "crates/b/src/four.rs",
                "impl A for B { type Third = u8; } fn f() { struct Session; }",
            ),
        ])
    }

    #[test]
    fn a_name_in_two_files_is_found() {
        let wanted =
            "type name: Session is defined in 2 files: crates/a/src/one.rs, crates/b/src/two.rs";
        assert_eq!(check(&twice(), ""), [wanted]);
    }

    #[test]
    fn a_name_with_a_reason_may_be_in_so_many_files() {
        assert_eq!(
            check(&twice(), "# words\n\nSession 2: the word of RFC 1"),
            [""; 0]
        );
        let more = check(&twice(), "Session 3: the word of RFC 1");
        assert_eq!(more.len(), 1, "{more:?}");
        assert!(more[0].contains("defined in 2 files"), "{more:?}");
    }

    #[test]
    fn an_entry_without_use_or_reason_is_found() {
        let stale = check(&twice(), "Session 2: a reason\nThird 2: a reason");
        assert_eq!(stale.len(), 1, "{stale:?}");
        assert!(stale[0].contains("Third 2"), "{stale:?}");
        assert!(check(&twice(), "Session 2: ")[0].contains("not `Name count: reason`"));
    }
}
