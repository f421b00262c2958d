//! `cargo xtask test` runs everything that the project can check on one machine, `cargo xtask
//! bench` what it can measure.
//!
//! | module | task |
//! |---|---|
//! | `walls` | type names, import circles, module maps, and what the protocol depends on |
//! | `advisories` | known vulnerabilities of dependencies |
//! | `package` | builds, installs, starts and removes the Debian packages |
//! | `packages` | checks the packages for Python and Node, builds them, and installs them |
//! | `interop` | runs our programs against Synapse and matrix-sdk |
//! | `pictures` | compares what we read of photographed QR codes with what zxing-cpp reads |
//! | `fuzz` | fuzzes whatever reads bytes from outside |
//! | `bench` | measures the rendezvous server |
//! | `reproducible` | builds the rendezvous server twice, and compares |
//! | `sbom` | what is linked into a program, as a list in its packages |
//! | `python` | Python environments |
//! | `run` | what all of them need: other programs, from the root of the checkout |
#![allow(clippy::print_stderr, reason = "it says what runs and what is missing")]

mod advisories;
mod bench;
mod fuzz;
mod interop;
mod package;
mod packages;
mod pictures;
mod python;
mod reproducible;
mod run;
mod sbom;
mod walls;

use std::{
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

use crate::run::{TaskResult, at_the_root, cargo, command, run};

const USAGE: &str = "\
  cargo xtask test             formatting, lints, spelling, walls, dependencies, documentation, every test, the packages, interop, fuzzing
  cargo xtask walls            type names, import circles, module maps, what the protocol depends on
  cargo xtask advisories       known vulnerabilities in Cargo.lock; needs github.com
  cargo xtask interop [--json] [--only synapse|delegated|proxied|bots|LIBRARY]
                               our programs against Synapse, matrix-sdk and the bots' libraries, which go into target/interop
  cargo xtask package          installs the Debian packages into target/package and starts the server there; checks the container files
  cargo xtask packages         the packages for Python and Node: their checks and tests, the wheel, and both installed
  cargo xtask fuzz [SECONDS] [TARGET..]
                               fuzz targets, each for a minute, from the corpus in fuzz/corpus
  cargo xtask pictures         photographs of QR codes: how many we read, and how many zxing-cpp reads
  cargo xtask reproducible     the rendezvous server, built twice in two directories: the same program?
  cargo xtask bench [--json] [--quick] [rates|memory|million|flood|slow|waiters|redis|instances|sign-in ..]
                               the rendezvous server: its rates relative to a bare axum server, and its other targets";

/// What the tests need besides Rust, and the Debian package that has it.
const NEEDED: [(&str, &str); 15] = [
    ("/usr/bin/chromium", "apt-get install chromium"),
    ("/usr/bin/chromedriver", "apt-get install chromium-driver"),
    ("/usr/sbin/nginx", "apt-get install nginx-light"),
    ("/usr/sbin/apache2", "apt-get install apache2"),
    ("/usr/bin/caddy", "apt-get install caddy"),
    ("/usr/sbin/haproxy", "apt-get install haproxy"),
    ("/usr/sbin/varnishd", "apt-get install varnish"),
    ("/usr/bin/redis-server", "apt-get install redis-server"),
    ("/usr/bin/redis-sentinel", "apt-get install redis-sentinel"),
    ("/usr/bin/openssl", "apt-get install openssl"),
    ("/usr/bin/promtool", "apt-get install prometheus"),
    ("/usr/bin/tmux", "apt-get install tmux"),
    ("/usr/bin/curl", "apt-get install curl"),
    ("/usr/bin/jq", "apt-get install jq"),
    ("/usr/bin/codespell", "apt-get install codespell"),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments
        .split_first()
        .map(|(task, rest)| (task.as_str(), rest))
    {
        Some(("test", [])) => test(),
        Some(("interop", rest)) => interop::interop(rest),
        Some(("fuzz", rest)) => fuzz::fuzz(rest),
        Some(("bench", rest)) => bench::bench(rest),
        Some(("packages", [])) => packages::packages(),
        Some(("advisories", [])) => advisories::advisories(),
        Some(("reproducible", [])) => reproducible::reproducible(),
        Some(("walls", [])) => walls::walls(),
        Some(("pictures", [])) => pictures::pictures(),
        Some(("package", [])) => needed(&package::NEEDED).and_then(|()| package::package()),
        _ => Err(format!("usage:\n{USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn test() -> TaskResult {
    needed(&[&NEEDED[..], &package::NEEDED].concat())?;
    packages::needed()?;
    step("formatting", || cargo(&["fmt", "--all", "--check"]))?;
    step("lints", || {
        cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ])
    })?;
    step("spelling", spelling)?;
    step("walls", walls::walls)?;
    step("dependencies", || {
        cargo(&[
            "deny",
            "--locked",
            "--log-level",
            "error",
            "check",
            "bans",
            "licenses",
            "sources",
        ])
        .map_err(|error| {
            format!("{error}; if it is not installed: cargo install --locked cargo-deny")
        })
    })?;
    let mut not_checked = None;
    step("advisories", || {
        not_checked = advisories::advisories_where_reachable()?;
        Ok(())
    })?;
    step("documentation", documentation)?;
    step("tests", || {
        packages::accessibility_checker()?;
        // Many of them wait for most of their time.
        run(
            command(&[
                "test",
                "--workspace",
                "--locked",
                "--no-fail-fast",
                "--",
                "--include-ignored",
                // Half an hour: docs/verification.md says how to run it by hand.
                "--skip",
                "all_at_once",
            ])
            .env("RUST_TEST_THREADS", "4"),
            "cargo test",
        )
    })?;
    step("package", package::package)?;
    // After it, because the wheel is made from the same build.
    step("packages", packages::packages)?;
    // Only `cargo xtask interop` by itself compares times: it needs a machine that is idle
    // otherwise.
    step("interop", || interop::interop(&["--untimed".to_owned()]))?;
    step("fuzzing", || fuzz::fuzz(&[]))?;
    not_checked.iter().for_each(|words| eprintln!("{words}"));
    Ok(())
}

/// Reports all missing programs at once, before anything slow runs.
fn needed(programs: &[(&str, &str)]) -> TaskResult {
    let missing: Vec<_> = programs
        .iter()
        .filter(|(path, _)| !Path::new(path).exists())
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = missing
        .iter()
        .map(|(path, how)| format!("  {path} is missing: {how}"))
        .collect();
    Err(format!(
        "the tests need more than Rust:\n{}",
        lines.join("\n")
    ))
}

/// `.codespellrc` lists the files to skip and the words that are right.
fn spelling() -> TaskResult {
    at_the_root()?;
    run(&mut Command::new("codespell"), "codespell")
}

fn documentation() -> TaskResult {
    let arguments = ["doc", "--workspace", "--no-deps", "--locked", "--quiet"];
    run(
        command(&arguments).env("RUSTDOCFLAGS", "-D warnings"),
        "cargo doc",
    )
}

fn step(name: &str, work: impl FnOnce() -> TaskResult) -> TaskResult {
    eprintln!("== {name}");
    let start = Instant::now();
    work()?;
    eprintln!("== {name}: passed in {} s", start.elapsed().as_secs());
    Ok(())
}
