//! `matrix-qr`: sign in a Matrix device by QR code, from the terminal.

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
mod inspect;
mod keyboard;
mod link;
mod logging;
mod login;
mod measure;
mod new_file;
mod output;
mod person;
mod progress;
mod qr_picture;
mod qr_text;
mod restore_keys;
mod sandbox;
mod scan;
mod terminal;
mod typed;

use std::process::ExitCode;

use clap::Parser as _;
use tokio::runtime::Runtime;

use crate::{
    args::{Args, Command},
    exit::{Exit, Failure},
    output::Output,
};

fn main() -> ExitCode {
    let args = match Args::try_parse() {
        Ok(args) => args,
        Err(error) => return no_command(&error).into(),
    };
    output::use_colours(args.color);
    logging::start(args.verbose);
    let exit = match run(&args.command) {
        Ok(exit) => exit,
        Err(failure) => {
            Output::new(args.command.is_json()).failure(&failure);
            failure.exit
        }
    };
    exit.into()
}

/// A help text, or what is wrong with the command; that is for a script, too, if one asked.
fn no_command(error: &clap::Error) -> Exit {
    if error.use_stderr() && std::env::args_os().any(|arg| arg == "--json") {
        let failure = Failure::wrong_command(error);
        Output::Json.failure(&failure);
        return failure.exit;
    }
    // Whoever closed the other end does not want to know.
    let _ = error.print();
    if error.use_stderr() {
        Exit::Usage
    } else {
        Exit::Done
    }
}

fn run(command: &Command) -> Result<Exit, Failure> {
    let runtime = Runtime::new()
        .map_err(|error| Failure::here(format!("no threads: {error}"), "Begin again."))?;
    let result = runtime.block_on(dispatch(command));
    // A thread may still wait for a line from the keyboard: nobody waits for it.
    runtime.shutdown_background();
    result
}

/// A command that ends, has done what it is for; an examination has, whatever it found.
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
        Command::Completions(args) => completions::print(args),
        Command::Man(args) => completions::man(args),
    }?;
    Ok(Exit::Done)
}
