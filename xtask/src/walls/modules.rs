//! A crate as its modules: which file each one is in, what it declares, and what it passes on.

use std::collections::BTreeMap;

use super::{
    items::{Item, Path, items, paths},
    sources::Sources,
    tokens::{SourceToken, tokens},
};

/// The tokens of every file.
pub(super) type FileTokens<'a> = BTreeMap<&'a str, Vec<SourceToken<'a>>>;

/// A chain of `pub use` longer than this is a circle of its own.
const DEEPEST: usize = 20;

pub(super) fn tokenized(sources: &Sources) -> FileTokens<'_> {
    sources
        .iter()
        .map(|(path, text)| (path.as_str(), tokens(text)))
        .collect()
}

#[derive(Debug)]
pub(super) struct Module<'a> {
    pub(super) file: &'a str,
    /// From the root of the crate.
    path: Vec<&'a str>,
    /// Without what is for tests only.
    pub(super) items: Vec<Item<'a>>,
    children: Vec<&'a str>,
    /// What `pub use` lets others find here.
    passed_on: Vec<Path<'a>>,
}

/// The modules of one crate.
pub(super) struct Crate<'a>(Vec<Module<'a>>);

impl<'a> Crate<'a> {
    /// What follows from the file of the root. A module without its file is an error.
    pub(super) fn load(root: &'a str, tokens: &'a FileTokens<'a>) -> Result<Self, String> {
        let mut modules = Self(Vec::new());
        let body = tokens.get(root).map(Vec::as_slice).unwrap_or_default();
        modules.add(tokens, root, body, Vec::new(), parent(root))?;
        Ok(modules)
    }

    /// Adds one module and those below it. `body` is what it contains, `directory` has the files of
    /// those below.
    fn add(
        &mut self,
        tokens: &'a FileTokens<'a>,
        file: &'a str,
        body: &'a [SourceToken<'a>],
        path: Vec<&'a str>,
        directory: &str,
    ) -> Result<(), String> {
        let mut all = items(body);
        all.retain(|item| !item.is_test);
        for item in all.iter().filter(|item| item.kind == "mod") {
            let below = [path.as_slice(), &[item.name]].concat();
            let inside = format!("{directory}/{}", item.name);
            if let Some(body) = item.body() {
                self.add(tokens, file, body, below, &inside)?;
                continue;
            }
            let places = match item.path {
                Some(path) => vec![joined(parent(file), path)],
                None => vec![format!("{inside}.rs"), format!("{inside}/mod.rs")],
            };
            let found = places
                .iter()
                .find_map(|place| tokens.get_key_value(place.as_str()));
            let (place, body) =
                found.ok_or_else(|| format!("{file}: no file for mod {}", item.name))?;
            let directory = if item.path.is_some() {
                parent(place)
            } else {
                &inside
            };
            self.add(tokens, place, body, below, directory)?;
        }
        let uses = all
            .iter()
            .filter(|item| item.kind == "use" && item.is_visible);
        let passed_on = uses.flat_map(|item| imports(item)).collect();
        let modules = all.iter().filter(|item| item.kind == "mod");
        let children = modules.map(|item| item.name).collect();
        self.0.push(Module {
            file,
            path,
            items: all,
            children,
            passed_on,
        });
        Ok(())
    }

    pub(super) fn modules(&self) -> impl Iterator<Item = &Module<'a>> {
        self.0.iter()
    }

    /// The file that defines what this path names, seen from this module: `pub use` is followed.
    /// None if it is of another crate.
    pub(super) fn file_of(&self, from: &Module<'a>, segments: &[&'a str]) -> Option<&'a str> {
        self.resolve(from, segments, 0)
    }

    fn resolve(&self, from: &Module<'a>, segments: &[&'a str], depth: usize) -> Option<&'a str> {
        let (mut at, mut rest) = (from.path.clone(), segments);
        while let Some((first, after)) = rest.split_first() {
            match *first {
                "crate" => at.clear(),
                "self" => {}
                "super" => drop(at.pop()),
                _ => break,
            }
            rest = after;
        }
        let is_child = || {
            rest.first()
                .is_some_and(|first| from.children.contains(first))
        };
        if rest.len() == segments.len() && !is_child() {
            return None;
        }
        self.find(&at, rest, depth)
    }

    fn find(&self, at: &[&'a str], rest: &[&'a str], depth: usize) -> Option<&'a str> {
        let module = self.0.iter().find(|module| module.path == at)?;
        let Some((first, after)) = rest.split_first().filter(|_| depth < DEEPEST) else {
            return Some(module.file);
        };
        if module.children.contains(first) {
            return self.find(&[at, &[first]].concat(), after, depth + 1);
        }
        if module.defines(first) {
            return Some(module.file);
        }
        if let Some(path) = module.passed_on.iter().find(|path| path.name == *first) {
            return self.resolve(module, &[&path.segments, after].concat(), depth + 1);
        }
        let globs = module
            .passed_on
            .iter()
            .filter_map(|path| path.segments.strip_suffix(&["*"]));
        let mut found = globs.filter_map(|glob| {
            let file = self.resolve(module, &[glob, rest].concat(), depth + 1)?;
            let mut modules = self.0.iter().filter(|module| module.file == file);
            modules.any(|module| module.defines(first)).then_some(file)
        });
        found.next().or(Some(module.file))
    }
}

impl<'a> Module<'a> {
    fn defines(&self, name: &str) -> bool {
        self.items
            .iter()
            .any(|item| item.kind != "use" && item.name == name)
    }

    pub(super) fn has_child(&self, name: &str) -> bool {
        self.children.contains(&name)
    }
}

/// The paths of a `use`.
pub(super) fn imports<'a>(item: &Item<'a>) -> Vec<Path<'a>> {
    paths(item.tokens.get(1..).unwrap_or_default()).0
}

fn parent(file: &str) -> &str {
    file.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// A path of `#[path]`, from the directory of its file.
fn joined(directory: &str, path: &str) -> String {
    let mut parts: Vec<_> = directory.split('/').collect();
    for part in path.split('/') {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walls::sources::of;

    #[test]
    fn a_path_leads_to_the_file_of_the_definition() {
        let sources = of(&[
            (
                "a/src/lib.rs",
                "mod b; mod c { pub use super::b::*; } pub use b::{Inner as Outer, e};
                 #[path = \"../x/f.rs\"] mod f;",
            ),
            (
                "a/src/b.rs",
                "mod d; pub use self::d::Inner; pub mod e { pub struct E; }",
            ),
            ("a/src/b/d.rs", "pub struct Inner;"),
            ("a/x/f.rs", "struct F;"),
        ]);
        let tokens = tokenized(&sources);
        let modules = Crate::load("a/src/lib.rs", &tokens).unwrap();
        let d = modules
            .modules()
            .find(|module| module.file == "a/src/b/d.rs")
            .unwrap();
        for (path, wanted) in [
            ("crate::Outer", Some("a/src/b/d.rs")),
            ("crate::e::E", Some("a/src/b.rs")),
            ("super::Inner", Some("a/src/b/d.rs")),
            ("super::e", Some("a/src/b.rs")),
            ("crate::c::Inner", Some("a/src/b/d.rs")),
            ("crate::c::e::E", Some("a/src/b.rs")),
            ("crate::f::F", Some("a/x/f.rs")),
            ("crate::nothing", Some("a/src/lib.rs")),
            ("std::fmt", None),
        ] {
            let segments: Vec<_> = path.split("::").collect();
            assert_eq!(modules.file_of(d, &segments), wanted, "{path}");
        }
    }

    #[test]
    fn a_module_without_its_file_is_an_error() {
        let sources = of(&[("a/src/lib.rs", "mod gone;")]);
        let error = Crate::load("a/src/lib.rs", &tokenized(&sources)).err();
        assert_eq!(error.as_deref(), Some("a/src/lib.rs: no file for mod gone"));
    }
}
