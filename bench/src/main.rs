//! Measures the rendezvous server: its rates against a bare axum server in the same run, its
//! memory, and what a flood, slow clients and two instances over one Redis do to it. `cargo xtask
//! bench` builds everything and runs this.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "what it found, and how far it is"
)]

mod answers;
mod api;
mod bare;
mod client;
mod error;
mod fill;
mod flood;
mod history;
mod instances;
mod load;
mod memory;
mod options;
mod process;
mod rates;
mod redis;
mod report;
mod requests;
mod rounds;
mod server;
mod sign_in;
mod slow;
mod waiters;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    error::BenchError,
    options::{Group, Options, Role},
    report::Report,
};

fn main() -> ExitCode {
    let options = Options::parse();
    let result = match options.role {
        Some(Role::Bare { minimal }) => bare::run(minimal).map(|()| true),
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

/// On one thread: the load shares the machine with the server, and shall leave it the rest.
fn measure(options: &Options) -> Result<bool, BenchError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        tokio::select! {
            all_fine = run_all(options) => Ok(all_fine),
            // Ended here and not by the signal itself, so that the servers end too.
            stopped = stop_signal() => stopped.and(Err(BenchError::Stopped)),
        }
    })
}

/// Whether no row misses its target.
async fn run_all(options: &Options) -> bool {
    let mut report = Report::new(options.json);
    for group in options.groups() {
        eprintln!("== {group:?}");
        let result = run(group, options, &mut report).await;
        if let Err(error) = result {
            report.fail(group.rows(), &error);
        }
    }
    report.all_fine()
}

async fn run(group: Group, options: &Options, report: &mut Report) -> Result<(), BenchError> {
    match group {
        Group::Rates => rates::measure(options, report).await,
        Group::Memory => memory::measure(options, report).await,
        Group::Million => memory::measure_million(options, report).await,
        Group::Flood => flood::measure(options, report).await,
        Group::Slow => slow::measure(options, report).await,
        Group::Waiters => waiters::measure(options, report).await,
        Group::Redis => redis::measure(options, report).await,
        Group::Instances => instances::measure(options, report).await,
        Group::SignIn => sign_in::measure(options, report).await,
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
