//! The command line: what is measured, and for how long.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};

use crate::rounds::Rounds;

/// Measures the rendezvous server. Exits with 1 when a row misses its target.
#[derive(Parser)]
#[command(name = "matrix-qr-bench", args_conflicts_with_subcommands = true)]
pub(crate) struct BenchOptions {
    #[command(subcommand)]
    pub(crate) role: Option<BenchCommand>,

    /// What to measure. Default: everything.
    names: Vec<RowGroup>,

    /// The server's binary.
    #[arg(
        long,
        value_name = "FILE",
        default_value = "target/release/matrix-qr-rendezvous"
    )]
    pub(crate) server: PathBuf,

    /// One JSON object per row.
    #[arg(long)]
    pub(crate) json: bool,

    /// Takes about two minutes: shorter rounds, fewer operations, no million sessions.
    #[arg(long)]
    pub(crate) quick: bool,

    /// How many operations two instances response. Default: 10 000 000, or 200 000 with --quick.
    #[arg(long, value_name = "N")]
    operations: Option<usize>,

    /// How many readers wait at once.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    pub(crate) waiters: usize,
}

/// What this program does when it is started by itself.
#[derive(Subcommand)]
pub(crate) enum BenchCommand {
    /// Serves as the bare server to compare with. Its responses come on standard input.
    Bare {
        /// Sends only the headers that a client needs.
        #[arg(long)]
        minimal: bool,
    },
}

/// Rows that are measured together. Each has a module.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum RowGroup {
    /// Poll, read, create and exchange in both APIs, relative to a bare axum server.
    Rates,
    /// The instructions of a request, counted by valgrind.
    Instructions,
    /// The memory of a live session.
    Memory,
    /// A million sessions. Not in a quick run.
    Million,
    /// One client creates as fast as it can, while others sign in.
    Flood,
    /// A thousand connections that send a byte a second.
    Slow,
    /// Tens of thousands of readers that wait.
    Waiters,
    /// The exchange over Redis.
    Redis,
    /// Two instances over one Redis, and the history of every session.
    Instances,
    /// A whole sign-in: its requests, and its time.
    SignIn,
    /// A whole sign-in with late answers: how many come one after the other.
    RoundTrips,
    /// The README's first command, with nothing compiled before.
    FirstCommand,
}

impl BenchOptions {
    pub(crate) fn groups(&self) -> Vec<RowGroup> {
        if self.names.is_empty() {
            RowGroup::value_variants().to_vec()
        } else {
            self.names.clone()
        }
    }

    pub(crate) fn operations(&self) -> usize {
        self.operations
            .unwrap_or(if self.quick { 200_000 } else { 10_000_000 })
    }

    /// Many short rounds, so that other load on the machine affects all servers equally.
    pub(crate) fn rounds(&self) -> Rounds {
        match self.quick {
            true => Rounds {
                count: 11,
                time: Duration::from_millis(200),
            },
            false => Rounds {
                count: 41,
                time: Duration::from_millis(300),
            },
        }
    }
}
