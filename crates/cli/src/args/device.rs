//! `session`, `token`, `restore-keys` and `logout`: the device that is signed in here.

use std::path::PathBuf;

use clap::Args;

use super::shared::{DirectoryArgs, OnlineArgs, PassphraseArgs};

#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    /// Contact no server: show only what is stored here
    #[arg(long)]
    pub(crate) offline: bool,

    #[command(flatten)]
    pub(crate) directory: DirectoryArgs,

    /// Allow http to this machine itself, for the sandbox; everything else must be https
    #[arg(long)]
    pub(crate) allow_loopback_http: bool,

    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TokenArgs {
    /// For how many seconds the token must remain valid; otherwise it is refreshed
    #[arg(long = "for", default_value_t = 60, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,

    #[command(flatten)]
    pub(crate) online: OnlineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct RestoreKeysArgs {
    /// Also write all room keys of this device to a new file, encrypted with a passphrase; other
    /// apps can import it
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,

    /// The file whose first line is the passphrase of the exported keys; by default you are asked
    /// for one
    #[arg(long, value_name = "FILE", requires = "export")]
    pub(crate) export_passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) passphrase: PassphraseArgs,

    #[command(flatten)]
    pub(crate) online: OnlineArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// Do not ask for confirmation
    #[arg(long)]
    pub(crate) yes: bool,

    /// Contact no server and only remove what is stored here; the device stays in the account until
    /// you remove it there
    #[arg(long)]
    pub(crate) local: bool,

    #[command(flatten)]
    pub(crate) online: OnlineArgs,
}
