//! `cargo xtask dist`: the release artefacts. Archives, Debian packages and the wheel are built,
//! installed into an empty directory, and run there. Everything is in `target/dist/artefacts`, with
//! its SHA-256.

mod archive;

use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::{
    build::{Build, BuildFlags, COMMAND, GLIBC_MINOR, PROGRAMS, SERVER},
    files::{bytes, copy, copy_as, empty, here, is_small},
    package, packages, python,
    run::{TaskResult, run, said},
};

/// Where the artefacts are, from the root of the checkout.
const ARTEFACTS: &str = "target/dist/artefacts";
/// Where they are installed.
const INSTALLED: &str = "target/dist/installed";
/// What a program may weigh, in bytes.
const LARGEST_PROGRAM: u64 = 20_000_000;
/// From the command that installs to the end of a sign-in.
const SECONDS: f64 = 10.0;

/// The whole task.
pub(crate) fn dist() -> TaskResult {
    is_committed()?;
    empty(ARTEFACTS)?;
    let flags = BuildFlags::of(".")?;
    let build = Build::dist(&flags)?;
    // maturin builds the command. cargo-zigbuild would build it once more: it names the compiler
    // of dependencies in C in another way.
    let wheel = packages::wheel(&build)?;
    build.run(".", &[SERVER])?;
    package::package(&build)?;
    for name in PROGRAMS {
        let program = build.program(name);
        flags.kept_out_of(&program)?;
        is_small(&program, LARGEST_PROGRAM)?;
        is_for_old_systems(&program)?;
        archive_runs(name, &archive::pack(name, &build, ARTEFACTS)?)?;
    }
    debian_runs(&copied(package::command::DEB)?)?;
    copied(package::DEB)?;
    wheel_runs(&copy(wheel, ARTEFACTS)?)?;
    copy(packages::tarball()?, ARTEFACTS)?;
    sums()
}

/// The artefacts have the time of the last commit, so they are of that commit.
fn is_committed() -> TaskResult {
    let mut status = Command::new("git");
    status.args(["status", "--porcelain"]);
    let changes = said(&mut status, "git status")?;
    if changes.is_empty() {
        return Ok(());
    }
    Err(format!("commit these changes first:\n{changes}"))
}

/// Written where the list does not list itself.
fn sums() -> TaskResult {
    let script = format!(
        "set -e; cd {ARTEFACTS}; sha256sum * >../SHA256SUMS; mv ../SHA256SUMS .; cat SHA256SUMS"
    );
    run(Command::new("sh").args(["-c", &script]), "sha256sum")
}

/// The C library's symbols have the version in which they came.
fn is_for_old_systems(program: &str) -> TaskResult {
    let newest = newest_glibc(&String::from_utf8_lossy(&bytes(program)?));
    eprintln!("{program}: for glibc 2.{newest} (at most 2.{GLIBC_MINOR})");
    // A program without any would be another kind of program.
    if (1..=GLIBC_MINOR).contains(&newest) {
        return Ok(());
    }
    Err(format!("{program} needs glibc 2.{newest}"))
}

/// The minor number of the newest version among `GLIBC_2.17`; 0 if there is none.
fn newest_glibc(text: &str) -> u32 {
    let versions = text.split("GLIBC_2.").skip(1).filter_map(|rest| {
        let end = rest.find(|letter: char| !letter.is_ascii_digit());
        rest[..end.unwrap_or(rest.len())].parse().ok()
    });
    versions.max().unwrap_or(0)
}

fn archive_runs(name: &str, archive: &Path) -> TaskResult {
    empty(INSTALLED)?;
    let mut tar = Command::new("tar");
    tar.arg("-xzf").arg(archive);
    tar.args(["-C", INSTALLED, "--strip-components=1"]);
    let program = format!("{INSTALLED}/{name}");
    if name == COMMAND {
        return signs_in(archive, || run(&mut tar, "tar"), &program);
    }
    run(&mut tar, "tar")?;
    let mut check = Command::new(&program);
    check.args([
        "--public-url",
        "https://rendezvous.example.org",
        "--check-config",
    ]);
    said(&mut check, &program).map(|_| ())
}

fn debian_runs(package: &Path) -> TaskResult {
    empty(INSTALLED)?;
    let program = format!("{}/usr/bin/matrix-qr", package::ROOT);
    let file = package.display().to_string();
    signs_in(package, || package::dpkg(&["-i", &file]), &program)?;
    package::dpkg(&["--purge", COMMAND])
}

fn wheel_runs(wheel: &Path) -> TaskResult {
    empty(INSTALLED)?;
    let python = python::environment(INSTALLED)?;
    let program = format!("{INSTALLED}/bin/matrix-qr");
    signs_in(wheel, || python::install(&python, [wheel]), &program)
}

/// Installs, runs a whole sign-in with what was installed, and says how long both took.
fn signs_in(artefact: &Path, install: impl FnOnce() -> TaskResult, program: &str) -> TaskResult {
    let started = Instant::now();
    install()?;
    let program = here(program)?;
    let mut demo = Command::new(&program);
    demo.args(["demo", "--auto", "--json"])
        .current_dir(INSTALLED);
    let events = said(&mut demo, "matrix-qr demo --auto")?;
    let seconds = started.elapsed().as_secs_f64();
    if !events.contains(r#""verified":true"#) {
        return Err(format!("no verified device:\n{events}"));
    }
    let name = artefact.display();
    eprintln!("{name}: installed, and a device signed in, in {seconds:.1} s (at most {SECONDS})");
    if seconds <= SECONDS {
        return Ok(());
    }
    Err(format!("{name} takes too long"))
}

/// A Debian package, under the name that Debian would give it.
fn copied(package: &str) -> Result<PathBuf, String> {
    let field = |name| {
        said(
            Command::new("dpkg-deb").args(["-f", package, name]),
            "dpkg-deb -f",
        )
    };
    let name = field("Package")?;
    let version = field("Version")?;
    let architecture = field("Architecture")?;
    let name = format!(
        "{}_{}_{}.deb",
        name.trim(),
        version.trim(),
        architecture.trim()
    );
    copy_as(package, ARTEFACTS, &name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_version_of_the_c_library_counts() {
        let program = "\0GLIBC_2.2.5\0GLIBC_2.17\0GLIBC_2.3.4\0";
        assert_eq!(newest_glibc(program), 17);
        assert_eq!(newest_glibc("GLIBC_2.34"), 34);
        assert_eq!(newest_glibc("GLIBC_PRIVATE"), 0);
    }
}
