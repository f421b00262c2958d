//! `cargo xtask walls`: what the compiler lets pass and the design forbids (docs/design.md). The
//! protocol depends on no I/O; one type name has one meaning; no file imports its importer; the map
//! of a crate has every module.

mod circles;
mod dependencies;
mod items;
mod maps;
mod modules;
mod names;
mod tokens;

use std::{collections::BTreeMap, fs, path::Path};

use crate::run::{Outcome, at_the_root};

/// One sentence, with its kind at the start.
type Finding = String;

/// The text of each file, by its path from the root of the checkout.
type Sources = BTreeMap<String, String>;

/// Where our source is. What runs by itself (`examples`, `fuzz`) shares no names with the rest.
const DIRECTORIES: [&str; 4] = ["crates", "bench/src", "interop/src", "xtask/src"];

/// What may be defined twice, and why.
const ALLOWED: &str = "xtask/type-names.txt";

/// All that is wrong, sorted.
pub(crate) fn walls() -> Outcome {
    at_the_root()?;
    let mut sources = Sources::new();
    for directory in DIRECTORIES {
        read(Path::new(directory), &mut sources)?;
    }
    sources.retain(|path, _| !path.contains("/examples/") && !path.contains("/benches/"));
    let allowed = fs::read_to_string(ALLOWED).map_err(|error| format!("{ALLOWED}: {error}"))?;
    let mut findings = dependencies::check()?;
    findings.extend(names::check(&sources, &allowed));
    findings.extend(circles::check(&sources));
    findings.extend(maps::check(&sources));
    findings.sort();
    if findings.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} findings:\n{}",
        findings.len(),
        findings.join("\n")
    ))
}

/// Every Rust file below this directory.
fn read(directory: &Path, sources: &mut Sources) -> Outcome {
    let failed = |error| format!("{}: {error}", directory.display());
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.is_dir() {
            read(&path, sources)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).map_err(failed)?;
            sources.insert(path.to_string_lossy().into_owned(), text);
        }
    }
    Ok(())
}

#[cfg(test)]
fn sources(files: &[(&str, &str)]) -> Sources {
    files
        .iter()
        .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
        .collect()
}
