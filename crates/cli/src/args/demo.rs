//! `demo`

use clap::{ArgGroup, Args, ValueEnum};
use matrix_qr_device::Showing;
use matrix_qr_sandbox::Fault;

use super::{
    exchange::{DialectChoice, RevisionChoice},
    web::WebArgs,
};

#[derive(Debug, Args)]
#[command(group = ArgGroup::new("no_terminal").args(["auto", "web"]))]
pub(crate) struct DemoArgs {
    /// Act as the user, too: confirm whose the new device is, type the digits, and agree to the
    /// sign-in
    #[arg(long)]
    pub(crate) auto: bool,

    /// How many seconds the simulated user takes for each of these steps
    #[arg(long, requires = "auto", default_value_t = 0, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(..=60))]
    pub(crate) person_takes: u64,

    /// Which device shows the QR code
    #[arg(long, value_enum, default_value = "new", value_name = "DEVICE")]
    pub(crate) shown_by: ShownByChoice,

    /// Which proposal the device that shows the code follows
    #[arg(long, value_enum, default_value_t = Showing::default().into(), value_name = "REVISION")]
    pub(crate) revision: RevisionChoice,

    /// Which reading of the key derivation the devices follow
    #[arg(
        long,
        value_enum,
        default_value = "as-deployed",
        value_name = "READING"
    )]
    pub(crate) dialect: DialectChoice,

    /// Run four sign-ins, one after the other: either device shows the code, in both dialects
    #[arg(long, conflicts_with_all = ["shown_by", "dialect", "web"])]
    pub(crate) all_paths: bool,

    /// Let the servers misbehave in this way once the account is set up; can be given several
    /// times. `matrix-qr sandbox --help` lists all ways
    #[arg(long, value_name = "NAME")]
    pub(crate) misbehave: Vec<Fault>,

    #[command(flatten)]
    pub(crate) web: WebArgs,

    /// Print one JSON object per line on standard output: events, and a summary at the end
    #[arg(long, requires = "no_terminal")]
    pub(crate) json: bool,
}

/// Which device shows the QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShownByChoice {
    /// The device that is being signed in
    New,
    /// The device that is already signed in
    Existing,
}
