//! Runs matrix-qr against implementations by others: a real Synapse as the homeserver, matrix-sdk
//! as the other device. Each device is a process of its own, as a person would start it. This
//! program passes codes and digits on, and gives the consent.
//!
//! | module | what it does |
//! |---|---|
//! | `cells` | all cells of the table, in order |
//! | `newer` | cells: MSC4388 |
//! | `failing` | cells: how matrix-sdk's failures end |
//! | `evict` | cells: a session that Synapse drops |
//! | `compare` | cells: the time of a sign-in, compared with matrix-sdk |
//! | `doctor` | cells: `matrix-qr doctor` |
//! | `bot` | cells: a bot that uses our session |
//! | `bots` | cells: bots with keys of their own |
//! | `bot_life` | what such a bot does in a cell |
//! | `shared_account` | the existing devices, which such bots use one after the other |
//! | `library` | how the bots with keys of their own are started |
//! | `uploads` | uploads of keys that nginx has seen |
//! | `sign_in` | a whole sign-in between two programs |
//! | `devices` | how each kind of device is started |
//! | `consent` | the person at the consent page |
//! | `test_env` | the servers and the account |
//! | `homeserver` | starts Synapse |
//! | `proxy` | starts nginx in front of Synapse |
//! | `ports` | the ports of the servers |
//! | `free_port` | a port that nobody else takes |
//! | `case` | one way to sign in: who, how, where |
//! | `report` | runs cells and prints their results |
//! | `process` | a child process that prints JSON lines |
//! | `config` | the command line |

mod bot;
mod bot_life;
mod bots;
mod case;
mod cells;
mod compare;
mod config;
mod consent;
mod devices;
mod doctor;
mod evict;
mod failing;
#[path = "../../crates/rendezvous/tests/conformance/free_port.rs"]
#[allow(clippy::panic, reason = "a file of tests")]
mod free_port;
mod homeserver;
mod library;
mod newer;
mod ports;
mod process;
mod proxy;
mod report;
mod shared_account;
mod sign_in;
mod test_env;
mod uploads;

use std::process::ExitCode;

use anyhow::Result;
use tokio::signal::unix::{SignalKind, signal};

use crate::report::InteropReport;

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

/// Stops at a signal, too: every child process ends when its handle is dropped.
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
    let config = config::parse(&options)?;
    if config.run.exists() {
        std::fs::remove_dir_all(&config.run)?;
    }
    std::fs::create_dir_all(&config.run)?;
    let mut report = InteropReport::new(options.iter().any(|word| word == "--json"));
    cells::all(&config, &mut report).await?;
    Ok(report.finish())
}
