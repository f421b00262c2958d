//! `cargo xtask fuzz`: builds the targets of `fuzz/` and runs each for a minute, two at a time, from
//! the committed corpus. What it finds and what it writes is in `target/fuzz`.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
    time::Instant,
};

use crate::{
    build::host,
    run::{TaskResult, cargo, command, run, said},
};

/// Its directory, from the root of the checkout.
const PLACE: &str = "target/fuzz";
const TARGETS: &str = "fuzz/fuzz_targets";
const CORPUS: &str = "fuzz/corpus";

/// How long each target runs, in seconds, unless the command line says otherwise.
const SECONDS: u64 = 60;

/// What libFuzzer needs to see which code an input reaches: what `cargo fuzz --sanitizer none`
/// passes. The stable compiler takes it. No sanitizer: there is no `unsafe` here to be watched.
/// Warnings are errors, because only this build has `device` without its store.
const FLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing \
    -Dwarnings \
    -Cllvm-args=-simplifycfg-branch-fold-threshold=0";

/// The arguments: seconds, then targets; all of them, if there are none.
pub(crate) fn fuzz(arguments: &[String]) -> TaskResult {
    let first = arguments.first().and_then(|text| text.parse().ok());
    let wanted = arguments
        .get(usize::from(first.is_some())..)
        .unwrap_or_default();
    let targets = targets(wanted)?;
    let formatted = ["fmt", "--check", "--manifest-path", "fuzz/Cargo.toml"];
    cargo(&formatted)?;
    let programs = build(&targets)?;
    // Every input that was ever kept, before anything new is tried.
    for target in &targets {
        target.run(&programs, &["-runs=0".to_owned()], &[&target.corpus()])?;
    }
    in_pairs(&targets, |target| {
        target.fuzz(&programs, first.unwrap_or(SECONDS))
    })
}

/// Each target is a file.
fn targets(wanted: &[String]) -> Result<Vec<FuzzTarget>, String> {
    let listed = fs::read_dir(TARGETS).map_err(|error| format!("{TARGETS}: {error}"))?;
    let files = listed.filter_map(|entry| Some(entry.ok()?.path()));
    let mut names: Vec<String> = files
        .filter_map(|path| Some(path.file_stem()?.to_str()?.to_owned()))
        .collect();
    names.sort();
    if let Some(unknown) = wanted.iter().find(|name| !names.contains(name)) {
        return Err(format!(
            "there is no target {unknown}: {}",
            names.join(", ")
        ));
    }
    names.retain(|name| wanted.is_empty() || wanted.contains(name));
    Ok(names.into_iter().map(FuzzTarget).collect())
}

/// One build; returns the directory with the programs. With `--target`, so that build scripts and
/// macros are built without the flags: they are those of the workspace.
fn build(targets: &[FuzzTarget]) -> Result<PathBuf, String> {
    let host = &host()?;
    let mut cargo = command(&["build", "--locked"]);
    cargo
        .args(targets.iter().flat_map(|target| ["--bin", &target.0]))
        .args(["--manifest-path", "fuzz/Cargo.toml"])
        .args(["--target", host, "--target-dir", "target"])
        .env("RUSTC_WORKSPACE_WRAPPER", "clippy-driver")
        .env("RUSTFLAGS", FLAGS);
    run(&mut cargo, "cargo build in fuzz/")?;
    Ok(Path::new("target").join(host).join("debug"))
}

/// Two at a time. All are run, whatever one of them finds.
fn in_pairs(targets: &[FuzzTarget], work: impl Fn(&FuzzTarget) -> TaskResult + Sync) -> TaskResult {
    let (left, failed) = (Mutex::new(targets.iter()), Mutex::new(Vec::new()));
    let next = || left.lock().ok()?.next();
    let one_after_another = || {
        while let Some(target) = next() {
            if let (Err(error), Ok(mut failed)) = (work(target), failed.lock()) {
                failed.push(error);
            }
        }
    };
    thread::scope(|scope| {
        scope.spawn(one_after_another);
        one_after_another();
    });
    let failed = failed.into_inner().map_err(|error| error.to_string())?;
    match failed.is_empty() {
        true => Ok(()),
        false => Err(failed.join("\n")),
    }
}

struct FuzzTarget(String);

impl FuzzTarget {
    fn corpus(&self) -> PathBuf {
        Path::new(CORPUS).join(&self.0)
    }

    fn place(&self, what: &str) -> PathBuf {
        Path::new(PLACE).join(what).join(&self.0)
    }

    /// New inputs go into `target/fuzz/new`, not into the committed corpus.
    fn fuzz(&self, programs: &Path, seconds: u64) -> TaskResult {
        let (new, start) = (self.place("new"), Instant::now());
        emptied(&new)?;
        let time = format!("-max_total_time={seconds}");
        let log = self.run(programs, &[time], &[&new, &self.corpus()])?;
        let stat = |name: &str| {
            let line = log.lines().find_map(|line| line.strip_prefix(name));
            line.unwrap_or_default().trim().to_owned()
        };
        let executions = stat("stat::number_of_executed_units:");
        let rate = stat("stat::average_exec_per_sec:");
        let covered = log.lines().rev().find(|line| line.contains(" cov: "));
        let covered = covered.and_then(|line| {
            line.split_whitespace()
                .skip_while(|word| *word != "cov:")
                .nth(1)
        });
        eprintln!(
            "   {}: {executions} executions in {} s ({rate}/s), {} places in the code",
            self.0,
            start.elapsed().as_secs(),
            covered.unwrap_or("?"),
        );
        Ok(())
    }

    /// Runs the program; returns what it said. Its last words, and how to repeat it, are the error.
    fn run(
        &self,
        programs: &Path,
        options: &[String],
        corpora: &[&PathBuf],
    ) -> Result<String, String> {
        let (program, artifacts) = (programs.join(&self.0), self.place("artifacts"));
        emptied(&artifacts)?;
        let log = self.place("log");
        fs::create_dir_all(Path::new(PLACE).join("log")).map_err(|error| error.to_string())?;
        let output = File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut command = Command::new(&program);
        command
            .args(options)
            .args(["-timeout=10", "-rss_limit_mb=2048", "-print_final_stats=1"])
            .arg(format!("-artifact_prefix={}/", artifacts.display()))
            .args(corpora)
            .stderr(output);
        let ended = run(&mut command, &self.0);
        let log = fs::read(&log).map_err(|error| error.to_string())?;
        let log = String::from_utf8_lossy(&log).into_owned();
        match ended {
            Ok(()) => Ok(log),
            Err(error) => Err(format!("{error}\n{}", report(&log, &program, &artifacts))),
        }
    }
}

/// What the target said at the end, the input in base64, and the command that repeats it.
fn report(log: &str, program: &Path, artifacts: &Path) -> String {
    let is_news = |line: &&str| !line.starts_with('#') && !line.starts_with("stat::");
    let lines: Vec<&str> = log.lines().filter(is_news).collect();
    let mut report = lines
        .get(lines.len().saturating_sub(30)..)
        .unwrap_or_default()
        .join("\n");
    for input in fs::read_dir(artifacts).into_iter().flatten().flatten() {
        let input = input.path();
        let base64 = said(Command::new("base64").arg("-w0").arg(&input), "base64");
        report.push_str(&format!(
            "\nthe input, in base64: {}\nagain: {} {}",
            base64.unwrap_or_default(),
            program.display(),
            input.display()
        ));
    }
    report
}

fn emptied(directory: &Path) -> TaskResult {
    let _ = fs::remove_dir_all(directory);
    fs::create_dir_all(directory).map_err(|error| format!("{}: {error}", directory.display()))
}
