//! Measures the rendezvous server: its rates relative to a bare axum server in the same run, its
//! memory, and how it behaves under a flood, with slow clients, and as two instances over one
//! Redis. `cargo xtask bench` builds everything and runs this.
//!
//! A row is measured by the module of its group, with a load or clients of its own, and added to
//! the report.
//!
//! | module | what it does |
//! |---|---|
//! | `options` | the command line |
//! | `rates` | rows: our server and a bare one, in turn |
//! | `instructions` | rows: the instructions of a request, counted by valgrind |
//! | `memory` | rows: the memory of a session; a million sessions |
//! | `flood` | rows: sign-ins while one client creates as fast as it can |
//! | `slow` | rows: a thousand connections that send a byte a second |
//! | `waiters` | rows: tens of thousands of readers that wait |
//! | `redis` | rows: the exchange over Redis |
//! | `instances` | rows: two instances over one Redis, with every history checked |
//! | `sign_in` | rows: the requests and the time of a whole sign-in |
//! | `round_trips` | rows: how many answers a sign-in waits for, one after the other |
//! | `first_command` | rows: the processor time of the README's first command |
//! | `report` | prints rows |
//! | `rounds` | lets servers run in turn, and compares their results |
//! | `load` | puts a load on a server |
//! | `fill` | creates many sessions |
//! | `history` | checks a session's history for linearizability |
//! | `server` | starts our server and the bare one |
//! | `bare` | the bare server |
//! | `responses` | what the bare server sends: recorded from ours |
//! | `api` | the two rendezvous APIs, as far as a client must know them |
//! | `requests` | the bytes of a request |
//! | `client` | a small HTTP/1.1 client |
//! | `free_port` | a port that nobody else takes |
//! | `process` | child processes: their memory and processor time |
//! | `error` | why something could not be measured |
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "the results, and the progress"
)]

mod api;
mod bare;
mod client;
mod error;
mod fill;
mod first_command;
mod flood;
#[path = "../../crates/rendezvous/tests/conformance/free_port.rs"]
#[allow(clippy::panic, reason = "a file of tests")]
mod free_port;
mod responses;
// One checker for the benchmark and for the tests of the server. A crate of its own would be one
// more for 200 lines, and a dependency of the server on the benchmark would be a circle of
// packages.
#[path = "../../crates/rendezvous/tests/conformance/linearizable/history.rs"]
#[allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a file of tests; no request of the benchmark stays without a response"
)]
mod history;
mod instances;
mod instructions;
mod load;
mod memory;
mod options;
mod process;
mod rates;
mod redis;
mod report;
mod requests;
mod round_trips;
mod rounds;
mod server;
mod sign_in;
mod slow;
mod waiters;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    error::BenchError,
    options::{BenchCommand, BenchOptions, RowGroup},
    report::BenchReport,
};

fn main() -> ExitCode {
    let options = BenchOptions::parse();
    let result = match options.role {
        Some(BenchCommand::Bare { minimal }) => bare::run(minimal).map(|()| true),
        None => measure(&options),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("matrix-qr-bench: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the load on one thread: it shares the machine with the server and leaves it the other
/// cores.
fn measure(options: &BenchOptions) -> Result<bool, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            all_fine = run_all(options) => Ok(all_fine),
            // Handled here, so that the servers end too.
            stopped = stop_signal() => stopped.and(Err(BenchError::Stopped)),
        }
    })
}

/// Returns whether all rows reach their targets.
async fn run_all(options: &BenchOptions) -> bool {
    let mut report = BenchReport::new(options.json);
    for group in options.groups() {
        eprintln!("== {group:?}");
        let result = run(group, options, &mut report).await;
        if let Err(error) = result {
            report.fail(rows(group), &error);
        }
    }
    report.all_fine()
}

/// The names of a group's rows.
fn rows(group: RowGroup) -> &'static [&'static str] {
    match group {
        RowGroup::Rates => &rates::ROWS,
        RowGroup::Instructions => &instructions::ROWS,
        RowGroup::Memory => &memory::ROWS,
        RowGroup::Million => &memory::MILLION_ROWS,
        RowGroup::Flood => &flood::ROWS,
        RowGroup::Slow => &slow::ROWS,
        RowGroup::Waiters => &waiters::ROWS,
        RowGroup::Redis => &redis::ROWS,
        RowGroup::Instances => &instances::ROWS,
        RowGroup::SignIn => &sign_in::ROWS,
        RowGroup::RoundTrips => &round_trips::ROWS,
        RowGroup::FirstCommand => &first_command::ROWS,
    }
}

async fn run(
    group: RowGroup,
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    match group {
        RowGroup::Rates => rates::measure(options, report).await,
        RowGroup::Instructions => instructions::measure(options, report).await,
        RowGroup::Memory => memory::measure(options, report).await,
        RowGroup::Million => memory::measure_million(options, report).await,
        RowGroup::Flood => flood::measure(options, report).await,
        RowGroup::Slow => slow::measure(options, report).await,
        RowGroup::Waiters => waiters::measure(options, report).await,
        RowGroup::Redis => redis::measure(options, report).await,
        RowGroup::Instances => instances::measure(options, report).await,
        RowGroup::SignIn => sign_in::measure(options, report).await,
        RowGroup::RoundTrips => round_trips::measure(options, report).await,
        RowGroup::FirstCommand => first_command::measure(options, report).await,
    }
}

async fn stop_signal() -> Result<(), BenchError> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}

#[cfg(test)]
mod tests;
