//! Each crate that others build on, as crates.io would get it.

use std::{fs, path::PathBuf, process::Command};

use crate::{
    build::COMMAND,
    files::{copy, empty, read, write},
    run::{TaskResult, cargo, command, run},
};

/// Where cargo puts what it packs, from the root of the checkout.
const PACKED: &str = "target/package";
const UNPACKED: &str = "target/package/crates";

/// Packs all of them. From what is packed the command is built, which depends on all others. `cargo
/// package` itself would build each crate alone, and most of the libraries five times.
pub(crate) fn crates() -> TaskResult {
    for old in packed()? {
        fs::remove_file(&old).map_err(|error| format!("{}: {error}", old.display()))?;
    }
    let ours = ["--exclude", "xtask", "--exclude", "matrix-qr-bench"];
    let package = ["package", "--workspace", "--no-verify", "--locked"];
    cargo(&[&package[..], &["--allow-dirty", "--quiet"], &ours].concat())?;
    unpacked(&packed()?)?;
    let words = ["build", "--quiet", "--offline", "--package", COMMAND];
    let mut build = command(&words);
    build.current_dir(UNPACKED);
    run(
        build.env("CARGO_TARGET_DIR", "../.."),
        "cargo build of what is packed",
    )
}

fn packed() -> Result<Vec<PathBuf>, String> {
    let Ok(files) = fs::read_dir(PACKED) else {
        return Ok(vec![]);
    };
    let files = files.map(|file| file.map(|file| file.path()));
    let files: Result<Vec<_>, _> = files.collect();
    let mut files = files.map_err(|error| format!("{PACKED}: {error}"))?;
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "crate")
    });
    Ok(files)
}

/// A workspace of them, with the profiles and the lock file of ours: with others, the libraries that
/// are there would be built once more.
fn unpacked(crates: &[PathBuf]) -> TaskResult {
    empty(UNPACKED)?;
    let (mut members, mut patches) = (String::new(), String::new());
    for packed in crates {
        let mut tar = Command::new("tar");
        tar.arg("-xzf").arg(packed).args(["-C", UNPACKED]);
        run(&mut tar, "tar")?;
        let name = packed.file_stem().ok_or("a crate without a name")?;
        let directory = name.to_string_lossy();
        let package = directory.strip_suffix(concat!("-", env!("CARGO_PKG_VERSION")));
        let package = package.ok_or("a crate of another version")?;
        members.push_str(&format!("'{directory}',"));
        patches.push_str(&format!("{package} = {{ path = '{directory}' }}\n"));
    }
    let ours = read("Cargo.toml")?;
    let profiles = ours.find("[profile.").and_then(|start| ours.get(start..));
    let profiles = profiles.ok_or("Cargo.toml has no profiles")?;
    let manifest = format!(
        "[workspace]\nresolver = '3'\nmembers = [{members}]\n\n[patch.crates-io]\n{patches}\n{profiles}"
    );
    write(format!("{UNPACKED}/Cargo.toml"), &manifest)?;
    copy("Cargo.lock", UNPACKED).map(|_| ())
}
