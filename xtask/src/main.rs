//! `cargo xtask test` runs everything that the project can check on one machine, `cargo xtask
//! bench` what it can measure.
//!
//! | module | task |
//! |---|---|
//! | `walls` | type names, import circles, module maps, and what the protocol depends on |
//! | `beside` | does one thing while another waits |
//! | `lints` | the compiler of the tests, which also checks lints and documentation |
//! | `advisories` | known vulnerabilities of dependencies |
//! | `package` | builds, installs, starts and removes the Debian packages |
//! | `packages` | checks the packages for Python and Node, builds them, and installs them |
//! | `dist` | the release artefacts: built, packed, installed and run |
//! | `crates` | the crates, as they would be published |
//! | `build` | how the programs are built, for this machine or for others |
//! | `interop` | runs our programs against Synapse and matrix-sdk |
//! | `pictures` | compares what we read of photographed QR codes with what zxing-cpp reads |
//! | `fuzz` | fuzzes whatever reads bytes from outside |
//! | `bench` | measures the rendezvous server |
//! | `model_checks` | takes each check out of the login, and runs the model |
//! | `reproducible` | builds the rendezvous server twice, and compares |
//! | `sbom` | what is linked into a program, as a list in its packages |
//! | `workflows` | the workflow files |
//! | `python` | Python environments |
//! | `needs` | what the tasks need besides Rust, and how it is installed |
//! | `files` | files and directories |
//! | `run` | what all of them need: other programs, from the root of the checkout |
#![allow(clippy::print_stderr, reason = "it says what runs and what is missing")]

mod advisories;
mod bench;
mod beside;
mod build;
mod crates;
mod dist;
mod files;
mod fuzz;
mod interop;
mod lints;
mod model_checks;
mod needs;
mod package;
mod packages;
mod pictures;
mod python;
mod reproducible;
mod run;
mod sbom;
mod walls;
mod workflows;

use std::{
    path::PathBuf,
    process::{Command, ExitCode},
    time::Instant,
};

use crate::{
    beside::SideTask,
    run::{TaskResult, at_the_root, cargo, command, output, run, said},
};

const USAGE: &str = "\
  cargo xtask test [--no-install]
                               installs what it needs, or says what is missing; formatting, lints, spelling, walls, dependencies, documentation, every test, the packages, interop, fuzzing
  cargo xtask peers            what others wrote, for interop: installed and built
  cargo xtask wheel            the wheel as it is released, and what its README says, with it
  cargo xtask walls            type names, import circles, module maps, what the protocol depends on
  cargo xtask advisories       known vulnerabilities in Cargo.lock; needs github.com
  cargo xtask interop [--json] [--only synapse|delegated|proxied|bots|LIBRARY]
                               our programs against Synapse, matrix-sdk and the bots' libraries, which go into target/interop
  cargo xtask package          installs the Debian packages into target/package and starts the server there; checks the container files
  cargo xtask packages         the packages for Python and Node: their checks and tests, the wheel, and both installed
  cargo xtask fuzz [SECONDS] [TARGET..]
                               fuzz targets, each for a minute, from the corpus in fuzz/corpus
  cargo xtask pictures         photographs of QR codes: how many we read, and how many zxing-cpp reads
  cargo xtask model-checks [WORD..]
                               the model of the sign-in, without each check of the login: does it fail? Minutes, by hand
  cargo xtask dist             the release artefacts, into target/dist: archives, Debian packages and the wheel, each installed and run
  cargo xtask reproducible     the rendezvous server, built twice in two directories: the same program?
  cargo xtask bench [--json] [--quick] [rates|instructions|memory|million|flood|slow|waiters|redis|instances|sign-in|round-trips|first-command ..]
                               the rendezvous server: its rates relative to a bare axum server, and its other targets";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match at_the_root().and_then(|()| task(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn task(arguments: &[String]) -> TaskResult {
    if let Some(path) = needs::path_with_node() {
        return again(arguments, &path);
    }
    match arguments
        .split_first()
        .map(|(task, rest)| (task.as_str(), rest))
    {
        Some(("test", [])) => needs::install(&needs::of_tests()).and_then(|()| installed()),
        Some(("test", [only])) if only == "--no-install" => {
            needs::are_there(&needs::of_tests()).and_then(|()| test())
        }
        Some(("peers", [])) => {
            needs::are_there(&needs::NODE).and_then(|()| interop::others().map(|_| ()))
        }
        Some(("wheel", [])) => packages::released_wheel(),
        Some(("interop", rest)) => {
            needs::are_there(&needs::NODE).and_then(|()| interop::interop(rest))
        }
        Some(("fuzz", rest)) => fuzz::fuzz(rest),
        Some(("model-checks", rest)) => model_checks::model_checks(rest),
        Some(("bench", rest)) => bench::bench(rest),
        Some(("packages", [])) => {
            needs::are_there(&needs::NODE).and_then(|()| packages::packages())
        }
        Some(("advisories", [])) => advisories::advisories(),
        Some(("dist", [])) => needs::are_there(&needs::of_dist()).and_then(|()| dist::dist()),
        Some(("reproducible", [])) => {
            needs::are_there(&needs::PACKAGE).and_then(|()| reproducible::reproducible())
        }
        Some(("walls", [])) => walls::walls(),
        Some(("pictures", [])) => pictures::pictures(),
        Some(("package", [])) => needs::are_there(&needs::PACKAGE).and_then(|()| debian_packages()),
        _ => Err(format!("usage:\n{USAGE}")),
    }
}

/// The same task, with another `PATH` for all that it starts.
fn again(arguments: &[String], path: &str) -> TaskResult {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let mut again = Command::new(this);
    again.args(arguments).env("PATH", path);
    run(&mut again, "the task")
}

/// The test, if what was installed is on the `PATH`.
fn installed() -> TaskResult {
    match needs::path_with_node() {
        Some(path) => again(&["test".to_owned()], &path),
        None => test(),
    }
}

fn test() -> TaskResult {
    // One thread links the wheel's program, for minutes: the other builds fill the time.
    let (wheel, peers) = (SideTask::new("wheel", 10)?, SideTask::new("peers", 19)?);
    let fuzz = SideTask::new("fuzz", 19)?;
    let mut steps = Steps::default();
    steps.run("formatting", || cargo(&["fmt", "--all", "--check"]))?;
    steps.run("spelling", spelling)?;
    steps.run("walls", walls::walls)?;
    steps.run("lock files", lock_files)?;
    steps.run("dependencies", || {
        let checks = ["check", "bans", "licenses", "sources"];
        cargo(&[&["deny", "--locked", "--log-level", "error"], &checks[..]].concat())
    })?;
    let mut not_checked = None;
    steps.run("advisories", || {
        not_checked = advisories::advisories_where_reachable()?;
        Ok(())
    })?;
    steps.run("workflows", workflows::workflows)?;
    steps.run("crates", crates::crates)?;
    steps.run("lints, documentation and build of the tests", || {
        run(&mut tests(&["--no-run"])?, "cargo test")
    })?;
    // All of these wait for most of their time.
    wheel.beside(|| {
        steps.run("tests", || peers.beside(run_tests))?;
        fuzz.beside(|| {
            steps.run("package", debian_packages)?;
            steps.run("packages", packages::tests_and_tarball)?;
            // Only `cargo xtask interop` by itself compares times: it needs a machine that is idle
            // otherwise.
            steps.run("interop", || interop::interop(&["--untimed".to_owned()]))
        })
    })?;
    eprintln!("== everything passed, in seconds:{}", steps.seconds);
    not_checked.iter().for_each(|words| eprintln!("{words}"));
    Ok(())
}

/// Every test, but for those that take as long as anybody waits: docs/verification.md says how they
/// are run by hand. Building them also checks the lints and the documentation of all crates.
fn tests(options: &[&str]) -> Result<Command, String> {
    packages::accessibility_checker()?;
    let test = ["test", "--workspace", "--locked", "--no-fail-fast"];
    let rest = ["--", "--include-ignored", "--skip", "all_at_once"];
    let mut tests = command(&[&test, options, &rest[..]].concat());
    tests.env("RUSTC_WORKSPACE_WRAPPER", lints::compiler()?);
    Ok(tests)
}

/// When they are built: the certificate is for cargo, too, which then could fetch nothing.
fn run_tests() -> TaskResult {
    let mut tests = tests(&[])?;
    tests.env("SSL_CERT_FILE", one_certificate()?);
    tests.env_remove("SSL_CERT_DIR");
    // Most of them wait for most of their time.
    run(tests.env("RUST_TEST_THREADS", "8"), "cargo test")
}

/// Nobody's. Each of the tests' HTTP clients reads all certificates of the system, for longer than many a
/// sign-in takes, and none asks a server outside.
fn one_certificate() -> Result<PathBuf, String> {
    let (key, certificate) = ("target/tmp/nobody.key", "target/tmp/nobody.pem");
    files::make("target/tmp")?;
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ed25519", "-nodes", "-subj"]);
    openssl.args(["/CN=nobody", "-keyout", key, "-out", certificate]);
    said(&mut openssl, "openssl req")?;
    files::here(certificate)
}

/// `.codespellrc` lists the files to skip and the words that are right.
fn spelling() -> TaskResult {
    run(&mut Command::new("codespell"), "codespell")
}

/// Those of the workspaces that are built last, too: before anything slow runs.
fn lock_files() -> TaskResult {
    ["fuzz", "interop"].iter().try_for_each(|workspace| {
        let manifest = format!("{workspace}/Cargo.toml");
        let metadata = [
            "metadata",
            "--locked",
            "--format-version",
            "1",
            "--manifest-path",
        ];
        output(&[&metadata[..], &[&manifest]].concat()).map(|_| ())
    })
}

/// Those with this machine's programs.
fn debian_packages() -> TaskResult {
    packages::programs()?;
    package::package(&build::Build::here())
}

/// The parts of the test, one after the other.
#[derive(Default)]
struct Steps {
    /// How long each one took.
    seconds: String,
}

impl Steps {
    fn run(&mut self, name: &str, work: impl FnOnce() -> TaskResult) -> TaskResult {
        // Whoever sees only the end of a log that was cut off sees where the time went.
        eprintln!("== {name} (seconds so far:{})", self.seconds);
        let start = Instant::now();
        work()?;
        let seconds = start.elapsed().as_secs();
        if seconds > 0 {
            self.seconds.push_str(&format!(" {name} {seconds}"));
        }
        Ok(())
    }
}
