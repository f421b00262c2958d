//! `completions` and `man`, generated from the definitions of the command line.

use std::io::{self, Write as _};

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::{
    args::{self, CommandLine},
    exit::Failure,
};

pub(crate) fn print(args: &args::CompletionsArgs) -> Result<(), Failure> {
    // The reader has closed the other end, so nobody would read the error.
    let _ = io::stdout().lock().write_all(&script(args.shell));
    Ok(())
}

/// Into memory first: the library panics if it cannot write.
fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut CommandLine::command(), "matrix-qr", &mut script);
    script
}

/// A page for the program and one for each command.
pub(crate) fn man(args: &args::ManArgs) -> Result<(), Failure> {
    clap_mangen::generate_to(CommandLine::command(), &args.directory).map_err(|error| {
        let what = format!(
            "the pages could not be written to {}: {error}",
            args.directory.display()
        );
        Failure::here(what, "Name a directory that exists.")
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn each_command_is_completed_and_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        man(&args::ManArgs {
            directory: directory.path().to_owned(),
        })
        .unwrap();
        let page = |name: &str| std::fs::read_to_string(directory.path().join(name)).unwrap();
        assert!(page("matrix-qr.1").contains("Exit codes"));
        let scripts = [Shell::Bash, Shell::Zsh, Shell::Fish]
            .map(|shell| String::from_utf8(script(shell)).unwrap());
        for command in CommandLine::command()
            .get_subcommands()
            .filter(|command| !command.is_hide_set())
        {
            let name = command.get_name();
            assert!(
                page(&format!("matrix-qr-{name}.1")).contains("SYNOPSIS"),
                "{name}"
            );
            assert!(scripts.iter().all(|script| script.contains(name)), "{name}");
        }
        assert!(!directory.path().join("matrix-qr-man.1").exists());
    }

    #[test]
    fn a_directory_that_is_not_there_is_said() {
        assert!(
            man(&args::ManArgs {
                directory: "no/such/directory".into()
            })
            .is_err()
        );
    }
}
