//! `inspect`, `doctor`, `completions` and `man`: no session is needed.

use std::path::PathBuf;

use clap::Args;
use matrix_qr_protocol::homeserver::HomeserverAddress;

use crate::typed;

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// A picture, a file with the code as text, the text itself (base64 or hexadecimal), or `-` for
    /// standard input
    #[arg(value_name = "PICTURE|TEXT|-")]
    pub(crate) code: String,

    /// Print one JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    /// The homeserver: its URL, or its server name, which also examines how clients find the URL
    #[arg(value_name = "HOMESERVER", value_parser = typed::homeserver)]
    pub(crate) homeserver: HomeserverAddress,

    /// Allow http to this machine itself, for the sandbox; everything else must be https
    #[arg(long)]
    pub(crate) allow_loopback_http: bool,

    /// Print one JSON object per line on standard output: each finding, and a summary at the end
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// The directory for the pages, which must exist
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}
