//! The workflow files, which nothing here runs: against the schema of their format, and for what
//! makes a workflow unsafe.

use std::{fs, path::Path, process::Command};

use crate::{
    python,
    run::{TaskResult, run},
};

const PLACE: &str = "target/workflows";
const CHECKERS: [&str; 2] = ["check-jsonschema==0.39.0", "zizmor==1.32.0"];
const WORKFLOWS: &str = ".github/workflows";

pub(crate) fn workflows() -> TaskResult {
    let python = python::environment(PLACE)?;
    python::install(&python, CHECKERS)?;
    let checker = |name| Path::new(&python).with_file_name(name);
    let mut schema = Command::new(checker("check-jsonschema"));
    schema.args(["--quiet", "--builtin-schema", "vendor.github-workflows"]);
    for file in fs::read_dir(WORKFLOWS).map_err(|error| format!("{WORKFLOWS}: {error}"))? {
        schema.arg(file.map_err(|error| error.to_string())?.path());
    }
    run(&mut schema, "check-jsonschema")?;
    let mut zizmor = Command::new(checker("zizmor"));
    zizmor.args(["--quiet", "--offline", "--no-progress", WORKFLOWS]);
    run(&mut zizmor, "zizmor")
}
