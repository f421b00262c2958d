//! The Debian package of the command: the program, its completions, its manual pages.

use std::{fs, path::Path, process::Command};

use super::shared::{ROOT, dpkg, file, has, read_packed, same};
use crate::{
    build::{Build, COMMAND},
    files::{empty, write},
    run::{TaskResult, said},
    sbom,
};

pub(crate) const DEB: &str = "target/package/matrix-qr.deb";
/// The generated completions and manual pages. `crates/cli/Cargo.toml` names this directory.
pub(crate) const MADE: &str = "target/package/command";

/// The file name of each shell's completions.
const SHELLS: [(&str, &str); 3] = [
    ("bash", "matrix-qr.bash"),
    ("zsh", "_matrix-qr"),
    ("fish", "matrix-qr.fish"),
];

/// Every file of the package except the manual pages.
const FILES: [&str; 8] = [
    "-rw-r--r-- 0/0 ./usr/share/bash-completion/completions/matrix-qr",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr/bots.md",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr/changelog.Debian.gz",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr/copyright",
    "-rw-r--r-- 0/0 ./usr/share/doc/matrix-qr/matrix-qr.cdx.json",
    "-rw-r--r-- 0/0 ./usr/share/fish/vendor_completions.d/matrix-qr.fish",
    "-rw-r--r-- 0/0 ./usr/share/zsh/vendor-completions/_matrix-qr",
    "-rwxr-xr-x 0/0 ./usr/bin/matrix-qr",
];

pub(super) fn package(build: &Build) -> TaskResult {
    made(build)?;
    contents(build)?;
    dpkg(&["-i", DEB])?;
    completions()?;
    manual()?;
    dpkg(&["--purge", "matrix-qr"])
}

fn made(build: &Build) -> TaskResult {
    let program = &build.program(COMMAND);
    empty(MADE)?;
    for (shell, file) in SHELLS {
        let script = said(
            Command::new(program).args(["completions", shell]),
            "matrix-qr completions",
        )?;
        write(format!("{MADE}/{file}"), &script)?;
    }
    said(Command::new(program).args(["man", MADE]), "matrix-qr man")?;
    sbom::write(COMMAND, build)?;
    build.deb(COMMAND, &[], DEB)
}

fn contents(build: &Build) -> TaskResult {
    let list = said(Command::new("dpkg-deb").args(["-c", DEB]), "dpkg-deb -c")?;
    let files = list.lines().filter(|line| !line.starts_with('d')).map(file);
    let (pages, mut files): (Vec<_>, Vec<_>) = files.partition(|file| file.contains("/man1/"));
    files.sort();
    same(
        "files of the command's package",
        &files.join("\n"),
        &FILES.join("\n"),
    )?;
    for page in [
        "matrix-qr",
        "matrix-qr-login",
        "matrix-qr-link",
        "matrix-qr-restore-keys",
    ] {
        has(
            "the manual",
            &pages.join("\n"),
            &format!("-rw-r--r-- 0/0 ./usr/share/man/man1/{page}.1.gz"),
        )?;
    }
    let sbom = "./usr/share/doc/matrix-qr/matrix-qr.cdx.json";
    sbom::checked(&read_packed(DEB, sbom)?, Path::new(&build.program(COMMAND)))?;
    let control = said(Command::new("dpkg-deb").args(["-f", DEB]), "dpkg-deb -f")?;
    let version = format!("Version: {}-1", env!("CARGO_PKG_VERSION"));
    [
        "Package: matrix-qr",
        &version,
        "Section: net",
        "Depends: libc6",
    ]
    .iter()
    .try_for_each(|line| has("the control file", &control, line))
}

/// Checked with bash, which every Debian has. The same library makes the others.
fn completions() -> TaskResult {
    let installed = format!("{ROOT}/usr/share/bash-completion/completions/matrix-qr");
    let script = format!("set -e; source {installed}; complete -p matrix-qr");
    let known = said(
        Command::new("bash").args(["-c", &script]),
        "the completions in bash",
    )?;
    has("the completions that bash has loaded", &known, " matrix-qr")
}

/// `man` only warns about what it does not understand, so any output is an error.
fn manual() -> TaskResult {
    let directory = format!("{ROOT}/usr/share/man/man1");
    for page in fs::read_dir(&directory).map_err(|error| format!("{directory}: {error}"))? {
        let page = page.map_err(|error| error.to_string())?.path();
        let mut man = Command::new("man");
        man.args(["--warnings", "--encoding=UTF-8", "--local-file"])
            .arg(&page);
        let output = man
            .env("LC_ALL", "C.UTF-8")
            .env("MANWIDTH", "100")
            .output()
            .map_err(|error| format!("man: {error}"))?;
        let name = page.display().to_string();
        has(&name, &String::from_utf8_lossy(&output.stdout), "SYNOPSIS")?;
        same(
            &format!("warnings about {name}"),
            String::from_utf8_lossy(&output.stderr).trim(),
            "",
        )?;
    }
    Ok(())
}
