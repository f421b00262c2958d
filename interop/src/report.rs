//! What was run, cell by cell: rows of a table as in `docs/compatibility.md`, or objects for
//! programs.

use std::{
    fmt::Display,
    time::{Duration, Instant},
};

use anyhow::Result;
use serde_json::json;
use tokio::time::timeout;

/// A cell that takes longer has failed.
const LIMIT: Duration = Duration::from_secs(180);

const HEAD: &str =
    "| cell | with | result | ms | matrix-sdk with itself, ms |\n|---|---|---|---|---|";

/// A cell's name, and others' software in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cell<'a> {
    pub(crate) name: String,
    pub(crate) peer: &'a Peer,
    /// How long the same took matrix-sdk with itself.
    pub(crate) beside: Option<Duration>,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) name: &'static str,
    pub(crate) version: String,
}

impl Peer {
    pub(crate) fn cell(&self, name: impl Into<String>) -> Cell<'_> {
        Cell {
            name: name.into(),
            peer: self,
            beside: None,
        }
    }
}

pub(crate) struct Report {
    json: bool,
    cells: usize,
    failed: usize,
}

impl Report {
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

    /// Runs a cell, which gives the time of what it is about.
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

    /// Whether all is well.
    pub(crate) fn finish(&self) -> bool {
        say(format_args!("{} cells, {} failed", self.cells, self.failed));
        self.failed == 0 && self.cells > 0
    }
}

fn row(Cell { name, peer, beside }: &Cell<'_>, took: Duration, failure: &Option<String>) -> String {
    let result = if failure.is_none() {
        "works"
    } else {
        "**FAILS**"
    };
    let beside = beside
        .map(|beside| beside.as_millis().to_string())
        .unwrap_or_default();
    format!(
        "| {name} | {} {} | {result} | {} | {beside} |",
        peer.name,
        peer.version,
        took.as_millis()
    )
}

fn object(
    Cell { name, peer, beside }: &Cell<'_>,
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
        "matrix_sdk_with_itself_ms": beside.map(ms),
        "failure": failure,
    });
    object.to_string()
}

#[allow(clippy::print_stdout, reason = "the result")]
fn print(line: impl Display) {
    println!("{line}");
}

#[allow(clippy::print_stderr, reason = "what a person reads meanwhile")]
pub(crate) fn say(text: impl Display) {
    eprintln!("{text}");
}
