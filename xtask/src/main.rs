//! `cargo xtask test`: everything that the project can check on one machine. `cargo xtask bench`:
//! what it can measure.

#![allow(clippy::print_stderr)] // This is what it is for: saying what runs and what is missing.

mod bench;
mod interop;
mod package;
mod pictures;
mod run;
mod walls;

use std::{path::Path, process::ExitCode, time::Instant};

use crate::run::{Outcome, cargo, command, run};

const USAGE: &str = "cargo xtask test             formatting, lints, documentation, walls, dependencies, every test, the package, interop
  cargo xtask interop [--json] our programs against Synapse and matrix-sdk (installed and built into target/interop)
  cargo xtask package          the Debian packages, installed into target/package, the rendezvous server started there; the files for containers
  cargo xtask pictures         photographs of QR codes: how many are read here, and how many by zxing-cpp
  cargo xtask bench [--json] [--quick] [rates|memory|million|flood|slow|waiters|redis|instances|sign-in ..]
                               the rendezvous server: its rates over a bare axum server, and all else that it must reach";

/// What a test needs beside Rust, and the Debian package that has it.
const NEEDED: [(&str, &str); 13] = [
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
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments
        .split_first()
        .map(|(task, rest)| (task.as_str(), rest))
    {
        Some(("test", [])) => test(),
        Some(("interop", rest)) => interop::interop(rest),
        Some(("bench", rest)) => bench::bench(rest),
        Some(("walls", [])) => walls::walls(),
        Some(("pictures", [])) => pictures::pictures(),
        Some(("package", [])) => needed(&package::NEEDED).and_then(|()| package::package()),
        _ => Err(format!("usage:\n  {USAGE}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn test() -> Outcome {
    needed(&[&NEEDED[..], &package::NEEDED].concat())?;
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
    step("documentation", documentation)?;
    step("tests", || {
        cargo(&[
            "test",
            "--workspace",
            "--locked",
            "--no-fail-fast",
            "--",
            "--include-ignored",
        ])
    })?;
    step("package", package::package)?;
    // A ratio of times is for `cargo xtask interop` by itself, on a machine that does nothing else.
    step("interop", || interop::interop(&["--untimed".to_owned()]))
}

/// Before anything slow: what is missing, all of it at once.
fn needed(programs: &[(&str, &str)]) -> Outcome {
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

fn documentation() -> Outcome {
    let arguments = ["doc", "--workspace", "--no-deps", "--locked", "--quiet"];
    run(
        command(&arguments).env("RUSTDOCFLAGS", "-D warnings"),
        "cargo doc",
    )
}

fn step(name: &str, work: impl FnOnce() -> Outcome) -> Outcome {
    eprintln!("== {name}");
    let start = Instant::now();
    work()?;
    eprintln!("== {name}: fine, {} s", start.elapsed().as_secs());
    Ok(())
}
