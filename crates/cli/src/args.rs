//! The command line.

mod exchange;
mod look;
mod sandbox;

use std::path::PathBuf;

use clap::{ArgAction, Args as ClapArgs, Parser, Subcommand, ValueEnum};
use matrix_qr_device::{Announce, DeviceName, OwnedUserId, Showing};
use matrix_qr_protocol::homeserver::HomeserverAddress;

pub(crate) use self::{
    exchange::{Exchange, Reading, Revision},
    look::{Background, Look, Style},
    sandbox::Sandbox,
};
use crate::{exit, help, typed};

/// Sign in a Matrix device by QR code, from the terminal.
#[derive(Debug, Parser)]
#[command(name = "matrix-qr", version, about, long_about = help::ABOUT, after_help = help::START, after_long_help = format!("{}\n\n{}", help::START, exit::table()))]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Colours: auto, always or never; NO_COLOR is respected, too
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    #[arg(
        hide_possible_values = true,
        hide_default_value = true,
        display_order = 900
    )]
    pub(crate) color: Color,

    /// Say on standard error what goes on inside, twice for more; or set MATRIX_QR_LOG=debug
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 901)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum Color {
    /// In a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch a whole sign-in, with both devices and all servers in this one process
    #[command(after_help = help::DEMO)]
    Demo(Demo),
    /// Run a homeserver of your own to try `login` and `link` against, on this machine only
    #[command(after_help = help::SANDBOX, after_long_help = format!("{}\n\n{}", help::SANDBOX, help::faults()))]
    Sandbox(Sandbox),
    /// Sign in this device, with the help of one that is signed in already
    #[command(after_help = help::LOGIN, after_long_help = format!("{}\n\n{}", help::LOGIN, exit::table()))]
    Login(Login),
    /// Sign in another device, with this one that is signed in already
    #[command(after_help = help::LINK, after_long_help = format!("{}\n\n{}", help::LINK, exit::table()))]
    Link(Link),
    /// Say what is in a QR code, without contacting anyone
    #[command(after_help = help::INSPECT)]
    Inspect(Inspect),
    /// Examine a homeserver: does signing in by QR code work there, and if not, why
    #[command(after_help = help::DOCTOR)]
    Doctor(Doctor),
    /// Show who is signed in here, and whether the homeserver still takes it; no secrets
    #[command(after_help = help::SESSION)]
    Session(Session),
    /// Print an access token for another program, good for at least a minute
    #[command(after_help = help::TOKEN)]
    Token(Token),
    /// Bring the keys of old messages from the key backup
    #[command(after_help = help::RESTORE_KEYS)]
    RestoreKeys(RestoreKeys),
    /// Sign this device out: its access ends, and its keys here are wiped
    #[command(after_help = help::LOGOUT)]
    Logout(Logout),
    /// Print what makes a shell complete the commands and options of this program
    #[command(after_help = help::COMPLETIONS)]
    Completions(Completions),
    /// Write the manual pages into a directory
    #[command(hide = true)]
    Man(Man),
}

impl Command {
    /// Whether a script reads what it says.
    pub(crate) fn is_json(&self) -> bool {
        match self {
            Self::Demo(args) => args.json,
            Self::Sandbox(args) => args.json,
            Self::Login(args) => args.online.json,
            Self::Link(args) => args.online.json,
            Self::Inspect(args) => args.json,
            Self::Doctor(args) => args.json,
            Self::Session(args) => args.json,
            Self::Token(args) => args.online.json,
            Self::RestoreKeys(args) => args.online.json,
            Self::Logout(args) => args.online.json,
            Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

/// Which device shows the QR code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ShownBy {
    /// The device that is being signed in
    New,
    /// The device that is signed in already
    Existing,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Demo {
    /// Play the person, too: compare the digits, agree to the sign-in
    #[arg(long)]
    pub(crate) auto: bool,

    /// How many seconds the played person takes over each of the two
    #[arg(long, requires = "auto", default_value_t = 0, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(..=60))]
    pub(crate) person_takes: u64,

    /// Which device shows the QR code
    #[arg(long, value_enum, default_value = "new", value_name = "DEVICE")]
    pub(crate) shown_by: ShownBy,

    /// Which proposal the device that shows the code follows
    #[arg(long, value_enum, default_value_t = Showing::default().into(), value_name = "REVISION")]
    pub(crate) revision: Revision,

    /// Which reading of the key derivation is followed
    #[arg(
        long,
        value_enum,
        default_value = "as-deployed",
        value_name = "READING"
    )]
    pub(crate) dialect: Reading,

    /// Four sign-ins, one after the other: either device shows the code, in both dialects
    #[arg(long, conflicts_with_all = ["shown_by", "dialect"])]
    pub(crate) all_paths: bool,

    /// One JSON object a line on standard output: events, and a summary at the end
    #[arg(long, requires = "auto")]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Login {
    /// The homeserver whose rendezvous server is used: a server name, a user ID or a URL. Asked for
    /// when missing
    #[arg(long, value_name = "NAME|URL", value_parser = typed::homeserver, conflicts_with_all = ["rendezvous", "scan"])]
    pub(crate) homeserver: Option<HomeserverAddress>,

    /// The only account that this device may be signed in to; without it you are asked. Also names
    /// the homeserver
    #[arg(long, value_name = "@USER:SERVER", value_parser = typed::user_id)]
    pub(crate) user: Option<OwnedUserId>,

    /// What this device is called in the account; by default the host's name and the program's
    #[arg(long, value_name = "NAME", value_parser = DeviceName::parse)]
    pub(crate) device_name: Option<DeviceName>,

    #[command(flatten)]
    pub(crate) exchange: Exchange,

    /// A client ID that the authorization server knows already, instead of registering one
    #[arg(long, value_name = "ID")]
    pub(crate) client_id: Option<String>,

    #[command(flatten)]
    pub(crate) online: Online,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Link {
    #[command(flatten)]
    pub(crate) exchange: Exchange,

    /// How to name the homeserver to the new device in msc4108; some apps only know server names
    #[arg(long, value_enum, default_value = "base-url", value_name = "AS")]
    pub(crate) announce: Naming,

    /// Print the link to the consent page, do not open a browser
    #[arg(long)]
    pub(crate) no_browser: bool,

    #[command(flatten)]
    pub(crate) online: Online,
}

/// How the existing device names its homeserver to the new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Naming {
    /// The URL of its client API
    BaseUrl,
    /// The name in user IDs, which must lead to that URL (.well-known)
    ServerName,
}

impl From<Naming> for Announce {
    fn from(naming: Naming) -> Self {
        match naming {
            Naming::BaseUrl => Self::BaseUrl,
            Naming::ServerName => Self::ServerName,
        }
    }
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Inspect {
    /// A picture, a file with the code as text, the text itself (base64 or hexadecimal), or `-` for
    /// standard input
    #[arg(value_name = "PICTURE|TEXT|-")]
    pub(crate) code: String,

    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Doctor {
    /// The homeserver: the server name, which examines the way to it, too, or its URL
    #[arg(value_name = "HOMESERVER", value_parser = typed::homeserver)]
    pub(crate) homeserver: HomeserverAddress,

    /// Permit http to this machine itself, as the sandbox needs it; anything else must be https
    #[arg(long)]
    pub(crate) allow_loopback_http: bool,

    /// One JSON object a line on standard output: a finding each, and a summary at the end
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Session {
    /// Contact nobody: only say what is kept here
    #[arg(long)]
    pub(crate) offline: bool,

    #[command(flatten)]
    pub(crate) directory: Directory,

    /// Permit http to this machine itself, as the sandbox needs it; anything else must be https
    #[arg(long)]
    pub(crate) allow_loopback_http: bool,

    /// One JSON object on standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Token {
    /// For how many seconds the token must be good at least; it is refreshed where it is not
    #[arg(long = "for", default_value_t = 60, value_name = "SECONDS")]
    #[arg(value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub(crate) seconds: u64,

    #[command(flatten)]
    pub(crate) online: Online,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct RestoreKeys {
    /// Write all room keys of this device to a new file, too, encrypted with a passphrase; other
    /// apps import it
    #[arg(long, value_name = "FILE")]
    pub(crate) export: Option<PathBuf>,

    /// The file whose first line is the passphrase. Asked for when missing
    #[arg(long, value_name = "FILE", requires = "export")]
    pub(crate) passphrase_file: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) online: Online,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Completions {
    /// The shell
    #[arg(value_enum, value_name = "SHELL")]
    pub(crate) shell: clap_complete::Shell,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Man {
    /// Where the pages go: a directory that is there
    #[arg(value_name = "DIR")]
    pub(crate) directory: PathBuf,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Logout {
    /// Do not ask
    #[arg(long)]
    pub(crate) yes: bool,

    /// Only remove what is kept here, and contact nobody; the device stays in the account until it
    /// is removed there
    #[arg(long)]
    pub(crate) local: bool,

    #[command(flatten)]
    pub(crate) online: Online,
}

/// What every command needs that speaks to a server.
#[derive(Debug, ClapArgs)]
pub(crate) struct Online {
    #[command(flatten)]
    pub(crate) directory: Directory,

    /// Permit http to this machine itself, as the sandbox needs it; anything else must be https
    #[arg(long)]
    pub(crate) allow_loopback_http: bool,

    /// One JSON object a line on standard output; questions are answered a line each on standard
    /// input
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, ClapArgs)]
pub(crate) struct Directory {
    /// Where the session of this device is kept; a directory of your own by default
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Args::command().debug_assert();
    }
}
