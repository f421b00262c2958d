//! No file imports its importer, however indirectly.
//!
//! `mod child;` and `pub use self::child::…` are no imports: the parent only says where things are.
//! What a path names is looked for through `pub use`, so it is the file of the definition that is
//! imported. Tests may import what they test, and what tests it.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    items::{Item, paths},
    modules::{Crate, Module, imports, tokenized},
    sources::Sources,
    tokens::is_word,
};

/// From one file to another, and the names that are imported.
type Edges<'a> = BTreeMap<&'a str, BTreeMap<&'a str, BTreeSet<String>>>;

pub(super) fn check(sources: &Sources) -> Vec<String> {
    let tokens = tokenized(sources);
    let mut findings = Vec::new();
    for root in sources.keys().filter(|path| is_root(path)) {
        match Crate::load(root, &tokens) {
            Ok(modules) => findings.extend(circles(&edges(&modules))),
            Err(error) => findings.push(format!("circle: {error}")),
        }
    }
    findings
}

/// Of a library, of a program, or of a test.
fn is_root(path: &str) -> bool {
    let parts: Vec<_> = path.split('/').rev().collect();
    match parts.as_slice() {
        ["lib.rs" | "main.rs", "src", ..] | ["main.rs", _, "bin", "src", ..] => true,
        ["main.rs", _, "tests", ..] | [_, "tests", ..] => !parts.contains(&"src"),
        [_, "bin", "src", ..] => true,
        _ => false,
    }
}

fn edges<'a>(modules: &Crate<'a>) -> Edges<'a> {
    let mut edges = Edges::new();
    for module in modules.modules() {
        for item in module.items.iter().filter(|item| item.kind != "mod") {
            for path in reached(module, item) {
                let to = modules.file_of(module, &path.segments);
                if let Some(to) = to.filter(|to| *to != module.file) {
                    let names = edges.entry(module.file).or_default().entry(to).or_default();
                    names.insert(format!("{} (line {})", path.segments.join("::"), path.line));
                }
            }
        }
    }
    edges
}

/// The paths of an import, or of what a function names with its module.
fn reached<'a>(module: &Module<'a>, item: &Item<'a>) -> Vec<super::items::Path<'a>> {
    if item.kind == "use" {
        let mut paths = imports(item);
        paths.retain(|path| !item.is_visible || is_used(module, path.name));
        return paths;
    }
    let (mut found, mut at) = (Vec::new(), 0);
    let text = |at: usize| item.tokens.get(at).map_or("", |token| token.text);
    while at < item.tokens.len() {
        let starts = ["crate", "super", "self"].contains(&text(at)) || module.has_child(text(at));
        let follows = at > 0 && ["::", "in"].contains(&text(at - 1));
        if starts && !follows && text(at + 1) == "::" {
            let (paths, length) = paths(item.tokens.get(at..).unwrap_or_default());
            found.extend(paths);
            at += length;
        }
        at += 1;
    }
    found
}

/// Whether a module also needs what it passes on.
fn is_used(module: &Module<'_>, name: &str) -> bool {
    let others = module
        .items
        .iter()
        .filter(|item| !["use", "mod"].contains(&item.kind));
    let mut tokens = others.flat_map(|item| item.tokens);
    is_word(name) && tokens.any(|token| token.text == name)
}

/// Each group of files that all reach each other, with the imports inside.
fn circles(edges: &Edges<'_>) -> Vec<String> {
    let reach: BTreeMap<_, _> = edges
        .keys()
        .map(|from| (*from, reachable(edges, from)))
        .collect();
    let reaches = |from: &str, to: &str| reach.get(from).is_some_and(|files| files.contains(to));
    let mut findings = BTreeSet::new();
    for file in edges.keys().filter(|file| reaches(file, file)) {
        let group: Vec<_> = edges
            .keys()
            .filter(|other| reaches(file, other) && reaches(other, file))
            .collect();
        let mut text = format!("circle: {} files import each other:", group.len());
        for from in &group {
            let imports = edges.get(*from).into_iter().flatten();
            for (to, names) in imports.filter(|(to, _)| group.contains(to)) {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                text.push_str(&format!("\n    {from} -> {to}: {}", names.join(", ")));
            }
        }
        findings.insert(text);
    }
    findings.into_iter().collect()
}

fn reachable<'a>(edges: &Edges<'a>, from: &str) -> BTreeSet<&'a str> {
    let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
    while let Some(file) = next.pop() {
        for to in edges.get(file).into_iter().flat_map(BTreeMap::keys) {
            if seen.insert(*to) {
                next.push(to);
            }
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walls::sources::of;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        check(&of(files))
    }

    #[test]
    fn two_siblings_that_import_each_other_are_found() {
        let files = [
            ("a/src/lib.rs", "mod b; mod c; mod d;"),
            ("a/src/b.rs", "use crate::c::C; pub struct B;"),
            ("a/src/c.rs", "pub struct C(super::b::B);"),
            ("a/src/d.rs", "use crate::b::B;"),
        ];
        let wanted = "circle: 2 files import each other:
    a/src/b.rs -> a/src/c.rs: crate::c::C (line 1)
    a/src/c.rs -> a/src/b.rs: super::b::B (line 1)";
        assert_eq!(found(&files), [wanted]);
    }

    #[test]
    fn three_files_in_a_ring_are_one_finding() {
        let ring = [
            ("a/src/main.rs", "mod b; mod c; mod d;"),
            ("a/src/b.rs", "use crate::{c::f};"),
            ("a/src/c.rs", "fn f() { crate::d::g() }"),
            ("a/src/d.rs", "fn g() { use super::b; }"),
        ];
        let findings = found(&ring);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert!(findings[0].starts_with("circle: 3 files"), "{findings:?}");
    }

    #[test]
    fn a_parent_that_passes_its_child_on_is_no_circle() {
        let files = |parent: &str| {
            found(&[
                ("a/src/lib.rs", "mod b;"),
                ("a/src/b.rs", parent),
                ("a/src/b/c.rs", "use super::B; pub struct C;"),
            ])
        };
        let passed_on = "mod c; pub use self::c::C; pub struct B;";
        assert_eq!(files(passed_on), [""; 0]);
        for used in [
            "fn f(_: C) {}",
            "fn f() { c::f() }",
            "use self::c::f;",
            "use c::f;",
        ] {
            assert_eq!(files(&format!("{passed_on} {used}")).len(), 1, "{used}");
        }
    }

    #[test]
    fn what_is_passed_on_is_where_it_is_defined() {
        let files = [
            ("a/src/lib.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
            ("a/src/b.rs", "pub struct B;"),
            ("a/src/c.rs", "use crate::B; pub struct C;"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn tests_import_what_they_like() {
        let files = [
            ("a/src/lib.rs", "mod b; mod c; #[cfg(test)] mod tests;"),
            (
                "a/src/b.rs",
                "pub(in crate::c) fn f() {} #[cfg(test)] mod tests { use crate::c::C; }",
            ),
            ("a/src/c.rs", "use crate::b::f;"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn the_files_of_a_test_are_looked_at() {
        let files = [
            ("a/tests/it/main.rs", "mod b; mod c;"),
            ("a/tests/it/b.rs", "use crate::c::C;"),
            ("a/tests/it/c.rs", "use crate::b::B;"),
        ];
        assert_eq!(found(&files).len(), 1);
    }
}
