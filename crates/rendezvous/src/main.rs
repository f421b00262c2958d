//! The rendezvous server on the command line.
//!
//! | module | what it does |
//! |---|---|
//! | `options` | parses the command line |
//! | `settings` | merges flags, environment and file, and checks the result |
//! | `run` | runs the server until a signal stops it |
//! | `sockets` | opens the listeners, or takes those that systemd passes |
//! | `signals` | the signals to stop and to reload |
//! | `open_files` | keeps the number of connections below the system's limit of open files |
//! | `healthcheck` | asks a running server for its health |

mod healthcheck;
mod open_files;
mod options;
mod run;
mod settings;
mod signals;
mod sockets;

use std::{
    io::{self, IsTerminal},
    process::ExitCode,
};

use clap::CommandFactory;
use listenfd::ListenFd;
use tracing_subscriber::EnvFilter;

use self::{
    healthcheck::Healthcheck,
    options::{ServerCommand, ServerOptions},
    run::StartError,
    settings::{LoadedSettings, LogFormat, environment},
};

/// Keeps sizes apart: with glibc's allocator a session goes into the gap that a request's buffer left,
/// and the rest of the gap is wasted. `docs/bench.md` compares allocators.
#[cfg(feature = "allocator")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    // First, while there is only one thread: it removes systemd's variables from the environment.
    let passed = ListenFd::from_env();
    let command = environment::without_empty(ServerOptions::command());
    let unknown = environment::unknown(&command);
    let options = options::parse(command).unwrap_or_else(|error| error.exit());
    let done = match &options.command {
        Some(ServerCommand::Healthcheck(check)) => healthcheck(check, &options),
        None => serve_or_show(passed, &options, unknown),
    };
    done.map_or_else(|error| fail(&error), |()| ExitCode::SUCCESS)
}

fn serve_or_show(
    passed: ListenFd,
    options: &ServerOptions,
    unknown: Vec<String>,
) -> Result<(), StartError> {
    let mut loaded = options.load()?;
    loaded.warnings.extend(unknown);
    if options.check_config || options.print_config {
        show(options, &loaded);
        return Ok(());
    }
    log_to_stderr(loaded.settings.log_format.unwrap_or_default());
    for warning in &loaded.warnings {
        tracing::warn!("{warning}");
    }
    runtime()?.block_on(run::run(passed, options, loaded))
}

#[allow(clippy::print_stdout, reason = "this is what was asked for")]
fn healthcheck(check: &Healthcheck, options: &ServerOptions) -> Result<(), StartError> {
    let address = settings::metrics_listen(&options.settings, options.config.as_ref())?;
    let message = runtime()?.block_on(check.run(&address))?;
    println!("healthy: {message}");
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    tokio::runtime::Runtime::new().map_err(StartError::Runtime)
}

#[allow(clippy::print_stdout, reason = "this is what was asked for")]
#[allow(clippy::print_stderr, reason = "there is no log here")]
fn show(
    options: &ServerOptions,
    LoadedSettings {
        settings, warnings, ..
    }: &LoadedSettings,
) {
    for warning in warnings {
        eprintln!("matrix-qr-rendezvous: {warning}");
    }
    if options.print_config {
        print!("{}", toml::to_string(settings).unwrap_or_default());
    } else {
        println!("The settings are valid.");
    }
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
}

#[allow(
    clippy::print_stderr,
    reason = "the reason must be visible whatever the log filter is"
)]
fn fail(error: &StartError) -> ExitCode {
    eprintln!("matrix-qr-rendezvous: {error}");
    let settings = matches!(error, StartError::Settings(_));
    ExitCode::from(if settings { 2 } else { 1 })
}
