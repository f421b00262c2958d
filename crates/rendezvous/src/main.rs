//! The rendezvous server on the command line.

use std::{
    io::{self, IsTerminal},
    net::SocketAddr,
    process::ExitCode,
    time::Duration,
};

use clap::{Parser, value_parser};
use matrix_qr_rendezvous::{Config, Limits, Rendezvous, serve};
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;
use url::{Host, Url};

/// A rendezvous server for Matrix sign-in by QR code (MSC4108).
///
/// Two devices meet here for the minutes of a sign-in: one creates a session, shows its URL in a QR code, and
/// both leave each other small encrypted payloads at it. This server cannot read them. It keeps them in
/// memory, and forgets each session at its end.
///
/// It speaks plain HTTP. Put a proxy with TLS in front, and tell it with --public-url what clients call it:
///
///   matrix-qr-rendezvous --public-url https://rendezvous.example.org
///
/// Clients create sessions with a POST to /_matrix/client/v1/rendezvous, to
/// /_matrix/client/unstable/org.matrix.msc4108/rendezvous, or to --create-path. In front of a homeserver,
/// route the first two here. Or let the homeserver answer them with a 307 to here, as Synapse does with
/// `msc4108_delegation_endpoint` set to the public URL. Sessions are below /rendezvous/. The proxy must pass
/// on the headers If-Match, If-None-Match and Prefer, must not buffer a request into chunks, and should not
/// log paths: who knows one can use the session.
///
/// SIGTERM or Ctrl-C stops it: requests under way are answered first, for at most 20 seconds. Sessions end
/// with it. It logs to standard error, without session ids, payloads or addresses; RUST_LOG=debug shows each
/// request's method and status. It exits with 1 when it cannot start, and with 2 when the command line is
/// wrong.
#[derive(Parser)]
#[command(name = "matrix-qr-rendezvous", version, max_term_width = 100)]
struct Options {
    /// The address to listen on; port 0 takes a free one, and the log says which.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8090")]
    listen: SocketAddr,

    /// What clients call this server; session URLs start with it. https, unless it is on this machine. If it
    /// has a path, the proxy must take that path off.
    #[arg(long, value_name = "URL", value_parser = public_url)]
    public_url: Url,

    /// One more path that creates sessions, for clients that a homeserver sends here.
    #[arg(long, value_name = "PATH", default_value = "/", value_parser = create_path)]
    create_path: String,

    /// How long a session lives, in seconds. No write extends it.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    #[arg(value_parser = value_parser!(u64).range(1..=86_400))]
    lifetime: u64,

    /// How many sessions may live at once (4.5 KiB each, at most). Further ones are refused until one ends.
    #[arg(long, value_name = "N", default_value_t = 10_000)]
    #[arg(value_parser = value_parser!(u32).range(1..))]
    max_sessions: u32,
}

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    log_to_stderr();
    match run(options).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            fail(&error);
            ExitCode::FAILURE
        }
    }
}

async fn run(options: Options) -> Result<(), StartError> {
    let stop = stop_signal().map_err(StartError::Signals)?;
    let listener = TcpListener::bind(options.listen)
        .await
        .map_err(|source| StartError::Listen { address: options.listen, source })?;
    let address = listener.local_addr().map_err(StartError::Serve)?;
    tracing::info!(%address, public_url = %options.public_url, "listening");
    serve(listener, Rendezvous::new(config(options)), stop).await.map_err(StartError::Serve)?;
    tracing::info!("stopped");
    Ok(())
}

fn config(options: Options) -> Config {
    Config {
        create_path: options.create_path,
        lifetime: Duration::from_secs(options.lifetime),
        limits: Limits {
            max_sessions: usize::try_from(options.max_sessions).unwrap_or(usize::MAX),
            ..Limits::default()
        },
        ..Config::new(options.public_url)
    }
}

fn public_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    let on_this_machine = match url.host() {
        None => return Err("it has no host".to_owned()),
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
    };
    if !matches!((url.scheme(), on_this_machine), ("https", _) | ("http", true)) {
        return Err(
            "it must be https: clients refuse anything else that is not on their own machine".to_owned()
        );
    }
    if url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err("a scheme, a host, a port and a path is all that it may have".to_owned());
    }
    Ok(url)
}

fn create_path(text: &str) -> Result<String, String> {
    if !text.starts_with('/') || !text.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte)) {
        return Err("it must be a path: start with a slash, no question mark, hash or space".to_owned());
    }
    if text.starts_with("/rendezvous/") {
        return Err("the sessions are below /rendezvous/".to_owned());
    }
    Ok(text.to_owned())
}

fn log_to_stderr() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let ansi = io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(ansi).init();
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

#[allow(
    clippy::print_stderr,
    reason = "the one line that says why the server does not run, whatever the log filter"
)]
fn fail(error: &StartError) {
    eprintln!("matrix-qr-rendezvous: {error}");
}

#[derive(Debug, thiserror::Error)]
enum StartError {
    #[error("cannot listen on {address}: {source}. Is another server there? Choose with --listen")]
    Listen { address: SocketAddr, source: io::Error },
    #[error("cannot wait for signals: {0}")]
    Signals(io::Error),
    #[error("cannot serve: {0}")]
    Serve(io::Error),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_public_url_is_https_or_on_this_machine() {
        for good in [
            "https://a.example",
            "https://a.example/b/",
            "http://localhost:1",
            "http://127.0.0.1",
            "http://[::1]:1",
        ] {
            assert!(public_url(good).is_ok(), "{good}");
        }
        for bad in [
            "a.example",
            "http://a.example",
            "http://localhost.example",
            "ftp://localhost",
            "data:,x",
            "https://a.example/?b",
            "https://a.example/#b",
            "https://user:pass@a.example",
        ] {
            assert!(public_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn the_create_path_is_a_path_of_its_own() {
        for (path, good) in
            [("/", true), ("/a/{b}", true), ("a", false), ("/a?b", false), ("/rendezvous/a", false)]
        {
            assert_eq!(create_path(path).is_ok(), good, "{path}");
        }
    }
}
