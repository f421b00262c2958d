//! `cargo xtask interop`: our programs against implementations by others. Everything it needs goes
//! into `target/interop`.

use std::process::Command;

use crate::run::{TaskResult, at_the_root, cargo, run};

/// Its directory, from the root of the checkout.
const PLACE: &str = "target/interop";
/// The homeserver, from PyPI.
const SYNAPSE: &str = "matrix-synapse==1.163.*";

/// Installs, builds, runs. The arguments go to the driver (`--json`).
pub(crate) fn interop(arguments: &[String]) -> TaskResult {
    at_the_root()?;
    synapse()?;
    cargo(&[
        "build",
        "--locked",
        "--package",
        "matrix-qr",
        "--package",
        "matrix-qr-rendezvous",
        "--bins",
    ])?;
    peers()?;
    let mut driver = Command::new(format!("{PLACE}/debug/matrix-qr-interop"));
    driver.args([
        "--ours",
        "target/debug",
        "--theirs",
        &format!("{PLACE}/debug"),
    ]);
    driver.args([
        "--python",
        &format!("{PLACE}/venv/bin/python"),
        "--run",
        &format!("{PLACE}/run"),
    ]);
    run(driver.args(arguments), "the interop driver")
}

/// Makes a Python environment with Synapse, unless Synapse can be imported already.
fn synapse() -> TaskResult {
    let python = format!("{PLACE}/venv/bin/python");
    let there = Command::new(&python)
        .args(["-c", "import synapse"])
        .status()
        .is_ok_and(|status| status.success());
    if there {
        return Ok(());
    }
    let venv = format!("{PLACE}/venv");
    run(
        Command::new("python3").args(["-m", "venv", &venv]),
        "python3 -m venv",
    )
    .map_err(|error| format!("{error}; Synapse needs Python: apt-get install python3-venv"))?;
    run(
        Command::new(&python).args(["-m", "pip", "install", "--quiet", SYNAPSE]),
        "pip install matrix-synapse",
    )
}

/// `interop/` is a workspace of its own and has its own checks. matrix-sdk declares a newer Rust
/// than ours, but builds with ours.
fn peers() -> TaskResult {
    theirs(&["fmt", "--check"])?;
    theirs(&[
        "build",
        "--locked",
        "--ignore-rust-version",
        "--bins",
        "--examples",
    ])?;
    theirs(&[
        "clippy",
        "--locked",
        "--ignore-rust-version",
        "--all-targets",
        "--",
        "-D",
        "warnings",
    ])
}

fn theirs(arguments: &[&str]) -> TaskResult {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let name = format!("cargo {} in interop/", arguments.join(" "));
    run(cargo.args(arguments).current_dir("interop"), &name)
}
