//! `cargo xtask pictures`: how many photographs of QR codes we read, compared with zxing-cpp.

use std::{path::Path, process::Command};

use crate::run::{TaskResult, at_the_root, cargo, run};

const VENV: &str = "target/photographs/venv";
const OTHERS: [&str; 3] = ["zxing-cpp==3.1.1", "numpy", "pillow"];
const TEST: &str = "the_whole_corpus_of_photographs_is_written_and_read";

/// A test writes the photographs and what we read in them. A script compares that with zxing-cpp.
pub(crate) fn pictures() -> TaskResult {
    at_the_root()?;
    cargo(&[
        "test",
        "--locked",
        "--package",
        "matrix-qr",
        "--bin",
        "matrix-qr",
        "--",
        "--ignored",
        TEST,
    ])?;
    let python = format!("{VENV}/bin/python");
    if !Path::new(&python).exists() {
        run(
            Command::new("python3").args(["-m", "venv", VENV]),
            "python3 -m venv",
        )
        .map_err(|error| {
            format!("{error}; zxing-cpp comes from PyPI: apt-get install python3-venv")
        })?;
    }
    let mut pip = Command::new(&python);
    run(
        pip.args(["-m", "pip", "install", "--quiet"]).args(OTHERS),
        "pip install zxing-cpp",
    )?;
    run(
        Command::new(&python).args(["xtask/src/pictures.py", "target/photographs"]),
        "the comparison",
    )
}
