//! `cargo xtask bench`: how fast, how small and how steady the rendezvous server is.

use std::{path::PathBuf, process::Command};

use crate::run::{Outcome, cargo, run};

/// Builds the server, what measures it, and the command that plays a sign-in, as they are released,
/// and runs. The arguments go to the latter.
pub(crate) fn bench(arguments: &[String]) -> Outcome {
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
    run(&mut command, "a row misses its target, or the measuring")
}

/// Where cargo puts them: beside the directory of this program.
fn binaries() -> Result<PathBuf, String> {
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let target = here
        .parent()
        .and_then(|profile| profile.parent())
        .ok_or("this program is nowhere")?;
    Ok(target.join("release"))
}
