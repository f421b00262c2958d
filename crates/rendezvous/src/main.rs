//! The rendezvous server on the command line.

mod settings;

use std::{
    convert::Infallible,
    fs,
    future::{Future, pending},
    io::{self, IsTerminal},
    net::SocketAddr,
    path::PathBuf,
    process::ExitCode,
};

use clap::{
    CommandFactory, FromArgMatches, Parser,
    error::{ContextKind, ContextValue, ErrorKind},
};
use matrix_qr_rendezvous::{Memory, Rendezvous, Store, Timeouts, serve, serve_router};
#[cfg(feature = "redis")]
use matrix_qr_rendezvous::{Redis, RedisTlsError};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use self::settings::{Chosen, ChosenStore, LogFormat, Settings, SettingsError, StoreUrl, environment};

/// A rendezvous server for Matrix sign-in by QR code (MSC4108, MSC4388).
///
/// Two devices meet here for the minutes of a sign-in: one creates a session, shows its URL in a QR code, and
/// both leave each other small encrypted payloads at it. This server cannot read them. It keeps them in
/// memory, or in a Redis that several instances share, and forgets each session at its end.
///
/// It speaks plain HTTP. Put a proxy with TLS in front, and tell it with --public-url what clients call it:
///
///   matrix-qr-rendezvous --public-url https://rendezvous.example.org
///
/// Clients create sessions with a POST to /_matrix/client/v1/rendezvous, to
/// /_matrix/client/unstable/org.matrix.msc4108/rendezvous, or to --create-path. In front of a homeserver,
/// route the first two here. Or let the homeserver answer them with a 307 to here, as Synapse does with
/// `msc4108_delegation_endpoint` set to the public URL. Sessions are below /rendezvous/. The proxy must pass
/// on the headers If-Match, If-None-Match and Prefer, must say in X-Forwarded-For who asks, must not buffer a
/// request into chunks, and should not log paths: who knows one can use the session.
///
/// The coming revision (MSC4388) has JSON, and sessions below the paths where they are created:
/// /_matrix/client/v1/rendezvous again, and /_matrix/client/unstable/io.element.msc4388/rendezvous. Its QR code
/// names the homeserver, so the homeserver's own proxy must send both paths, and what is below them, here. With
/// --homeserver only that homeserver's users create such sessions.
///
/// Every setting can be a flag, an environment variable, or a line of a TOML file (--config), and is taken
/// from the first of these that has it. In the file it has the name of the flag, and the limits are in a
/// table of their own: [limits].
///
/// SIGHUP reads the file again and sets the limits. SIGTERM or Ctrl-C stops the server: requests under way are
/// answered first, for at most 20 seconds. Sessions in memory end with it. It logs to standard error, without
/// session ids, payloads or addresses; RUST_LOG=debug shows each request's method and status. It exits with 1
/// when it cannot start, and with 2 when a setting is wrong.
#[derive(Parser)]
#[command(name = "matrix-qr-rendezvous", version, max_term_width = 100)]
struct Options {
    /// A file with settings.
    #[arg(long, env = "MATRIX_QR_RENDEZVOUS_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,

    /// Prints all settings as they are in force, as such a file, and ends.
    #[arg(long)]
    print_config: bool,

    /// Checks the settings, says what is wrong, and ends.
    #[arg(long)]
    check_config: bool,

    #[command(flatten)]
    settings: Settings,
}

impl Options {
    fn load(&self) -> Result<Chosen, SettingsError> {
        settings::load(&self.settings, self.config.as_ref())
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let command = environment::without_empty(Options::command());
    let unknown = environment::unknown(&command);
    let options = match options(command) {
        Ok(options) => options,
        Err(error) => error.exit(),
    };
    let mut chosen = match options.load() {
        Ok(chosen) => chosen,
        Err(error) => return fail(&error.into(), 2),
    };
    chosen.warnings.extend(unknown);
    if options.check_config || options.print_config {
        return show(&options, &chosen);
    }
    log_to_stderr(chosen.settings.log_format.unwrap_or_default());
    for warning in &chosen.warnings {
        tracing::warn!("{warning}");
    }
    match run(&options, chosen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(&error, 1),
    }
}

fn options(mut command: clap::Command) -> Result<Options, clap::Error> {
    let matches = command.try_get_matches_from_mut(std::env::args_os()).map_err(without_stray_value)?;
    let mut options = Options::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    options.settings = options.settings.placed(&matches);
    Ok(options)
}

/// What stands alone among the arguments may be a part of a secret: `--store redis://:pass word@host`.
fn without_stray_value(mut error: clap::Error) -> clap::Error {
    let stray = |value: &ContextValue| !matches!(value, ContextValue::String(text) if text.starts_with('-'));
    if error.kind() == ErrorKind::UnknownArgument && error.get(ContextKind::InvalidArg).is_some_and(stray) {
        error.insert(ContextKind::InvalidArg, ContextValue::String("(not shown)".to_owned()));
        error.remove(ContextKind::Suggested);
    }
    error
}

#[allow(clippy::print_stdout, reason = "this is what was asked for")]
#[allow(clippy::print_stderr, reason = "there is no log here")]
fn show(options: &Options, Chosen { settings, warnings, .. }: &Chosen) -> ExitCode {
    for warning in warnings {
        eprintln!("matrix-qr-rendezvous: {warning}");
    }
    if options.print_config {
        print!("{}", toml::to_string(settings).unwrap_or_default());
    } else {
        println!("The settings are fine.");
    }
    ExitCode::SUCCESS
}

async fn run(options: &Options, chosen: Chosen) -> Result<(), StartError> {
    match &chosen.store.url {
        StoreUrl::Memory => with_store(Memory::default(), options, chosen).await,
        #[cfg(feature = "redis")]
        StoreUrl::Redis(url) => {
            let store = Redis::with_certificates(url, &chosen.store.certificates)?;
            with_store(store, options, chosen).await
        }
    }
}

async fn with_store<S: Store>(store: S, options: &Options, mut chosen: Chosen) -> Result<(), StartError> {
    let stop = stop_signal().map_err(StartError::Signals)?;
    keep_to_open_files(&mut chosen);
    let (listener, address) = listen(chosen.listen, "--listen").await?;
    let rendezvous = Rendezvous::with_store(store, chosen.config.clone());
    let operations = operations(chosen.settings.metrics_listen, &rendezvous).await?;
    let reload =
        reload(options, chosen.settings, chosen.store.clone(), &rendezvous).map_err(StartError::Signals)?;
    tracing::info!(%address, public_url = %chosen.config.public_url, store = %chosen.store.url, "listening");
    let served = tokio::select! {
        served = serve(listener, rendezvous.clone(), stop) => served,
        ended = operations => ended,
        never = reload => match never {},
    };
    served.map_err(StartError::Serve)?;
    tracing::info!("stopped");
    Ok(())
}

async fn listen(address: SocketAddr, flag: &'static str) -> Result<(TcpListener, SocketAddr), StartError> {
    let refused = |source| StartError::Listen { address, source, flag };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let address = listener.local_addr().map_err(refused)?;
    Ok((listener, address))
}

/// The operator's listener, if one is wanted. It ends with the process.
async fn operations<S: Store>(
    address: Option<SocketAddr>,
    rendezvous: &Rendezvous<S>,
) -> Result<impl Future<Output = io::Result<()>> + use<S>, StartError> {
    let listener = match address {
        Some(address) => Some(listen(address, "--metrics-listen").await?),
        None => None,
    };
    let router = rendezvous.operations();
    Ok(async move {
        let Some((listener, address)) = listener else { return pending().await };
        tracing::info!(%address, "listening for the operator");
        serve_router(listener, router, Timeouts::default(), pending()).await
    })
}

/// At each SIGHUP reads the settings again, and sets the limits. Wrong ones change nothing.
#[cfg(unix)]
fn reload<S: Store>(
    options: &Options,
    in_force: Settings,
    store: ChosenStore,
    rendezvous: &Rendezvous<S>,
) -> io::Result<impl Future<Output = Infallible>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        loop {
            hangup.recv().await;
            match options.load() {
                Err(error) => tracing::error!(%error, "the settings are wrong, and those in force stay"),
                Ok(chosen) => {
                    rendezvous.set_limits(chosen.config.limits);
                    let settings = in_force.with_limits_of(&chosen.settings);
                    let restart = settings != chosen.settings || store != chosen.store;
                    tracing::info!("set the limits anew");
                    if restart {
                        tracing::warn!("other settings have changed too: they take a restart");
                    }
                }
            }
        }
    })
}

/// There is no such signal here.
#[cfg(not(unix))]
fn reload<S: Store>(
    _: &Options,
    _: Settings,
    _: ChosenStore,
    _: &Rendezvous<S>,
) -> io::Result<impl Future<Output = Infallible>> {
    Ok(pending())
}

/// Each connection is an open file to the system, and when there are no more it takes none.
fn keep_to_open_files(Chosen { settings, config, .. }: &mut Chosen) {
    let files = fs::read_to_string("/proc/self/limits").ok().and_then(|limits| open_files(&limits));
    let Some(most) = files.map(|files| files.saturating_sub(OTHER_FILES).max(1)) else { return };
    if settings.max_connections.is_some() && most < config.max_connections {
        tracing::warn!(
            max_connections = most,
            "the system allows no more connections than that: raise LimitNOFILE (ulimit -n)"
        );
    }
    config.max_connections = config.max_connections.min(most);
}

/// What is not a connection of a client: listeners, the store, the log, the runtime's own.
const OTHER_FILES: usize = 32;

fn open_files(limits: &str) -> Option<usize> {
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn log_to_stderr(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        LogFormat::Text => log.with_ansi(io::stderr().is_terminal()).init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Done at the first SIGTERM or Ctrl-C. Both are caught before the server listens.
#[cfg(unix)]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("stopping");
    })
}

/// Done at the first Ctrl-C.
#[cfg(not(unix))]
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
        tracing::info!("stopping");
    })
}

#[allow(clippy::print_stderr, reason = "what says why the server does not run, whatever the log filter")]
fn fail(error: &StartError, code: u8) -> ExitCode {
    eprintln!("matrix-qr-rendezvous: {error}");
    ExitCode::from(code)
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error(transparent)]
    Settings(#[from] SettingsError),
    #[error("cannot listen on {address}: {source}. Is another server there? Choose with {flag}")]
    Listen { address: SocketAddr, source: io::Error, flag: &'static str },
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error("cannot serve: {0}")]
    Serve(io::Error),
    #[cfg(feature = "redis")]
    #[error(transparent)]
    Redis(#[from] RedisTlsError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_bound_is_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            1024                 524288               files     \n";
        assert_eq!(open_files(limits), Some(1024));
        assert_eq!(
            open_files("Max open files            unlimited            unlimited            files"),
            None
        );
    }
}
