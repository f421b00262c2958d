//! The command line: the commands, and in the files below what each of them takes.

mod demo;
mod device;
mod drawing;
mod exchange;
mod helper;
mod sandbox;
mod shared;
mod sign_in;
mod tools;
mod web;

use clap::{ArgAction, Parser, Subcommand, ValueEnum};

pub(crate) use self::{
    demo::{DemoArgs, ShownByChoice},
    device::{LogoutArgs, RestoreKeysArgs, SessionArgs, TokenArgs},
    drawing::{DrawingArgs, QrBackground, QrStyle},
    exchange::{DialectChoice, ExchangeArgs, RevisionChoice, endpoint},
    helper::HelperArgs,
    sandbox::SandboxArgs,
    shared::{DirectoryArgs, OnlineArgs, PassphraseArgs},
    sign_in::{AnnounceChoice, LinkArgs, LoginArgs},
    tools::{CompletionsArgs, DoctorArgs, InspectArgs, ManArgs},
    web::WebArgs,
};
use crate::{
    exit::Exit::{Cancelled, Done, Failed, LeftAtOnce, Network, NotReady, QrCode, Server, Usage},
    exit::{self, Exit},
    help,
};

/// Sign in a Matrix device by QR code, from the terminal.
#[derive(Debug, Parser)]
#[command(name = "matrix-qr", version, about, long_about = help::ABOUT)]
#[command(after_help = help::START, after_long_help = long(help::START, &exit::all()))]
#[command(arg_required_else_help = true, disable_help_subcommand = true)]
pub(crate) struct CommandLine {
    #[command(subcommand)]
    pub(crate) command: Command,

    /// Colours: auto, always or never; NO_COLOR is respected, too
    #[arg(long, global = true, value_enum, default_value_t, value_name = "WHEN")]
    #[arg(
        hide_possible_values = true,
        hide_default_value = true,
        display_order = 900
    )]
    pub(crate) color: ColorWhen,

    /// Log to standard error; repeat the option for more detail, or set MATRIX_QR_LOG=debug
    #[arg(short, long, global = true, action = ArgAction::Count, display_order = 901)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Clone, Copy, Default, ValueEnum)]
pub(crate) enum ColorWhen {
    /// In a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    Always,
    Never,
}

/// Each command names the exit codes with which it can end. [`exit::table`] explains them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Watch a complete sign-in, with both devices and all servers in one process
    #[command(after_help = help::DEMO, after_long_help = long(help::DEMO, &exit::all()))]
    Demo(DemoArgs),
    /// Run your own homeserver to try `login` and `link` against, on this machine only
    #[command(after_help = help::SANDBOX)]
    #[command(after_long_help = long(
        &format!("{}\n\n{}", help::SANDBOX, help::faults()),
        &[Done, Failed, Usage, Server, Network, NotReady, LeftAtOnce]
    ))]
    Sandbox(SandboxArgs),
    /// Sign in this device, with the help of one that is already signed in
    #[command(after_help = help::LOGIN, after_long_help = long(help::LOGIN, &exit::all()))]
    Login(LoginArgs),
    /// Sign in another device, with the help of this one, which is already signed in
    #[command(after_help = help::LINK, after_long_help = long(help::LINK, &exit::all()))]
    Link(LinkArgs),
    /// Show what a QR code contains, without contacting any server
    #[command(after_help = help::INSPECT)]
    #[command(after_long_help = long(help::INSPECT, &[Done, Failed, Usage, QrCode]))]
    Inspect(InspectArgs),
    /// Examine a homeserver: does sign-in by QR code work there, and if not, why?
    #[command(after_help = help::DOCTOR)]
    #[command(after_long_help = long(
        help::DOCTOR,
        &[Done, Failed, Usage, Cancelled, Server, LeftAtOnce]
    ))]
    Doctor(DoctorArgs),
    /// Show who is signed in here, and whether the homeserver still accepts it; no secrets
    #[command(after_help = help::SESSION)]
    #[command(after_long_help = long(help::SESSION, &[Done, Failed, Usage, NotReady]))]
    Session(SessionArgs),
    /// Print an access token for another program, valid for at least a minute
    #[command(after_help = help::TOKEN)]
    #[command(after_long_help = long(
        help::TOKEN,
        &[Done, Failed, Usage, Server, Network, NotReady]
    ))]
    Token(TokenArgs),
    /// Fetch the keys of old messages from the key backup
    #[command(after_help = help::RESTORE_KEYS)]
    #[command(after_long_help = long(
        help::RESTORE_KEYS,
        &[Done, Failed, Usage, Server, Network, NotReady]
    ))]
    RestoreKeys(RestoreKeysArgs),
    /// Sign this device out: its access ends, and its keys are deleted here
    #[command(after_help = help::LOGOUT)]
    #[command(after_long_help = long(
        help::LOGOUT,
        &[Done, Failed, Usage, Cancelled, Server, Network, NotReady, LeftAtOnce]
    ))]
    Logout(LogoutArgs),
    /// Sign in devices for another program, which asks and answers in JSON (JSON-RPC)
    #[command(after_help = help::HELPER)]
    #[command(after_long_help = long(help::HELPER, &exit::all()))]
    Helper(HelperArgs),
    /// Print a shell's completion script for the commands and options of this program
    #[command(after_help = help::COMPLETIONS)]
    #[command(after_long_help = long(help::COMPLETIONS, &[Done, Failed, Usage]))]
    Completions(CompletionsArgs),
    /// Write the manual pages into a directory
    #[command(hide = true, after_long_help = exit::table(&[Done, Failed, Usage]))]
    Man(ManArgs),
}

/// The end of a long help text: the examples, then the exit codes.
fn long(text: &str, exits: &[Exit]) -> String {
    format!("{text}\n\n{}", exit::table(exits))
}

impl Command {
    /// Whether a script reads the output.
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
            Self::Helper(_) | Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_definitions_are_consistent() {
        CommandLine::command().debug_assert();
    }

    #[test]
    fn the_readme_shows_commands_that_exist() {
        let readme = include_str!("../README.md");
        let commands: Vec<_> = readme
            .lines()
            .filter(|line| line.starts_with("matrix-qr "))
            .map(|line| CommandLine::try_parse_from(line.split_whitespace()))
            .collect();
        assert_eq!(commands.len(), 7);
        for parsed in commands {
            assert!(parsed.is_ok(), "{}", parsed.unwrap_err());
        }
    }

    #[test]
    fn the_help_of_every_command_ends_with_its_exit_codes() {
        for command in CommandLine::command().get_subcommands_mut() {
            let help = command.render_long_help().to_string();
            let (_, codes) = help.rsplit_once("Exit codes:\n").unwrap_or_default();
            assert!(codes.starts_with("    0  done\n"), "{help}");
            let mut lines = codes.trim_end().lines();
            assert!(lines.all(|line| line.starts_with("  ")), "{help}");
        }
    }
}
