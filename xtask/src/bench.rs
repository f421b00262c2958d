//! `cargo xtask bench`: how fast, how small and how stable the rendezvous server is.

use std::{path::PathBuf, process::Command};

use crate::run::{TaskResult, cargo, run};

/// Builds release versions of the server, the benchmark, and the command that simulates a sign-in;
/// then runs the benchmark with these arguments.
pub(crate) fn bench(arguments: &[String]) -> TaskResult {
    let server = "matrix-qr-rendezvous";
    let bench = "matrix-qr-bench";
    let packages = [
        "--package",
        server,
        "--package",
        bench,
        "--package",
        "matrix-qr",
    ];
    cargo(
        &[
            &["build", "--release", "--locked"],
            &packages[..],
            &["--bins"],
        ]
        .concat(),
    )?;
    let binaries = binaries()?;
    let mut command = Command::new(binaries.join(bench));
    command
        .arg("--server")
        .arg(binaries.join(server))
        .args(arguments);
    run(
        &mut command,
        "the benchmark, or a row of it that misses its target,",
    )
}

/// Where cargo puts them: next to the directory of this program.
fn binaries() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = here
        .parent()
        .and_then(|profile| profile.parent())
        .ok_or("this program has no directory")?;
    Ok(target.join("release"))
}
