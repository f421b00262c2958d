//! The protocol stays free of I/O, the doctor needs no library that the device does not need, and a
//! device whose keys the caller holds needs no encryption store.

use std::collections::BTreeSet;

use crate::run::output;

/// Crates that the protocol must never reach, however indirectly (docs/design.md, "What a module
/// must never know").
const NOT_IN_PROTOCOL: [&str; 7] = [
    "tokio",
    "hyper",
    "reqwest",
    "axum",
    "rusqlite",
    "mio",
    "matrix-sdk-crypto",
];

/// What a device does not need whose keys the caller holds.
const NOT_WITHOUT_STORE: [&str; 3] = ["matrix-sdk-crypto", "matrix-sdk-sqlite", "libsqlite3-sys"];

pub(super) fn check() -> Result<Vec<String>, String> {
    let protocol = tree("matrix-qr-protocol")?;
    let (device, doctor) = (tree("matrix-qr-device")?, tree("matrix-qr-doctor")?);
    let of_both = exceeds(&dependencies(&doctor), &dependencies(&device));
    Ok([
        does_io(&dependencies(&protocol)),
        of_both,
        has_store(&dependencies(&device)),
    ]
    .concat())
}

/// What a package depends on with none of its optional features.
fn tree(package: &str) -> Result<String, String> {
    let options = [
        "--edges",
        "normal",
        "--prefix",
        "none",
        "--locked",
        "--no-default-features",
    ];
    let tree = output(&[&["tree", "--package", package], &options[..]].concat())?;
    match tree.lines().count() {
        0..10 => Err(format!("cargo tree did not list what {package} depends on")),
        _ => Ok(tree),
    }
}

/// The output of `cargo tree` has one crate per line: its name, then its version.
fn dependencies(tree: &str) -> BTreeSet<&str> {
    tree.lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect()
}

fn does_io(protocol: &BTreeSet<&str>) -> Vec<String> {
    let finding = |name| format!("dependency: the protocol depends on {name}, which does I/O");
    let forbidden = |name: &&&str| NOT_IN_PROTOCOL.contains(*name);
    protocol.iter().filter(forbidden).map(finding).collect()
}

fn has_store(device: &BTreeSet<&str>) -> Vec<String> {
    let finding =
        |name| format!("dependency: a device whose keys the caller holds depends on {name}");
    let forbidden = |name: &&&str| NOT_WITHOUT_STORE.contains(*name);
    device.iter().filter(forbidden).map(finding).collect()
}

fn exceeds(doctor: &BTreeSet<&str>, device: &BTreeSet<&str>) -> Vec<String> {
    let finding =
        |name| format!("dependency: the doctor depends on {name}, which the device does not need");
    doctor
        .difference(device)
        .filter(|name| **name != "matrix-qr-doctor")
        .map(finding)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_on_a_runtime_is_found() {
        let tree = "matrix-qr-protocol v0.1.0 (/x)\nsha2 v0.11.0\ntokio v1.1.1\ntokio v1.1.1 (*)";
        let wanted = "dependency: the protocol depends on tokio, which does I/O";
        assert_eq!(does_io(&dependencies(tree)), [wanted]);
        let none = "sha2 v0.11.0\ntokio-util-not v1.0.0";
        assert_eq!(does_io(&dependencies(none)), [""; 0]);
    }

    #[test]
    fn an_encryption_store_is_found() {
        let tree = "matrix-qr-device v0.1.0\nvodozemac v0.10.0\nmatrix-sdk-crypto v0.18.0";
        let wanted =
            "dependency: a device whose keys the caller holds depends on matrix-sdk-crypto";
        assert_eq!(has_store(&dependencies(tree)), [wanted]);
        assert_eq!(has_store(&dependencies("vodozemac v0.10.0")), [""; 0]);
    }

    #[test]
    fn a_library_that_only_the_doctor_needs_is_found() {
        let device = dependencies("matrix-qr-device v0.1.0\nurl v2.5.0");
        let doctor = dependencies("matrix-qr-doctor v0.1.0\nmatrix-qr-device v0.1.0\naxum v0.8.1");
        let wanted = "dependency: the doctor depends on axum, which the device does not need";
        assert_eq!(exceeds(&doctor, &device), [wanted]);
        assert_eq!(exceeds(&device, &device), [""; 0]);
    }
}
