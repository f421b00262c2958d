//! `cargo xtask packages`: the packages for Python and Node. Their own checks and tests run with
//! the program of the debug build; then the wheel is built as it is released, and both are installed
//! as a user would.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    build::{Build, BuildFlags, COMMAND, GLIBC_MINOR, PROGRAMS},
    files::{empty, here, is_small, read},
    python,
    run::{TaskResult, run, said},
    sbom,
};

/// Where it all is, from the root of the checkout.
const PLACE: &str = "target/packages";
const PYTHON: &str = "packages/python";
const NODE: &str = "packages/npm";

/// What a wheel may weigh, in bytes.
const LARGEST_WHEEL: u64 = 15_000_000;

/// The whole task.
pub(crate) fn packages() -> TaskResult {
    tests_and_tarball()?;
    released_wheel()
}

/// All but the wheel.
pub(crate) fn tests_and_tarball() -> TaskResult {
    node()?;
    let tools = tools()?;
    programs()?;
    python_checks(&tools)?;
    node_checks()?;
    tarball().map(|_| ())
}

/// The wheel as it is released: only that one says how large it is.
pub(crate) fn released_wheel() -> TaskResult {
    let build = Build::dist(&BuildFlags::of(".")?)?;
    wheel(&build).map(|_| ())
}

/// An environment with what the Python package is checked with, and the libraries of the bots.
pub(crate) fn tools() -> Result<PathBuf, String> {
    let python = python::environment(&format!("{PLACE}/tools"))?;
    let python = here(&python)?;
    python::install(&python, ["-r", &format!("{PYTHON}/requirements-dev.txt")])?;
    Ok(python)
}

/// The libraries of the bot in Node, beside the package, in the versions of its lock file.
pub(crate) fn node() -> TaskResult {
    let mut list = Command::new("npm");
    list.arg("ls").current_dir(NODE);
    if said(&mut list, "npm ls").is_ok() {
        return Ok(());
    }
    npm(NODE, &["ci"])
}

/// What the tests run, and the interop cells.
pub(crate) fn programs() -> TaskResult {
    Build::here().run(".", &PROGRAMS)
}

fn python_checks(python: &Path) -> TaskResult {
    for module in [&["ruff", "check"][..], &["mypy"], &["pytest", "--quiet"]] {
        let mut command = Command::new(python);
        command.arg("-m").args(module).current_dir(PYTHON);
        command.env("MATRIX_QR_PROGRAM", here("target/debug/matrix-qr")?);
        run(&mut command, &format!("{} in {PYTHON}", module.join(" ")))?;
    }
    Ok(())
}

/// Its tests, and its types, which must be those that the compiler writes.
fn node_checks() -> TaskResult {
    let mut test = Command::new("npm");
    test.args(["test", "--silent"]).current_dir(NODE);
    test.env("MATRIX_QR_PROGRAM", here("target/debug/matrix-qr")?);
    run(&mut test, &format!("npm test in {NODE}"))?;
    let types = format!("{NODE}/types");
    let before = texts(&types)?;
    npm(NODE, &["run", "types", "--silent"])?;
    if texts(&types)? == before {
        Ok(())
    } else {
        Err(format!(
            "{types} was out of date, and is not any more: commit it"
        ))
    }
}

/// Builds the wheel, and installs it into a fresh environment. There the README's lines run.
pub(crate) fn wheel(build: &Build) -> Result<PathBuf, String> {
    let wheels = format!("{PLACE}/wheels");
    empty(&wheels)?;
    let mut maturin = build.in_environment(Command::new(here(Build::tools()?)?));
    maturin.args(["-m", "maturin", "build", "--quiet", "--locked", "--strip"]);
    maturin.args(["--profile", build.profile(COMMAND)]);
    let target = build.target.as_deref().ok_or("a wheel is for others")?;
    maturin.args(["--zig", "--target", target]);
    maturin.args(["--compatibility", &format!("manylinux_2_{GLIBC_MINOR}")]);
    let sbom = sbom::write(COMMAND, build)?;
    maturin.arg("--sbom-include").arg(here(&sbom)?);
    maturin.arg("--out").arg(here(&wheels)?);
    run(maturin.current_dir(PYTHON), "maturin build")?;
    let wheel = only_file(&wheels)?;
    is_small(&wheel, LARGEST_WHEEL)?;
    let fresh = format!("{PLACE}/fresh");
    empty(&fresh)?;
    let python = here(&python::environment(&fresh)?)?;
    python::install(&python, [&wheel])?;
    listed(&wheel, &python.with_file_name("matrix-qr"))?;
    let requirements = read(format!("{PYTHON}/requirements-dev.txt"))?;
    let of_tests = |line: &&str| line.starts_with("pytest") || line.starts_with("jsonschema");
    python::install(&python, requirements.lines().filter(of_tests))?;
    let mut lines = Command::new(&python);
    lines.args(["-m", "pytest", "--quiet", "tests/test_readme.py"]);
    // Not the source beside it.
    lines.args(["--override-ini", "pythonpath="]);
    lines.env("MATRIX_QR_PROGRAM", python.with_file_name("matrix-qr"));
    run(
        lines.current_dir(PYTHON),
        "the README's lines with the wheel",
    )?;
    Ok(wheel)
}

/// The wheel's list of what is linked: one, and a good one.
fn listed(wheel: &Path, program: &Path) -> TaskResult {
    let script = "import sys, zipfile
wheel = zipfile.ZipFile(sys.argv[1])
[name] = [name for name in wheel.namelist() if '/sboms/' in name]
sys.stdout.write(wheel.read(name).decode())";
    let mut python = Command::new("python3");
    python.args(["-c", script]).arg(wheel);
    let list = said(&mut python, "the wheel's SBOM")?;
    sbom::checked(&list, program)
}

/// The accessibility checker of the page's tests.
pub(crate) fn accessibility_checker() -> TaskResult {
    npm(
        "crates/cli/tests/web",
        &["ci", "--ignore-scripts", "--silent"],
    )
}

/// Installs the Node package as npm packs it, and imports it.
pub(crate) fn tarball() -> Result<PathBuf, String> {
    let place = format!("{PLACE}/node");
    empty(&place)?;
    let destination = here(&place)?.display().to_string();
    // Its types have just been checked.
    npm(
        NODE,
        &[
            "pack",
            "--ignore-scripts",
            "--pack-destination",
            &destination,
        ],
    )?;
    let tarball = here(only_file(&place)?)?;
    npm(&place, &["install", &tarball.display().to_string()])?;
    let import = "import { signIn, Session } from 'matrix-qr'; new Session('x'); signIn.call";
    let mut node = Command::new("node");
    node.args(["--input-type=module", "--eval", import]);
    run(
        node.current_dir(&place),
        "the import of the installed package",
    )?;
    Ok(tarball)
}

fn npm(directory: &str, arguments: &[&str]) -> TaskResult {
    let mut npm = Command::new("npm");
    npm.args(arguments)
        .args(["--no-audit", "--no-fund", "--loglevel=error"]);
    let name = format!("npm {} in {directory}", arguments.join(" "));
    run(npm.current_dir(directory), &name)
}

fn only_file(directory: &str) -> Result<PathBuf, String> {
    let mut files = fs::read_dir(directory).map_err(|error| format!("{directory}: {error}"))?;
    match (files.next(), files.next()) {
        (Some(Ok(file)), None) => Ok(file.path()),
        _ => Err(format!("not one file in {directory}")),
    }
}

/// The texts of a directory's files, by name.
fn texts(directory: &str) -> Result<BTreeMap<PathBuf, String>, String> {
    let files = fs::read_dir(directory).map_err(|error| format!("{directory}: {error}"))?;
    files
        .map(|file| {
            let path = file.map_err(|error| error.to_string())?.path();
            let text = read(&path)?;
            Ok((path, text))
        })
        .collect()
}
