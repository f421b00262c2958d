//! `helper`

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct HelperArgs {
    /// Allow http to this machine itself, for the sandbox; everything else must be https
    #[arg(long)]
    pub(crate) allow_loopback_http: bool,
}
