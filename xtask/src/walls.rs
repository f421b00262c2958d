//! `cargo xtask walls`: what the design forbids (docs/design.md) and the compiler accepts.
//!
//! | module | rule |
//! |---|---|
//! | `dependencies` | the protocol depends on no I/O |
//! | `trust` | `SECURITY.md` names each library that a shipped crate depends on |
//! | `names` | one type name has one meaning |
//! | `circles` | no file imports its importer |
//! | `maps` | the documentation of a crate's root names every module |
//! | `threats` | the threat model has a row for each threat, and names tests that exist |
//! | `modules` | the modules of a crate, and which file a path leads to |
//! | `items` | the items of a module, and the paths in them |
//! | `tokens` | the words of a file |

mod circles;
mod dependencies;
mod items;
mod maps;
mod modules;
mod names;
mod sources;
mod threats;
mod tokens;
mod trust;

use std::{fs, path::Path};

use self::sources::{Sources, read};
use crate::run::TaskResult;

/// Where our source is. Files that are programs of their own (`examples`, `fuzz`) share no names.
const DIRECTORIES: [&str; 4] = ["crates", "bench/src", "interop/src", "xtask/src"];

/// What may be defined twice, and why.
const ALLOWED: &str = "xtask/type-names.txt";

/// Reports everything that is wrong, sorted.
pub(crate) fn walls() -> TaskResult {
    let mut sources = Sources::new();
    for directory in DIRECTORIES {
        read(Path::new(directory), &mut sources)?;
    }
    let allowed = text(ALLOWED)?;
    let mut findings = dependencies::check()?;
    findings.extend(trust::check()?);
    findings.extend(circles::check(&sources));
    findings.extend(maps::check(&sources));
    let threat_model = text(threats::THREAT_MODEL)?;
    findings.extend(threats::check(&threat_model, &sources));
    sources.retain(|path, _| !path.contains("/examples/") && !path.contains("/benches/"));
    findings.extend(names::check(&sources, &allowed));
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

fn text(path: &str) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{path}: {error}"))
}
