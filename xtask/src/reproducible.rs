//! `cargo xtask reproducible`: builds the rendezvous server twice, in two directories, and compares
//! the programs byte by byte. Everything is in `target/reproducible`.

mod sections;

use std::{fs, path::Path, process::Command, time::Instant};

use crate::run::{TaskResult, at_the_root, command, run, said};

/// Where it all is, from the root of the checkout.
const PLACE: &str = "target/reproducible";
/// Two directories, whose names have not one length.
const DIRECTORIES: [&str; 2] = ["one", "another-one/with-a-longer-name"];
const PACKAGE: &str = "matrix-qr-rendezvous";

/// What a build must be told so that no directory of this machine gets into the program.
struct BuildFlags {
    rustflags: String,
    cflags: String,
    /// What must not be found in the program.
    secret: Vec<String>,
}

/// The whole task: it builds what is committed.
pub(crate) fn reproducible() -> TaskResult {
    at_the_root()?;
    // Once: somebody may commit meanwhile.
    let commit = said(
        Command::new("git").args(["rev-parse", "HEAD"]),
        "git rev-parse",
    )?;
    eprintln!("commit {}", commit.trim());
    let mut programs = Vec::new();
    for directory in DIRECTORIES {
        let started = Instant::now();
        let directory = format!("{PLACE}/{directory}");
        let program = build(&directory, commit.trim())?;
        let sum = said(Command::new("sha256sum").arg(&program), "sha256sum")?;
        let sum = sum.split_whitespace().next().unwrap_or_default();
        eprintln!("{sum}  {program} ({} s)", started.elapsed().as_secs());
        programs.push(fs::read(&program).map_err(|error| format!("{program}: {error}"))?);
    }
    if let [one, another] = &programs[..]
        && one != another
    {
        let paths = DIRECTORIES.map(|directory| program_in(&format!("{PLACE}/{directory}")));
        let names = sections::differing(&paths, [one, another])?.join(", ");
        return Err(format!("the programs differ, in these sections: {names}"));
    }
    let flags = flags(&absolute(".")?)?;
    eprintln!("the programs are the same. `cargo build` makes this one here with:");
    eprintln!(
        "export RUSTFLAGS='{}' CFLAGS='{}'",
        flags.rustflags, flags.cflags
    );
    Ok(())
}

/// Unpacks the commit into an empty directory, and builds the server there.
fn build(directory: &str, commit: &str) -> Result<String, String> {
    if Path::new(directory).exists() {
        fs::remove_dir_all(directory).map_err(|error| format!("{directory}: {error}"))?;
    }
    fs::create_dir_all(directory).map_err(|error| format!("{directory}: {error}"))?;
    let script = format!("git archive {commit} | tar -x -C '{directory}'");
    run(Command::new("sh").args(["-c", &script]), "git archive")?;
    let flags = flags(&absolute(directory)?)?;
    let mut build = command(&[
        "build",
        "--quiet",
        "--release",
        "--locked",
        "--package",
        PACKAGE,
    ]);
    build.current_dir(directory);
    build
        .env("RUSTFLAGS", &flags.rustflags)
        .env("CFLAGS", &flags.cflags);
    // Each directory has its own, and no flags of this task's caller.
    for name in [
        "CARGO_TARGET_DIR",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_BUILD_RUSTFLAGS",
    ] {
        build.env_remove(name);
    }
    run(&mut build, "cargo build")?;
    let program = program_in(directory);
    let bytes = fs::read(&program).map_err(|error| format!("{program}: {error}"))?;
    match flags
        .secret
        .iter()
        .find(|secret| contains(&bytes, secret.as_bytes()))
    {
        None => Ok(program),
        Some(secret) => Err(format!(
            "{program} names {secret}, a directory of this machine"
        )),
    }
}

/// The sources of dependencies are in cargo's home; what build scripts write is in the directory;
/// with the component `rust-src`, the compiler names its own source where that is installed.
fn flags(directory: &str) -> Result<BuildFlags, String> {
    let home = std::env::var("HOME").map_err(|_| "HOME is not set".to_owned())?;
    let cargo = std::env::var("CARGO_HOME").unwrap_or_else(|_| format!("{home}/.cargo"));
    let sysroot = said(Command::new("rustc").args(["--print", "sysroot"]), "rustc")?;
    let library = format!("{}/lib/rustlib/src/rust", sysroot.trim());
    let version = said(Command::new("rustc").arg("-vV"), "rustc -vV")?;
    let commit = version
        .lines()
        .find_map(|line| line.strip_prefix("commit-hash: "));
    let commit = commit.ok_or("rustc -vV names no commit")?;
    let maps = [
        (directory, "/build".to_owned()),
        (&cargo, "/cargo".to_owned()),
        (&library, format!("/rustc/{commit}")),
    ];
    let all = |flag: &str| {
        maps.each_ref()
            .map(|(from, to)| format!("{flag}={from}={to}"))
            .join(" ")
    };
    Ok(BuildFlags {
        rustflags: all("--remap-path-prefix"),
        cflags: all("-ffile-prefix-map"),
        secret: vec![directory.to_owned(), cargo, sysroot.trim().to_owned()],
    })
}

fn program_in(directory: &str) -> String {
    format!("{directory}/target/release/{PACKAGE}")
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn absolute(path: &str) -> Result<String, String> {
    let absolute = fs::canonicalize(path).map_err(|error| format!("{path}: {error}"))?;
    Ok(absolute.display().to_string())
}
