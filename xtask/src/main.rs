//! `cargo xtask test`: everything that the project can check on one machine. `cargo xtask bench`:
//! what it can measure.

#![allow(clippy::print_stderr)] // This is what it is for: saying what runs and what is missing.

mod bench;
mod interop;
mod package;
mod pictures;

use std::{
    collections::BTreeSet,
    path::Path,
    process::{Command, ExitCode},
    time::Instant,
};

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

type Outcome = Result<(), String>;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments
        .split_first()
        .map(|(task, rest)| (task.as_str(), rest))
    {
        Some(("test", [])) => test(),
        Some(("interop", rest)) => interop::interop(rest),
        Some(("bench", rest)) => bench::bench(rest),
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
    step("walls", walls)?;
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

fn walls() -> Outcome {
    let in_protocol = dependencies("matrix-qr-protocol")?;
    if let Some(name) = NOT_IN_PROTOCOL
        .iter()
        .find(|name| in_protocol.contains(**name))
    {
        return Err(format!(
            "the protocol depends on {name}: it must stay free of I/O"
        ));
    }
    let mut in_device = dependencies("matrix-qr-device")?;
    in_device.insert("matrix-qr-doctor".to_owned());
    match dependencies("matrix-qr-doctor")?
        .difference(&in_device)
        .next()
    {
        Some(name) => Err(format!(
            "the doctor depends on {name}: it must not need more than the device"
        )),
        None => Ok(()),
    }
}

/// A package and all that it needs to be built, by name.
fn dependencies(package: &str) -> Result<BTreeSet<String>, String> {
    let edges = ["--edges", "normal", "--prefix", "none", "--locked"];
    let tree = output(&[&["tree", "--package", package][..], &edges].concat())?;
    let names: BTreeSet<_> = tree
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .map(str::to_owned)
        .collect();
    match names.len() {
        0..10 => Err(format!("cargo tree did not say what {package} depends on")),
        _ => Ok(names),
    }
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

fn cargo(arguments: &[&str]) -> Outcome {
    run(
        &mut command(arguments),
        &format!("cargo {}", arguments.join(" ")),
    )
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

fn run(command: &mut Command, name: &str) -> Outcome {
    let status = command
        .status()
        .map_err(|error| format!("{name}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{name} failed"))
    }
}

fn output(arguments: &[&str]) -> Result<String, String> {
    said(
        &mut command(arguments),
        &format!("cargo {}", arguments.join(" ")),
    )
}

/// What a program says to its standard output. What it says otherwise is shown if it fails.
fn said(command: &mut Command, name: &str) -> Result<String, String> {
    let output = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if !output.status.success() {
        return Err(format!(
            "{name} failed:\n{}",
            String::from_utf8_lossy(&output.stderr)
        ));
    }
    String::from_utf8(output.stdout).map_err(|error| error.to_string())
}

fn at_the_root() -> Outcome {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    std::env::set_current_dir(root).map_err(|error| format!("{root}: {error}"))
}
