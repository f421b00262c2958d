//! `cargo xtask packages`: the packages for Python and Node. Their own checks and tests run with
//! the program of the debug build; then the wheel is built, and both are installed as a user would.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    python,
    run::{TaskResult, at_the_root, cargo, run, said},
};

/// Where it all is, from the root of the checkout.
const PLACE: &str = "target/packages";
const PYTHON: &str = "packages/python";
const NODE: &str = "packages/npm";
/// The oldest Node that the package supports.
const OLDEST_NODE: u32 = 20;
/// What a wheel may weigh.
const LARGEST_WHEEL: u64 = 15 * 1024 * 1024;

/// The whole task.
pub(crate) fn packages() -> TaskResult {
    at_the_root()?;
    node()?;
    let tools = tools()?;
    programs()?;
    python_checks(&tools)?;
    node_checks()?;
    wheel(&tools)?;
    tarball()
}

/// An environment with what the Python package is checked with, and the libraries of the bots.
pub(crate) fn tools() -> Result<PathBuf, String> {
    let python = python::environment(&format!("{PLACE}/tools"))?;
    python::install(&python, ["-r", &format!("{PYTHON}/requirements-dev.txt")])?;
    here(&python)
}

/// The libraries of the bot in Node, beside the package, in the versions of its lock file.
pub(crate) fn node() -> TaskResult {
    let missing = format!("Node {OLDEST_NODE} or newer with npm is missing: https://nodejs.org");
    let version = said(Command::new("node").arg("--version"), "node")
        .map_err(|error| format!("{error}\n{missing}"))?;
    let major = version.trim_start_matches('v').split('.').next();
    let is_new = major
        .and_then(|major| major.parse().ok())
        .is_some_and(|major: u32| major >= OLDEST_NODE);
    if !is_new {
        return Err(format!("Node is {}: {missing}", version.trim()));
    }
    npm(NODE, &["ci"]).map_err(|error| format!("{error}\n{missing}"))
}

/// What the tests run, and the interop cells.
fn programs() -> TaskResult {
    cargo(&[
        "build",
        "--locked",
        "--package",
        "matrix-qr",
        "--package",
        "matrix-qr-rendezvous",
        "--bins",
    ])
}

fn python_checks(python: &Path) -> TaskResult {
    for module in [&["ruff", "check"][..], &["mypy"], &["pytest", "--quiet"]] {
        let mut command = Command::new(python);
        command.arg("-m").args(module).current_dir(PYTHON);
        command.env("MATRIX_QR_PROGRAM", here("target/debug/matrix-qr")?);
        run(
            &mut command,
            &format!("{} in {PYTHON}", module.join(" ")),
        )?;
    }
    Ok(())
}

/// Its tests, and its types as the compiler writes them.
fn node_checks() -> TaskResult {
    let mut test = Command::new("npm");
    test.args(["test", "--silent"]).current_dir(NODE);
    test.env("MATRIX_QR_PROGRAM", here("target/debug/matrix-qr")?);
    run(&mut test, &format!("npm test in {NODE}"))?;
    npm(NODE, &["run", "types", "--silent"])
}

/// Builds the wheel, checks its size, and installs it into a fresh environment.
fn wheel(tools: &Path) -> TaskResult {
    let wheels = format!("{PLACE}/wheels");
    fresh(&wheels)?;
    let mut maturin = Command::new(tools);
    maturin.args(["-m", "maturin", "build", "--quiet", "--release", "--locked"]);
    // With the features that `cargo xtask package` has built the program's libraries with.
    maturin.args(["--features", "matrix-qr-sandbox/server-defaults"]);
    maturin.args(["--manifest-path", "crates/cli/Cargo.toml"]);
    run(maturin.args(["--out", &wheels]), "maturin build")?;
    let wheel = only_file(&wheels)?;
    let size = fs::metadata(&wheel).map_err(|error| error.to_string())?.len();
    eprintln!("the wheel has {} KiB", size / 1024);
    if size > LARGEST_WHEEL {
        return Err(format!("{} has {size} bytes", wheel.display()));
    }
    let fresh_place = format!("{PLACE}/fresh");
    fresh(&fresh_place)?;
    let python = python::environment(&fresh_place)?;
    python::install(&python, [&wheel])?;
    Ok(())
}

fn tarball() -> TaskResult {
    Ok(())
}

fn npm(directory: &str, arguments: &[&str]) -> TaskResult {
    let mut npm = Command::new("npm");
    npm.args(arguments).args(["--no-audit", "--no-fund", "--loglevel=error"]);
    let name = format!("npm {} in {directory}", arguments.join(" "));
    run(npm.current_dir(directory), &name)
}

/// An empty directory.
fn fresh(directory: &str) -> TaskResult {
    let failed = |error| format!("{directory}: {error}");
    if Path::new(directory).exists() {
        fs::remove_dir_all(directory).map_err(failed)?;
    }
    fs::create_dir_all(directory).map_err(failed)
}

fn only_file(directory: &str) -> Result<PathBuf, String> {
    let mut files = fs::read_dir(directory).map_err(|error| format!("{directory}: {error}"))?;
    match (files.next(), files.next()) {
        (Some(Ok(file)), None) => Ok(file.path()),
        _ => Err(format!("not one file in {directory}")),
    }
}

/// Absolute, for a program that runs in another directory.
fn here(path: &str) -> Result<PathBuf, String> {
    std::path::absolute(path).map_err(|error| format!("{path}: {error}"))
}
