//! `SECURITY.md` says what is known of each library that a shipped crate depends on.

use std::{collections::BTreeSet, fs};

use crate::run::output;

const PAGE: &str = "SECURITY.md";
const SECTION: &str = "## What we trust";
/// Each directory here is a shipped crate.
const CRATES: &str = "crates";

pub(super) fn check() -> Result<Vec<String>, String> {
    let page = fs::read_to_string(PAGE).map_err(|error| format!("{PAGE}: {error}"))?;
    let mut trees = Vec::new();
    for entry in fs::read_dir(CRATES).map_err(|error| format!("{CRATES}: {error}"))? {
        let directory = entry.map_err(|error| error.to_string())?.path();
        let name = directory.display().to_string();
        trees.push(tree(&format!("{name}/Cargo.toml"))?);
    }
    let direct = trees.iter().flat_map(|tree| direct(tree)).collect();
    Ok(compare(&direct, &trusted(&page)))
}

/// On every platform and with every feature.
fn tree(manifest: &str) -> Result<String, String> {
    let options = "--depth 1 --edges normal --prefix depth --all-features --target all --locked";
    let options: Vec<_> = options.split(' ').collect();
    output(&[&["tree", "--manifest-path", manifest], &options[..]].concat())
}

/// What is in the first column of the section's table, except the names of groups.
fn trusted(page: &str) -> BTreeSet<&str> {
    let section = page.split_once(SECTION).map_or("", |(_, section)| section);
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| "));
    rows.filter_map(|row| row.split(" |").next())
        .filter(|names| *names != "Libraries" && !names.starts_with("**"))
        .flat_map(|names| names.split(", "))
        .collect()
}

/// A line is the depth and the name, then the version, then the directory if it is our own.
fn direct(tree: &str) -> BTreeSet<&str> {
    let others = tree.lines().filter(|line| !line.contains(" (/"));
    others
        .filter_map(|line| line.strip_prefix('1')?.split_whitespace().next())
        .collect()
}

fn compare(direct: &BTreeSet<&str>, trusted: &BTreeSet<&str>) -> Vec<String> {
    let missing = direct.difference(trusted).map(|name| {
        format!("trust: {PAGE} does not say who maintains {name}, and what it can see")
    });
    let stale = trusted
        .difference(direct)
        .map(|name| format!("trust: {PAGE} names {name}, which no shipped crate depends on"));
    missing.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "## Before\n| x | y |\n## What we trust\n\n| Libraries | By |\n|---|---|\n| **Group** | |\n\
         | serde, url | a |\n| tokio | b |\n\n## After\n| z | y |\n";
    const TREE: &str = "0our v0.1.0 (/x/crates/our)\n1serde v1.0.1\n1other v0.1.0 (/x/crates/other)\n1tokio v1.2.3\n";

    #[test]
    fn the_first_column_is_compared_with_what_crates_name() {
        let (direct, trusted) = (direct(TREE), trusted(PAGE));
        assert_eq!(direct, BTreeSet::from(["serde", "tokio"]));
        assert_eq!(trusted, BTreeSet::from(["serde", "tokio", "url"]));
        assert_eq!(
            compare(&direct, &trusted),
            ["trust: SECURITY.md names url, which no shipped crate depends on"]
        );
        assert_eq!(
            compare(&trusted, &direct),
            ["trust: SECURITY.md does not say who maintains url, and what it can see"]
        );
    }
}
