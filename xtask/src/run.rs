//! Runs other programs.

use std::process::Command;

/// What went wrong, in words for the person who ran it.
pub(crate) type TaskResult = Result<(), String>;

pub(crate) fn cargo(arguments: &[&str]) -> TaskResult {
    run(
        &mut command(arguments),
        &format!("cargo {}", arguments.join(" ")),
    )
}

pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments);
    command
}

pub(crate) fn run(command: &mut Command, name: &str) -> TaskResult {
    let status = command
        .status()
        .map_err(|error| format!("{name}: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("{name} failed"))
    }
}

pub(crate) fn output(arguments: &[&str]) -> Result<String, String> {
    said(
        &mut command(arguments),
        &format!("cargo {}", arguments.join(" ")),
    )
}

/// The standard output of a program. Its standard error is shown if it fails.
pub(crate) fn said(command: &mut Command, name: &str) -> Result<String, String> {
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

pub(crate) fn at_the_root() -> TaskResult {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    std::env::set_current_dir(root).map_err(|error| format!("{root}: {error}"))
}
