//! Python environments for what comes from PyPI.

use std::{ffi::OsStr, path::Path, process::Command};

use crate::run::{TaskResult, run};

/// An environment in this directory, which is made if it is not there. Returns its Python.
pub(crate) fn environment(directory: &str) -> Result<String, String> {
    let python = format!("{directory}/bin/python");
    if !Path::new(&python).exists() {
        run(
            Command::new("python3").args(["-m", "venv", directory]),
            "python3 -m venv",
        )
        .map_err(|error| format!("{error}; if venv is missing: apt-get install python3-venv"))?;
    }
    Ok(python)
}

/// Installs what is not installed yet.
pub(crate) fn install(
    python: impl AsRef<OsStr>,
    what: impl IntoIterator<Item: AsRef<OsStr>>,
) -> TaskResult {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet"]);
    pip.args(["--disable-pip-version-check"]);
    run(pip.args(what), "pip install")
}
