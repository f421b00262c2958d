//! The rendezvous server on the command line.

mod healthcheck;
mod open_files;
mod settings;
mod signals;
mod sockets;

use std::{
    convert::Infallible,
    future::{Future, pending},
    io::{self, IsTerminal},
    path::PathBuf,
    process::ExitCode,
};

use clap::{
    CommandFactory, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};
use listenfd::ListenFd;
use matrix_qr_rendezvous::{Memory, Rendezvous, Store, Timeouts, serve, serve_router};
#[cfg(feature = "redis")]
use matrix_qr_rendezvous::{Redis, RedisTlsError};
use tokio::sync::oneshot;
use tracing_subscriber::EnvFilter;

use self::{
    healthcheck::{Healthcheck, Unhealthy},
    open_files::cap_connections,
    settings::{
        LoadedSettings, LogFormat, Settings, SettingsError, StoreChoice, StoreUrl, environment,
    },
    signals::{HangupSignals, StopSignals},
    sockets::{ListenError, OpenSocket},
};

/// A rendezvous server for Matrix sign-in by QR code (MSC4108, MSC4388).
///
/// Two devices meet here for the minutes of a sign-in: one creates a session, shows its URL in a QR
/// code, and both leave each other small encrypted payloads at it. This server cannot read them. It
/// keeps them in memory, or in a Redis that several instances share, and forgets each session at
/// its end.
///
/// It speaks plain HTTP. Put a proxy with TLS in front, and tell it with --public-url what clients
/// call it:
///
///   matrix-qr-rendezvous --public-url https://rendezvous.example.org
///
/// Clients create sessions with a POST to /_matrix/client/v1/rendezvous, to
/// /_matrix/client/unstable/org.matrix.msc4108/rendezvous, or to --create-path. In front of a
/// homeserver, route the first two here. Or let the homeserver answer them with a 307 to here, as
/// Synapse does with `msc4108_delegation_endpoint` set to the public URL. Sessions are below
/// /rendezvous/. The proxy must pass on the headers If-Match, If-None-Match and Prefer, must say in
/// X-Forwarded-For who asks, and should not log paths: who knows one can use the session.
///
/// The coming revision (MSC4388) has JSON, and sessions below the paths where they are created:
/// /_matrix/client/v1/rendezvous again, and /_matrix/client/unstable/io.element.msc4388/rendezvous.
/// Its QR code names the homeserver, so the homeserver's own proxy must send both paths, and what
/// is below them, here. With --homeserver only that homeserver's users create such sessions.
///
/// Every setting can be a flag, an environment variable, or a line of a TOML file (--config), and
/// is taken from the first of these that has it. In the file it has the name of the flag, and the
/// limits are in a table of their own: [limits].
///
/// SIGHUP reads the file again and sets the limits. SIGTERM or Ctrl-C stops the server: it takes
/// connections for --drain seconds more, and answers requests under way for at most 20 seconds; a
/// second one ends it at once. Sessions in memory end with it. It logs to standard error, without
/// session ids, payloads or addresses; RUST_LOG=debug shows each request's method and status. It
/// exits with 1 when it cannot start or is not healthy, and with 2 when a setting is wrong.
#[derive(Parser)]
#[command(
    name = "matrix-qr-rendezvous",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
struct ServerOptions {
    /// A file with settings.
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_CONFIG",
        value_name = "FILE",
        global = true
    )]
    config: Option<PathBuf>,

    /// Prints all settings as they are in force, as such a file, and ends.
    #[arg(long)]
    print_config: bool,

    /// Checks the settings, says what is wrong, and ends.
    #[arg(long)]
    check_config: bool,

    #[command(flatten)]
    settings: Settings,

    #[command(subcommand)]
    command: Option<ServerCommand>,
}

/// What it can do beside serving.
#[derive(Subcommand)]
enum ServerCommand {
    /// Asks the server that runs with these settings, at --metrics-listen, whether it lives; exits
    /// with 0 if it does and with 1 if it does not
    Healthcheck(Healthcheck),
}

impl ServerOptions {
    fn load(&self) -> Result<LoadedSettings, SettingsError> {
        settings::load(&self.settings, self.config.as_ref())
    }
}

fn main() -> ExitCode {
    // First, while there is one thread: it takes what systemd says out of the environment.
    let passed = ListenFd::from_env();
    let command = environment::without_empty(ServerOptions::command());
    let unknown = environment::unknown(&command);
    let options = options(command).unwrap_or_else(|error| error.exit());
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
    runtime()?.block_on(run(passed, options, loaded))
}

#[allow(clippy::print_stdout, reason = "this is what was asked for")]
fn healthcheck(check: &Healthcheck, options: &ServerOptions) -> Result<(), StartError> {
    let address = settings::metrics_listen(&options.settings, options.config.as_ref())?;
    let says = runtime()?.block_on(check.run(&address))?;
    println!("healthy: {says}");
    Ok(())
}

fn runtime() -> Result<tokio::runtime::Runtime, StartError> {
    tokio::runtime::Runtime::new().map_err(StartError::Runtime)
}

fn options(mut command: clap::Command) -> Result<ServerOptions, clap::Error> {
    let matches = command
        .try_get_matches_from_mut(std::env::args_os())
        .map_err(without_stray_value)?;
    let mut options =
        ServerOptions::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    options.settings = options.settings.placed(&matches);
    Ok(options)
}

/// What is in the wrong place may be a part of a secret: `--store redis://:pass word@host`,
/// `--listen redis://:password@host`. Only what looks like a flag is named.
fn without_stray_value(mut error: clap::Error) -> clap::Error {
    let (named, suggested) = match error.kind() {
        ErrorKind::UnknownArgument => (ContextKind::InvalidArg, ContextKind::Suggested),
        ErrorKind::InvalidSubcommand => (
            ContextKind::InvalidSubcommand,
            ContextKind::SuggestedSubcommand,
        ),
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => {
            (ContextKind::InvalidValue, ContextKind::SuggestedValue)
        }
        _ => return error,
    };
    let is_flag = |value: &ContextValue| matches!(value, ContextValue::String(text) if looks_like_a_flag(text));
    if named != ContextKind::InvalidArg || !error.get(named).is_some_and(is_flag) {
        error.insert(named, ContextValue::String("(not shown)".to_owned()));
        error.remove(suggested);
    }
    error
}

fn looks_like_a_flag(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.starts_with('-') && text.bytes().all(plain)
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
        println!("The settings are fine.");
    }
}

async fn run(
    passed: ListenFd,
    options: &ServerOptions,
    loaded: LoadedSettings,
) -> Result<(), StartError> {
    match &loaded.store.url {
        StoreUrl::Memory => with_store(Memory::default(), passed, options, loaded).await,
        #[cfg(feature = "redis")]
        StoreUrl::Redis(url) => {
            let store = Redis::with_certificates(url, &loaded.store.certificates)?;
            with_store(store, passed, options, loaded).await
        }
    }
}

async fn with_store<S: Store>(
    store: S,
    passed: ListenFd,
    options: &ServerOptions,
    mut loaded: LoadedSettings,
) -> Result<(), StartError> {
    let signals = StopSignals::new().map_err(StartError::Signals)?;
    let hangups = HangupSignals::new().map_err(StartError::Signals)?;
    cap_connections(&mut loaded);
    let OpenSocket { listener, address } =
        sockets::for_clients(passed, &loaded.listen, loaded.listen_mode).await?;
    let rendezvous = Rendezvous::with_store(store, loaded.config.clone());
    let operations = operations(&loaded, &rendezvous).await?;
    tracing::info!(%address, public_url = %loaded.config.public_url, store = %loaded.store.url, "listening");
    let (stop, stopped) = oneshot::channel();
    let served = tokio::select! {
        served = serve(listener, rendezvous.clone(), async { drop(stopped.await) }) => served,
        ended = operations => ended,
        () = until_told_twice(signals, stop) => Ok(()),
        never = reload(hangups, options, loaded.settings, loaded.store, &rendezvous) => match never {},
    };
    served.map_err(StartError::Serve)?;
    tracing::info!("stopped");
    Ok(())
}

/// At the first signal begins to stop. Done at the second: then nothing is waited for.
async fn until_told_twice(mut signals: StopSignals, stop: oneshot::Sender<()>) {
    signals.next().await;
    tracing::info!("stopping");
    drop(stop);
    signals.next().await;
    tracing::warn!("told a second time, so requests under way are not answered");
}

/// The operator's listener, if one is wanted. It ends with the process.
async fn operations<S: Store>(
    loaded: &LoadedSettings,
    rendezvous: &Rendezvous<S>,
) -> Result<impl Future<Output = io::Result<()>> + use<S>, StartError> {
    let opened = match &loaded.settings.metrics_listen {
        Some(address) => {
            Some(sockets::open(address, loaded.listen_mode, "--metrics-listen").await?)
        }
        None => None,
    };
    let router = rendezvous.operations();
    Ok(async move {
        let Some(OpenSocket { listener, address }) = opened else {
            return pending().await;
        };
        tracing::info!(%address, "listening for the operator");
        serve_router(listener, router, Timeouts::default(), pending()).await
    })
}

/// At each SIGHUP reads the settings again, and sets the limits. Wrong ones change nothing.
async fn reload<S: Store>(
    mut hangups: HangupSignals,
    options: &ServerOptions,
    in_force: Settings,
    store: StoreChoice,
    rendezvous: &Rendezvous<S>,
) -> Infallible {
    loop {
        hangups.next().await;
        match options.load() {
            Err(error) => {
                tracing::error!(%error, "the settings are wrong, and those in force stay")
            }
            Ok(loaded) => {
                rendezvous.set_limits(loaded.config.limits);
                let settings = in_force.with_limits_of(&loaded.settings);
                let restart = settings != loaded.settings || store != loaded.store;
                tracing::info!("set the limits anew");
                if restart {
                    tracing::warn!("other settings have changed too: they take a restart");
                }
            }
        }
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
    reason = "what says why the server does not run, whatever the log filter"
)]
fn fail(error: &StartError) -> ExitCode {
    eprintln!("matrix-qr-rendezvous: {error}");
    let settings = matches!(error, StartError::Settings(_));
    ExitCode::from(if settings { 2 } else { 1 })
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot start: {0}")]
    Runtime(io::Error),
    #[error(transparent)]
    Listen(#[from] ListenError),
    #[error(transparent)]
    Unhealthy(#[from] Unhealthy),
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error("cannot serve: {0}")]
    Serve(io::Error),
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] RedisTlsError),
}
