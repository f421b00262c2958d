//! `cargo xtask pictures`: how many photographs of QR codes we read, compared with zxing-cpp.

use std::process::Command;

use crate::{
    python,
    run::{TaskResult, cargo, run},
};

const VENV: &str = "target/photographs/venv";
const OTHERS: [&str; 3] = ["zxing-cpp==3.1.1", "numpy", "pillow"];
const TEST: &str = "the_whole_corpus_of_photographs_is_written_and_read_all_at_once";

/// A test writes the photographs and what we read in them. A script compares that with zxing-cpp.
pub(crate) fn pictures() -> TaskResult {
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
    let python = python::environment(VENV)?;
    python::install(&python, OTHERS)?;
    run(
        Command::new(&python).args(["xtask/src/pictures.py", "target/photographs"]),
        "the comparison",
    )
}
