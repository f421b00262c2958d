//! The archive of a program, with all that belongs to it. `cargo binstall` finds it by its name:
//! `[package.metadata.binstall]` of each program says how it is made.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    build::{Build, COMMAND},
    files::{copy, empty, remove},
    package::command::MADE,
    run::{run, said},
    sbom,
};

/// What is in both archives.
const BOTH: [&str; 3] = ["LICENSE", "CHANGELOG.md", "SECURITY.md"];
/// What the command's archive has besides the program, its completions and manual pages.
const OF_COMMAND: [&str; 2] = ["crates/cli/README.md", "docs/bots.md"];
/// What the server's archive has besides the program.
const OF_SERVER: [&str; 7] = [
    "docs/deploy.md",
    "docs/operate.md",
    "packaging/debian/matrix-qr-rendezvous.8",
    "packaging/debian/matrix-qr-rendezvous.service",
    "packaging/debian/matrix-qr-rendezvous.toml",
    "packaging/grafana.json",
    "packaging/prometheus-rules.yml",
];

/// Packs a program that was built. The same files make the same archive.
pub(super) fn pack(name: &str, build: &Build, to: &str) -> Result<PathBuf, String> {
    let target = build.target.as_deref().unwrap_or("unknown");
    let stem = format!("{name}-{}-{target}", env!("CARGO_PKG_VERSION"));
    let place = format!("target/dist/{stem}");
    empty(&place)?;
    copy(build.program(name), &place)?;
    copy(sbom::write(name, build)?, &place)?;
    let own = if name == COMMAND {
        &OF_COMMAND[..]
    } else {
        &OF_SERVER
    };
    for file in BOTH.iter().chain(own) {
        copy(file, &place)?;
    }
    if name == COMMAND {
        // Completions and manual pages, as in the Debian package.
        let made = fs::read_dir(MADE).map_err(|error| format!("{MADE}: {error}"))?;
        for file in made {
            copy(file.map_err(|error| error.to_string())?.path(), &place)?;
        }
    }
    let time = said(
        Command::new("git").args(["log", "-1", "--format=@%ct"]),
        "git log",
    )?;
    let archive = Path::new(to).join(format!("{stem}.tar.gz"));
    let mut tar = Command::new("tar");
    tar.args(["--sort=name", "--owner=0", "--group=0", "--numeric-owner"]);
    tar.args(["--mode=u=rwX,go=rX", &format!("--mtime={}", time.trim())]);
    tar.args([
        "-C",
        "target/dist",
        "--use-compress-program=gzip -9n",
        "-cf",
    ]);
    run(tar.arg(&archive).arg(&stem), "tar")?;
    remove(&place)?;
    Ok(archive)
}
