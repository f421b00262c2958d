//! Options of several commands.

use std::path::PathBuf;

use clap::Args;

/// What every command needs that contacts a server.
#[derive(Debug, Args)]
pub(crate) struct OnlineArgs {
    #[command(flatten)]
    pub(crate) directory: DirectoryArgs,

    /// Allow http to this machine itself, for the sandbox; everything else must be https
    #[arg(long)]
    pub(crate) allow_loopback_http: bool,

    /// Print one JSON object per line on standard output; answer each question with a line on
    /// standard input
    #[arg(long)]
    pub(crate) json: bool,
}

/// What every command needs that uses the keys of the device that is signed in here.
#[derive(Debug, Args)]
pub(crate) struct PassphraseArgs {
    /// The file whose first line is the passphrase of this device, if it was signed in with one;
    /// by default you are asked for it
    #[arg(long, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct DirectoryArgs {
    /// Where the session of this device is stored; by default in your own data directory
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}
