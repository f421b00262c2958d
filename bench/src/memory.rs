//! The memory of a live session, and whether a server with a million sessions is as fast as one
//! with few.

use crate::{
    error::BenchError,
    fill::fill,
    load::Load,
    options::BenchOptions,
    process::ServerProcess,
    report::{BenchReport, BenchRow},
    rounds::interleave,
    server::{Setting, ours},
};

/// How many sessions the memory of one is averaged over.
const SOME: usize = 100_000;
const MANY: usize = 1_000_000;
const KIB: usize = 1024;

/// Enough sessions for the server to allocate what it needs only once.
const FIRST: usize = 1000;

pub(crate) const ROWS: [&str; 3] = [
    "memory per session, empty",
    "memory per session, 1 KiB",
    "memory per session, 4 KiB",
];

/// Measures a row for each payload size.
pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    // The most that a session may take, in KiB. Payloads of a sign-in are not larger than 1 KiB.
    let sizes = [(0, None), (KIB, Some(1.25)), (4 * KIB, Some(4.4))];
    for (name, (size, most)) in ROWS.into_iter().zip(sizes) {
        let server = ours(options, Setting::Wide)?;
        fill(server.address, FIRST, size).await?;
        let before = server.process.memory()?;
        fill(server.address, SOME, size).await?;
        let each = server.process.memory()?.saturating_sub(before) as f64 / SOME as f64;
        let row = BenchRow::new(name, each, "KiB");
        report.add(match most {
            Some(most) => row.at_most(most),
            None => row,
        });
    }
    Ok(())
}

pub(crate) const MILLION_ROWS: [&str; 4] = [
    "1,000,000 sessions",
    "1,000,000 sessions: poll 304",
    "1,000,000 sessions: read 1 KiB",
    "1,000,000 sessions: create 1 KiB",
];

/// Measures the server's whole memory, and its rates relative to a server with few sessions.
pub(crate) async fn measure_million(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    let [memory, poll, read, create] = MILLION_ROWS;
    if options.quick {
        let note = "not in a quick run: it takes minutes";
        for name in MILLION_ROWS {
            report.add(BenchRow::without(name, note.to_owned()));
        }
        return Ok(());
    }
    let many = ours(options, Setting::Wide)?;
    fill(many.address, MANY, KIB).await?;
    let total = many.process.memory()? as f64 / (KIB * KIB) as f64;
    report.add(BenchRow::new(memory, total, "GiB").at_most(1.6));
    let few = ours(options, Setting::Wide)?;
    for (name, load) in [
        (poll, Load::Poll),
        (read, Load::Read),
        (create, Load::Create),
    ] {
        report.add(compare(name, load, [&few, &many], options).await?);
    }
    Ok(())
}

async fn compare(
    name: &str,
    load: Load,
    servers: [&ServerProcess; 2],
    options: &BenchOptions,
) -> Result<BenchRow, BenchError> {
    let [few, many] = interleave(servers, load, options.rounds()).await?;
    let row = BenchRow::new(name, many.over(&few), "of few sessions").at_least(0.9);
    Ok(row
        .with("many", many.rate())
        .with("few", few.rate())
        .with("p99_ms", many.p99_ms()))
}
