//! `cargo xtask interop`: our programs against implementations by others. What it needs goes into
//! `target/interop`; the libraries of the bots are those that `packages` installs.

use std::{path::PathBuf, process::Command};

use crate::{
    packages, python,
    run::{TaskResult, command, run},
};

/// Its directory, from the root of the checkout.
const PLACE: &str = "target/interop";
/// The homeserver, from PyPI.
const SYNAPSE: &str = "matrix-synapse==1.163.*";

/// Installs, builds, runs. The arguments go to the driver (`--json`, `--only`).
pub(crate) fn interop(arguments: &[String]) -> TaskResult {
    let (synapse, bots) = others()?;
    packages::programs()?;
    let mut driver = Command::new("target/debug/matrix-qr-interop");
    driver.args(["--ours", "target/debug", "--theirs", "target/debug"]);
    driver.args(["--python", &synapse, "--run", &format!("{PLACE}/run")]);
    driver.arg("--bots").arg(bots);
    run(driver.args(arguments), "the interop driver")
}

/// What others wrote: the Python that has Synapse, and the one that has the libraries of the bots. It is
/// built beside the tests, so it replaces no program that they run.
pub(crate) fn others() -> Result<(String, PathBuf), String> {
    let synapse = synapse()?;
    let bots = packages::tools()?;
    packages::node()?;
    peers()?;
    Ok((synapse, bots))
}

/// An environment with Synapse.
fn synapse() -> Result<String, String> {
    let python = python::environment(&format!("{PLACE}/venv"))?;
    let there = Command::new(&python)
        .args(["-c", "import synapse"])
        .status()
        .is_ok_and(|status| status.success());
    if !there {
        python::install(&python, [SYNAPSE])?;
    }
    Ok(python)
}

/// `interop/` is a workspace of its own and has its own checks. matrix-sdk declares a newer Rust
/// than ours, but builds with ours. Its lints are those of the build: `cargo clippy` would check
/// every library of theirs once more.
fn peers() -> TaskResult {
    theirs(&mut command(&["fmt", "--check"]), "cargo fmt")?;
    let options = ["--locked", "--ignore-rust-version", "--bins", "--examples"];
    let mut build = command(&[&["build"], &options[..]].concat());
    build.env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver");
    theirs(&mut build, "cargo build")
}

fn theirs(cargo: &mut Command, name: &str) -> TaskResult {
    run(cargo.current_dir("interop"), &format!("{name} in interop/"))
}
