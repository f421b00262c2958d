//! The protocol stays free of I/O.

use crate::run::output;

/// Crates that the protocol must never reach, however indirectly (docs/design.md, "What a room must
/// never know").
const NOT_IN_PROTOCOL: [&str; 7] = [
    "tokio",
    "hyper",
    "reqwest",
    "axum",
    "rusqlite",
    "mio",
    "matrix-sdk-crypto",
];

pub(super) fn check() -> Result<Vec<String>, String> {
    let package = ["--package", "matrix-qr-protocol"];
    let options = ["--edges", "normal", "--prefix", "none", "--locked"];
    let tree = output(&[&["tree"], &package[..], &options[..]].concat())?;
    if tree.lines().count() < 10 {
        return Err("cargo tree did not list what the protocol depends on".into());
    }
    Ok(forbidden(&tree))
}

/// `tree` has a crate a line: its name, then its version.
fn forbidden(tree: &str) -> Vec<String> {
    let mut names: Vec<_> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    names.retain(|name| NOT_IN_PROTOCOL.contains(name));
    names.sort_unstable();
    names.dedup();
    let finding = |name| format!("dependency: the protocol depends on {name}, which does I/O");
    names.into_iter().map(finding).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_on_a_runtime_is_found() {
        let tree = "matrix-qr-protocol v0.1.0 (/x)\nsha2 v0.11.0\ntokio v1.1.1\ntokio v1.1.1 (*)";
        let wanted = "dependency: the protocol depends on tokio, which does I/O";
        assert_eq!(forbidden(tree), [wanted]);
        assert_eq!(forbidden("sha2 v0.11.0\ntokio-util-not v1.0.0"), [""; 0]);
    }
}
