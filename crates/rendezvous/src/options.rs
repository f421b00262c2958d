//! The command line.

use std::path::PathBuf;

use clap::{
    Command, FromArgMatches, Parser, Subcommand,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{
    healthcheck::Healthcheck,
    settings::{self, LoadedSettings, Settings, SettingsError},
};

/// A rendezvous server for Matrix sign-in by QR code (MSC4108, MSC4388).
///
/// For the minutes of a sign-in two devices meet here: one creates a session and shows its URL in a
/// QR code; both then exchange small encrypted payloads through it. This server cannot read them.
/// It keeps them in memory, or in a Redis that several instances share, and forgets each session
/// when it ends.
///
/// It speaks plain HTTP. Put a proxy with TLS in front of it, and set --public-url to the URL under
/// which clients reach it:
///
///   matrix-qr-rendezvous --public-url https://rendezvous.example.org
///
/// Clients create sessions with a POST to /_matrix/client/v1/rendezvous, to
/// /_matrix/client/unstable/org.matrix.msc4108/rendezvous, or to --create-path. In front of a
/// homeserver, route the first two here. Or let the homeserver redirect them here with a 307, as
/// Synapse does when `msc4108_delegation_endpoint` is the public URL. Sessions are below
/// /rendezvous/. The proxy must pass on the headers If-Match, If-None-Match and Prefer, must name
/// the client in X-Forwarded-For, and should not log paths: whoever knows a session's path can use
/// the session.
///
/// The upcoming revision (MSC4388) uses JSON, and its sessions are below the paths where they are
/// created: /_matrix/client/v1/rendezvous again, and
/// /_matrix/client/unstable/io.element.msc4388/rendezvous. Its QR code names the homeserver, so the
/// homeserver's own proxy must route both paths, and everything below them, here. With --homeserver
/// only users of that homeserver can create such sessions.
///
/// Every setting can be a flag, an environment variable, or a line of a TOML file (--config), and
/// is taken from the first of these that has it. In the file a setting has the name of its flag,
/// and the limits are in a table of their own: [limits].
///
/// SIGHUP reloads the file and applies the limits. SIGTERM or Ctrl-C stops the server: it accepts
/// connections for --drain more seconds, and finishes requests in progress for at most 20 seconds;
/// a second signal ends it at once. Sessions in memory end with it. It logs to standard error,
/// without session IDs, payloads or addresses; RUST_LOG=debug logs the method and status of each
/// request. The exit code is 1 when the server cannot start or is not healthy, and 2 when a setting
/// is wrong.
#[derive(Parser)]
#[command(
    name = "matrix-qr-rendezvous",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
)]
pub(crate) struct ServerOptions {
    /// A file with settings.
    #[arg(
        long,
        env = "MATRIX_QR_RENDEZVOUS_CONFIG",
        value_name = "FILE",
        global = true
    )]
    pub(crate) config: Option<PathBuf>,

    /// Prints all settings in force, in the form of such a file, and exits.
    #[arg(long)]
    pub(crate) print_config: bool,

    /// Checks the settings, reports what is wrong, and exits.
    #[arg(long)]
    pub(crate) check_config: bool,

    #[command(flatten)]
    pub(crate) settings: Settings,

    #[command(subcommand)]
    pub(crate) command: Option<ServerCommand>,
}

/// What the program can do instead of serving.
#[derive(Subcommand)]
pub(crate) enum ServerCommand {
    /// Asks the server that runs with these settings, at --metrics-listen, whether it is alive;
    /// exits with 0 if it is and with 1 if it is not
    Healthcheck(Healthcheck),
}

impl ServerOptions {
    /// All settings, checked.
    pub(crate) fn load(&self) -> Result<LoadedSettings, SettingsError> {
        settings::load(&self.settings, self.config.as_ref())
    }
}

/// Parses the command line.
pub(crate) fn parse(mut command: Command) -> Result<ServerOptions, clap::Error> {
    let matches = command
        .try_get_matches_from_mut(std::env::args_os())
        .map_err(without_stray_value)?;
    let mut options =
        ServerOptions::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
    options.settings = options.settings.with_command_line_sources(&matches);
    Ok(options)
}

/// Text in the wrong place may be a part of a secret (`--store redis://:pass word@host`, `--listen
/// redis://:password@host`), so it is only shown if it looks like a flag.
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
