//! `sandbox`

use std::path::PathBuf;

use clap::Args;
use matrix_qr_sandbox::Fault;
use url::Url;

#[derive(Debug, Args)]
pub(crate) struct SandboxArgs {
    /// The port of the homeserver, or with --synapse of the rendezvous server; by default a free
    /// one
    #[arg(long, default_value_t, hide_default_value = true)]
    pub(crate) port: u16,

    /// Act as the authorization server of this Synapse, on this machine, instead of a homeserver
    #[arg(long, value_name = "URL", requires_all = ["synapse_secret_file", "oauth_port"])]
    pub(crate) synapse: Option<Url>,

    /// The file with the secret of the Synapse's `matrix_authentication_service`
    #[arg(long, value_name = "FILE", requires = "synapse")]
    pub(crate) synapse_secret_file: Option<PathBuf>,

    /// The port of the authorization server, which Synapse's configuration must name; by default a
    /// free one
    #[arg(long, value_name = "PORT")]
    pub(crate) oauth_port: Option<u16>,

    /// The name of the account; on a Synapse, it must not exist yet
    #[arg(long, value_name = "NAME", default_value = "alice")]
    pub(crate) account: String,

    /// How long access tokens are valid
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub(crate) token_lifetime: u64,

    /// Where to store the existing device's session: a directory that does not exist yet. By
    /// default a temporary one
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,

    /// Misbehave in this way; can be given several times. `--help` lists all ways
    #[arg(long, value_name = "NAME")]
    pub(crate) misbehave: Vec<Fault>,

    /// Print one JSON object on standard output when the sandbox is ready
    #[arg(long)]
    pub(crate) json: bool,
}
