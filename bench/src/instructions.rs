//! How many instructions a request takes, in user mode: the same on a busy machine as on an idle
//! one. Valgrind counts them, of whole processes that answer few and many requests.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{
    error::BenchError,
    load::Load,
    options::BenchOptions,
    process::ServerProcess,
    report::{BenchReport, BenchRow},
    responses::Responses,
    server::{ServerProgram, Setting, ours},
};

pub(crate) const ROWS: [&str; 7] = [
    "poll 304: instructions",
    "read 1 KiB: instructions",
    "create 1 KiB: instructions",
    "exchange: instructions",
    "msc4388: read 1 KiB: instructions",
    "msc4388: create 1 KiB: instructions",
    "msc4388: exchange: instructions",
];

/// The path in Debian.
const VALGRIND: &str = "/usr/bin/valgrind";

/// How often a load is repeated. A server does some things only for its first requests.
const FEW: usize = 200;
const MANY: usize = 1200;

/// Measures a row for each load.
pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    if !Path::new(VALGRIND).exists() {
        return Err(BenchError::NoValgrind(VALGRIND));
    }
    let directory = directory()?;
    for (name, load) in ROWS.into_iter().zip(Load::ALL) {
        let responses = Responses::of(ours(options, Setting::Wide)?.address, load).await?;
        let file = |server| directory.join(format!("{load:?}.{server}"));
        let ours = || Ok(ServerProgram::ours(options, Setting::Wide));
        let ours = per_request(load, &file("ours"), ours).await?;
        let bare = || ServerProgram::bare(&responses, false);
        let bare = per_request(load, &file("bare"), bare).await?;
        let minimal = || ServerProgram::bare(&responses, true);
        let minimal = per_request(load, &file("minimal"), minimal).await?;
        let row = BenchRow::new(name, ours, "per request")
            .with("minimal", minimal)
            .with("bare", bare)
            .with("over_minimal", minimal / ours);
        report.add(row.note(Some(format!("see {}", file("ours").display()))));
    }
    Ok(())
}

/// Where valgrind's files are kept: beside the directory of this program.
fn directory() -> Result<PathBuf, BenchError> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(2).unwrap_or(Path::new("."));
    let directory = target.join("callgrind");
    fs::create_dir_all(&directory)?;
    Ok(directory)
}

/// From two processes: what they do when they start and end is the same in both.
async fn per_request(
    load: Load,
    file: &Path,
    command: impl Fn() -> Result<ServerProgram, BenchError>,
) -> Result<f64, BenchError> {
    let few = counted(load, FEW, file, command()?).await?;
    let many = counted(load, MANY, file, command()?).await?;
    Ok((many.instructions - few.instructions) / (many.requests - few.requests))
}

struct InstructionCount {
    requests: f64,
    instructions: f64,
}

/// Of one process, from its start to its end. Valgrind writes to this file.
async fn counted(
    load: Load,
    count: usize,
    file: &Path,
    server: ServerProgram,
) -> Result<InstructionCount, BenchError> {
    let server = under_valgrind(file, server).start()?;
    let requests = load.repeat(&server, count).await?;
    stop(server)?;
    let totals = fs::read_to_string(file)?;
    let totals = totals
        .lines()
        .find_map(|line| line.strip_prefix("totals: "));
    let instructions = totals.and_then(|count| count.trim().parse().ok());
    Ok(InstructionCount {
        requests: requests as f64,
        instructions: instructions.ok_or(BenchError::NoCount)?,
    })
}

/// With one worker: which of several takes a task depends on what else the machine does.
fn under_valgrind(file: &Path, mut server: ServerProgram) -> ServerProgram {
    let mut command = Command::new(VALGRIND);
    command
        .args(["--quiet", "--tool=callgrind"])
        .arg(format!("--callgrind-out-file={}", file.display()))
        .arg(server.command.get_program())
        .args(server.command.get_args())
        .env_clear()
        .env("TOKIO_WORKER_THREADS", "1");
    server.command = command;
    server
}

/// Valgrind writes when the process ends, unless it is killed.
fn stop(mut server: ServerProcess) -> Result<(), BenchError> {
    let child = &mut server.process.0;
    kill_process(Pid::from_child(child), Signal::TERM).map_err(std::io::Error::from)?;
    child.wait()?;
    Ok(())
}
