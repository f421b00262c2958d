//! `cargo xtask reproducible`: builds the rendezvous server twice, in two directories, as `cargo
//! xtask dist` does, and compares the programs byte by byte. Everything is in `target/reproducible`.

mod sections;

use std::{process::Command, time::Instant};

use crate::{
    build::{Build, BuildFlags, SERVER},
    files::{bytes, empty},
    run::{TaskResult, run, said},
};

/// Where it all is, from the root of the checkout.
const PLACE: &str = "target/reproducible";
/// Two directories, whose names have not one length.
const DIRECTORIES: [&str; 2] = ["one", "another-one/with-a-longer-name"];

/// The whole task: it builds what is committed.
pub(crate) fn reproducible() -> TaskResult {
    // Once: somebody may commit meanwhile.
    let commit = said(
        Command::new("git").args(["rev-parse", "HEAD"]),
        "git rev-parse",
    )?;
    eprintln!("commit {}", commit.trim());
    let [one, another] = DIRECTORIES.map(|directory| build(directory, commit.trim()));
    let (one, another) = (one?, another?);
    let programs = (bytes(&one)?, bytes(&another)?);
    if programs.0 != programs.1 {
        let sections = sections::differing([&one, &another], [&programs.0, &programs.1])?;
        let sections = sections.join(", ");
        return Err(format!(
            "the programs differ, in these sections: {sections}"
        ));
    }
    eprintln!("the programs are the same; `cargo xtask dist` makes this one, too");
    Ok(())
}

/// Unpacks the commit into an empty directory, builds there, and returns the program's path.
fn build(directory: &str, commit: &str) -> Result<String, String> {
    let started = Instant::now();
    let directory = format!("{PLACE}/{directory}");
    empty(&directory)?;
    let script = format!("git archive {commit} | tar -x -C '{directory}'");
    run(Command::new("sh").args(["-c", &script]), "git archive")?;
    let flags = BuildFlags::of(&directory)?;
    let build = Build::dist(&flags)?;
    build.run(&directory, &[SERVER])?;
    let program = format!("{directory}/{}", build.program(SERVER));
    flags.kept_out_of(&program)?;
    let sum = said(Command::new("sha256sum").arg(&program), "sha256sum")?;
    eprintln!("{}, in {} s", sum.trim(), started.elapsed().as_secs());
    Ok(program)
}
