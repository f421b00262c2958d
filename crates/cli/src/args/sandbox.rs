//! `sandbox`

use std::path::PathBuf;

use clap::Args;
use matrix_qr_sandbox::Fault;
use url::Url;

#[derive(Debug, Args)]
pub(crate) struct Sandbox {
    /// The homeserver's port, or beside a Synapse the rendezvous server's; a free one by default
    #[arg(long, default_value_t, hide_default_value = true)]
    pub(crate) port: u16,

    /// Stand in front of this Synapse, on this machine, as its authorization server, instead of
    /// being a homeserver
    #[arg(long, value_name = "URL", requires_all = ["synapse_secret_file", "oauth_port"])]
    pub(crate) synapse: Option<Url>,

    /// The file with the secret of its `matrix_authentication_service`
    #[arg(long, value_name = "FILE", requires = "synapse")]
    pub(crate) synapse_secret_file: Option<PathBuf>,

    /// The authorization server's port, as Synapse's configuration names it; a free one by default
    #[arg(long, value_name = "PORT")]
    pub(crate) oauth_port: Option<u16>,

    /// The account's name; on a Synapse, one that is not there yet
    #[arg(long, value_name = "NAME", default_value = "alice")]
    pub(crate) account: String,

    /// How long an access token lives
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) token_lifetime: u64,

    /// Where the existing device's session goes: a directory that is not there yet. A temporary one
    /// by default
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Misbehave in this way; can be given several times. `--help` lists them all
    #[arg(long, value_name = "NAME")]
    pub(crate) misbehave: Vec<Fault>,

    /// One JSON object on standard output when it is ready
    #[arg(long)]
    pub(crate) json: bool,
}
