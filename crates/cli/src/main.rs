//! `matrix-qr`: sign in a Matrix device by QR code, from the terminal.
//!
//! | module | what it has |
//! |---|---|
//! | `args`, `help`, `typed` | the command line, texts of `--help`, names as people type them |
//! | `login`, `link`, `scan`, `qr_text` | signing in, and reading the code of the other device |
//! | `person`, `progress` | the person at a sign-in: questions, the screen, events for scripts |
//! | `qr_picture`, `terminal`, `measure` | drawing a QR code, and finding one in a picture |
//! | `account`, `restore_keys`, `online` | the device that is signed in here |
//! | `helper` | sign-ins for another program, with JSON-RPC over standard input and output |
//! | `demo`, `sandbox`, `demo_account` | sign-ins against the servers of `matrix-qr-sandbox` |
//! | `inspect`, `doctor`, `completions` | the commands that need no session |
//! | `output`, `keyboard`, `cancel`, `logging`, `new_file` | output, input, signals, logs, files |
//! | `web` | the person at a page instead of the terminal |
//! | `passphrase` | a passphrase, from a file or from a person |
//! | `exit` | how a command fails, and the table of exit codes |
//!
//! `main` parses the command line (`args`) and runs the command. Each command prints its results
//! through `output` and returns a `Failure` from `exit` if it fails, which `main` prints. `login`
//! and `link` first read a code (`scan`) or let the device show one. Then `matrix-qr-device` runs
//! the sign-in, and `person` is its view of the person: it shows the code (`qr_picture`), asks the
//! questions (`keyboard`) and reports what happens (`progress`).

mod account;
mod args;
#[cfg(test)]
#[path = "../tests/terminal/camera.rs"]
mod camera;
mod cancel;
mod completions;
mod demo;
mod demo_account;
mod doctor;
mod exit;
mod help;
mod helper;
mod inspect;
mod keyboard;
mod link;
mod logging;
mod login;
mod measure;
mod new_file;
mod online;
mod output;
mod passphrase;
mod person;
mod progress;
mod qr_picture;
mod qr_text;
mod restore_keys;
mod sandbox;
mod scan;
mod terminal;
mod typed;
mod web;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::Runtime;

use crate::{
    args::{Command, CommandLine},
    exit::{Exit, Failure},
    output::Printer,
};

fn main() -> ExitCode {
    let args = match CommandLine::try_parse() {
        Ok(args) => args,
        Err(error) => return no_command(&error).into(),
    };
    output::use_colours(args.color);
    logging::start(args.verbose);
    let exit = match run(&args.command) {
        Ok(exit) => exit,
        Err(failure) => {
            Printer::new(args.command.is_json()).failure(&failure);
            failure.exit
        }
    };
    exit.into()
}

/// Prints a help text, or what is wrong with the command line; as JSON if a script asked for it.
fn no_command(error: &clap::Error) -> Exit {
    if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") {
        let failure = Failure::wrong_command(error);
        Printer::Json.failure(&failure);
        return failure.exit;
    }
    // The reader has closed the other end, so nobody would read the error.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    }
}

fn run(command: &Command) -> Result<Exit, Failure> {
    let runtime = Runtime::new().map_err(|error| {
        Failure::here(
            format!("the program could not start its threads: {error}"),
            "Try again.",
        )
    })?;
    let result = runtime.block_on(dispatch(command));
    // A thread may still wait for a line from the keyboard. Do not wait for it.
    runtime.shutdown_background();
    result
}

/// Runs the command. Only `doctor` and `helper` can end without an error and still not with
/// [`Exit::Done`].
async fn dispatch(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => demo::run(args).await,
        Command::Sandbox(args) => sandbox::run(args).await,
        Command::Login(args) => login::run(args).await,
        Command::Link(args) => link::run(args).await,
        Command::Inspect(args) => inspect::run(args),
        Command::Doctor(args) => return doctor::run(args).await,
        Command::Session(args) => account::session(args).await,
        Command::Token(args) => account::token(args).await,
        Command::RestoreKeys(args) => restore_keys::run(args).await,
        Command::Logout(args) => account::logout(args).await,
        Command::Helper(args) => return helper::run(args).await,
        Command::Completions(args) => completions::print(args),
        Command::Man(args) => completions::man(args),
    }?;
    Ok(Exit::Done)
}
