//! Runs cells and prints their results: rows of a table as in `docs/compatibility.md`, or JSON
//! objects for programs.

use std::{
    fmt::Display,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde_json::json;
use tokio::{process::Command, time::timeout};

/// The longest time of a cell.
pub(crate) const LIMIT: Duration = Duration::from_secs(180);

const HEAD: &str =
    "| tested | with | result | ms | matrix-sdk with itself, ms |\n|---|---|---|---|---|";

/// One row of the table: its name, and the software by others in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell<'a> {
    pub(crate) name: String,
    pub(crate) peer: &'a PeerSoftware,
    /// How long the same sign-in took between two matrix-sdk devices.
    pub(crate) sdk_time: Option<Duration>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct PeerSoftware {
    pub(crate) name: &'static str,
    pub(crate) version: String,
}

impl PeerSoftware {
    /// With the version that is installed for this Python.
    pub(crate) async fn from_pypi(name: &'static str, python: &Path) -> Result<Self> {
        let ask = "import importlib.metadata as m, sys; print(m.version(sys.argv[1]))";
        let said = Command::new(python)
            .args(["-c", ask, name])
            .output()
            .await?;
        ensure!(
            said.status.success(),
            "{name} is not installed for {}",
            python.display()
        );
        let version = String::from_utf8(said.stdout)?.trim().to_owned();
        Ok(Self { name, version })
    }

    pub(crate) fn cell(&self, name: impl Into<String>) -> Cell<'_> {
        Cell {
            name: name.into(),
            peer: self,
            sdk_time: None,
        }
    }
}

pub(crate) struct InteropReport {
    json: bool,
    cells: usize,
    failed: usize,
}

impl InteropReport {
    pub(crate) fn new(json: bool) -> Self {
        if !json {
            print(HEAD);
        }
        Self {
            json,
            cells: 0,
            failed: 0,
        }
    }

    /// Runs a cell. `work` returns the time to print.
    pub(crate) async fn run(
        &mut self,
        cell: &Cell<'_>,
        work: impl Future<Output = Result<Duration>>,
    ) {
        let began = Instant::now();
        let result = timeout(LIMIT, work)
            .await
            .map_err(anyhow::Error::from)
            .flatten();
        let took = *result.as_ref().unwrap_or(&began.elapsed());
        let failure = result.err().map(|error| format!("{error:#}"));
        print(if self.json {
            object(cell, took, &failure)
        } else {
            row(cell, took, &failure)
        });
        if let Some(why) = &failure {
            say(format_args!("failed: {}\n  {why}", cell.name));
        }
        self.cells += 1;
        self.failed += usize::from(failure.is_some());
    }

    /// Returns whether all cells have passed.
    pub(crate) fn finish(&self) -> bool {
        say(format_args!("{} cells, {} failed", self.cells, self.failed));
        self.failed == 0 && self.cells > 0
    }
}

fn row(
    Cell {
        name,
        peer,
        sdk_time,
    }: &Cell<'_>,
    took: Duration,
    failure: &Option<String>,
) -> String {
    let result = if failure.is_none() {
        "works"
    } else {
        "**FAILS**"
    };
    let sdk_time = sdk_time
        .map(|sdk_time| sdk_time.as_millis().to_string())
        .unwrap_or_default();
    format!(
        "| {name} | {} {} | {result} | {} | {sdk_time} |",
        peer.name,
        peer.version,
        took.as_millis()
    )
}

fn object(
    Cell {
        name,
        peer,
        sdk_time,
    }: &Cell<'_>,
    took: Duration,
    failure: &Option<String>,
) -> String {
    let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    let object = json!({
        "cell": name,
        "peer": peer.name,
        "version": peer.version,
        "ok": failure.is_none(),
        "ms": ms(took),
        "matrix_sdk_with_itself_ms": sdk_time.map(ms),
        "failure": failure,
    });
    object.to_string()
}

#[allow(clippy::print_stdout, reason = "the results")]
fn print(line: impl Display) {
    println!("{line}");
}

#[allow(clippy::print_stderr, reason = "the progress")]
pub(crate) fn say(text: impl Display) {
    eprintln!("{text}");
}
