//! What is measured, and at what length.

use std::{path::PathBuf, time::Duration};

use clap::{Parser, Subcommand, ValueEnum};

use crate::{flood, instances, memory, rates, redis, rounds::Rounds, sign_in, slow, waiters};

/// Measures the rendezvous server. Exits with 1 when a row misses its target.
#[derive(Parser)]
#[command(name = "matrix-qr-bench", args_conflicts_with_subcommands = true)]
pub(crate) struct Options {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,

    /// What to measure; everything, if nothing is named.
    names: Vec<Group>,

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

    /// About two minutes in all: shorter rounds, fewer operations, no million sessions.
    #[arg(long)]
    pub(crate) quick: bool,

    /// How many operations two instances are asked for. Default 10 000 000, or 200 000 with
    /// --quick.
    #[arg(long, value_name = "N")]
    operations: Option<usize>,

    /// How many readers wait at once.
    #[arg(long, value_name = "N", default_value_t = 50_000)]
    pub(crate) waiters: usize,
}

/// What this program is, if not the one that measures.
#[derive(Subcommand)]
pub(crate) enum Role {
    /// The server to compare with. Its answers come on standard input.
    Bare {
        /// No more headers than a client needs.
        #[arg(long)]
        minimal: bool,
    },
}

/// Rows that are measured together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Group {
    /// Poll, read, create and exchange in both APIs, over a bare axum server.
    Rates,
    /// What a live session costs.
    Memory,
    /// A million sessions. Not in a quick run.
    Million,
    /// One client creates as fast as it can, while others sign in.
    Flood,
    /// A thousand connections that send a byte a second.
    Slow,
    /// Readers that are held, tens of thousands.
    Waiters,
    /// The exchange over Redis.
    Redis,
    /// Two instances over one Redis, and the history of every session.
    Instances,
    /// A whole sign-in: its requests, and its time.
    SignIn,
}

impl Group {
    /// The names of its rows.
    pub(crate) fn rows(self) -> &'static [&'static str] {
        match self {
            Self::Rates => &rates::ROWS,
            Self::Memory => &memory::ROWS,
            Self::Million => &memory::MILLION_ROWS,
            Self::Flood => &flood::ROWS,
            Self::Slow => &slow::ROWS,
            Self::Waiters => &waiters::ROWS,
            Self::Redis => &redis::ROWS,
            Self::Instances => &instances::ROWS,
            Self::SignIn => &sign_in::ROWS,
        }
    }
}

impl Options {
    pub(crate) fn groups(&self) -> Vec<Group> {
        if self.names.is_empty() {
            Group::value_variants().to_vec()
        } else {
            self.names.clone()
        }
    }

    pub(crate) fn operations(&self) -> usize {
        self.operations
            .unwrap_or(if self.quick { 200_000 } else { 10_000_000 })
    }

    /// Many short ones: what else the machine does then hits everybody alike.
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
