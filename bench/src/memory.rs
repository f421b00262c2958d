//! What a live session costs, and whether a server with a million of them is as fast as one with
//! few.

use crate::{
    error::BenchError,
    fill::fill,
    load::Load,
    options::Options,
    process::Server,
    report::{Report, Row},
    rounds::interleave,
    server::{Setting, ours},
};

/// How many sessions share what is measured as the cost of one.
const SOME: usize = 100_000;
const MANY: usize = 1_000_000;
const KIB: usize = 1024;

/// Enough to have everything in memory that is there once.
const FIRST: usize = 1000;

/// What a session with a payload of 1 KiB may take, in KiB. Payloads in a sign-in are about that
/// large; the others are told.
const MOST: f64 = 1.5;

pub(crate) const ROWS: [&str; 3] = [
    "memory per session, empty",
    "memory per session, 1 KiB",
    "memory per session, 4 KiB",
];

/// A row for each size of the payload.
pub(crate) async fn measure(options: &Options, report: &mut Report) -> Result<(), BenchError> {
    for (name, size) in ROWS.into_iter().zip([0, KIB, 4 * KIB]) {
        let server = ours(options, Setting::Wide)?;
        fill(server.address, FIRST, size).await?;
        let before = server.process.memory()?;
        fill(server.address, SOME, size).await?;
        let each = server.process.memory()?.saturating_sub(before) as f64 / SOME as f64;
        let row = Row::new(name, each, "KiB");
        report.add(if size == KIB { row.at_most(MOST) } else { row });
    }
    Ok(())
}

pub(crate) const MILLION_ROWS: [&str; 4] = [
    "1,000,000 sessions",
    "1,000,000 sessions: poll 304",
    "1,000,000 sessions: read 1 KiB",
    "1,000,000 sessions: create 1 KiB",
];

/// All of the server's memory, and its rates beside those of one with few sessions.
pub(crate) async fn measure_million(
    options: &Options,
    report: &mut Report,
) -> Result<(), BenchError> {
    let [memory, poll, read, create] = MILLION_ROWS;
    if options.quick {
        let note = "not in a quick run: it takes minutes";
        for name in MILLION_ROWS {
            report.add(Row::without(name, note.to_owned()));
        }
        return Ok(());
    }
    let many = ours(options, Setting::Wide)?;
    fill(many.address, MANY, KIB).await?;
    let total = many.process.memory()? as f64 / (KIB * KIB) as f64;
    report.add(Row::new(memory, total, "GiB").at_most(1.6));
    let few = ours(options, Setting::Wide)?;
    for (name, load) in [
        (poll, Load::Poll),
        (read, Load::Read),
        (create, Load::Create),
    ] {
        report.add(beside(name, load, [&few, &many], options).await?);
    }
    Ok(())
}

async fn beside(
    name: &str,
    load: Load,
    servers: [&Server; 2],
    options: &Options,
) -> Result<Row, BenchError> {
    let [few, many] = interleave(servers, load, options.rounds()).await?;
    let row = Row::new(name, many.over(&few), "of few sessions").at_least(0.9);
    Ok(row
        .with("many", many.rate())
        .with("few", few.rate())
        .with("p99_ms", many.p99_ms()))
}
