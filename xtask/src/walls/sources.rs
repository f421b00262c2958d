//! What the checks read, and what they return.

use std::{collections::BTreeMap, fs, path::Path};

use crate::run::TaskResult;

/// The text of each file, by its path from the root of the checkout.
pub(super) type Sources = BTreeMap<String, String>;

/// Adds every Rust file below this directory.
pub(super) fn read(directory: &Path, sources: &mut Sources) -> TaskResult {
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

/// What a test writes as pairs of a path and a text.
#[cfg(test)]
pub(super) fn of(files: &[(&str, &str)]) -> Sources {
    let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
    files.iter().map(owned).collect()
}
