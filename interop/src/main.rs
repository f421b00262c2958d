//! matrix-qr against what others wrote: a real Synapse as the homeserver, matrix-sdk as the other
//! device. Every sign-in is made by programs of their own, as people would start them; this one
//! only passes codes and digits on, and agrees.

mod bot;
mod cells;
mod compare;
mod consent;
mod devices;
mod doctor;
mod evict;
mod failing;
mod homeserver;
mod newer;
mod process;
mod proxy;
mod report;
mod sign_in;
mod test_env;

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use tokio::signal::unix::{SignalKind, signal};

use crate::report::Report;

/// Where everything is: cargo's xtask builds it and says so.
pub(crate) struct Places {
    /// Our programs: `matrix-qr` and `matrix-qr-rendezvous`.
    pub(crate) ours: PathBuf,
    /// The programs of this workspace: the peer and the bot.
    pub(crate) theirs: PathBuf,
    /// The Python that has Synapse.
    pub(crate) python: PathBuf,
    /// Room for this run: configurations, stores, logs. Emptied at the start.
    pub(crate) run: PathBuf,
    /// Whether times are compared: not where they are only one test among many (`--untimed`).
    pub(crate) timed: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    match until_signal(run()).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            report::say(format_args!("interop: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// What was started ends with its handle: also when this program is told to end.
async fn until_signal(run: impl Future<Output = Result<bool>>) -> Result<bool> {
    let (mut interrupt, mut terminate) = (
        signal(SignalKind::interrupt())?,
        signal(SignalKind::terminate())?,
    );
    tokio::select! {
        result = run => result,
        _ = interrupt.recv() => Ok(false),
        _ = terminate.recv() => Ok(false),
    }
}

async fn run() -> Result<bool> {
    let options: Vec<String> = std::env::args().skip(1).collect();
    let places = places(&options)?;
    if places.run.exists() {
        std::fs::remove_dir_all(&places.run)?;
    }
    std::fs::create_dir_all(&places.run)?;
    let mut report = Report::new(options.iter().any(|word| word == "--json"));
    cells::all(&places, &mut report).await?;
    Ok(report.finish())
}

fn places(options: &[String]) -> Result<Places> {
    let place = |name: &str| {
        let at = options.iter().skip_while(|word| *word != name).nth(1);
        let at = at.with_context(|| format!("{name} is missing: run `cargo xtask interop`"))?;
        // Not canonical: what is behind a Python environment's `python` is another one. Not
        // relative: programs are started elsewhere.
        anyhow::Ok(std::path::absolute(at)?)
    };
    Ok(Places {
        ours: place("--ours")?,
        theirs: place("--theirs")?,
        python: place("--python")?,
        run: place("--run")?,
        timed: !options.iter().any(|word| word == "--untimed"),
    })
}
