//! How fast our server is, and how much processor time it takes, relative to bare ones. All run in
//! turn many times, so that other load on the machine affects all.

use crate::{
    error::BenchError,
    load::Load,
    options::BenchOptions,
    report::{BenchReport, BenchRow},
    responses::Responses,
    rounds::{Runs, interleave},
    server::{Setting, bare, ours},
};

/// Two rows for each load: the rate, and the processor time.
pub(crate) const ROWS: [&str; 14] = [
    "poll 304",
    "poll 304: processor time",
    "read 1 KiB",
    "read 1 KiB: processor time",
    "create 1 KiB",
    "create 1 KiB: processor time",
    "exchange",
    "exchange: processor time",
    "msc4388: read 1 KiB",
    "msc4388: read 1 KiB: processor time",
    "msc4388: create 1 KiB",
    "msc4388: create 1 KiB: processor time",
    "msc4388: exchange",
    "msc4388: exchange: processor time",
];

/// Measures both rows for each load.
pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    let (pairs, _) = ROWS.as_chunks();
    for ([rate, cpu], load) in pairs.iter().zip(Load::ALL) {
        let ours = ours(options, Setting::Wide)?;
        let responses = Responses::of(ours.address, load).await?;
        let (bare, minimal) = (bare(&responses, false)?, bare(&responses, true)?);
        let runs = interleave([&bare, &minimal, &ours], load, options.rounds()).await?;
        report.add(rate_row(rate, load, &runs));
        report.add(cpu_row(cpu, load, &runs));
    }
    Ok(())
}

fn rate_row(name: &str, load: Load, [bare, minimal, ours]: &[Runs; 3]) -> BenchRow {
    let target = match load {
        Load::Poll => 0.90,
        Load::Read => 0.85,
        Load::Create => 0.75,
        Load::Exchange => 0.80,
        Load::JsonRead | Load::JsonCreate | Load::JsonExchange => 0.70,
    };
    BenchRow::new(name, ours.over(bare), "of bare axum")
        .at_least(target)
        .with("ours", ours.rate())
        .with("bare", bare.rate())
        .with("over_minimal", ours.over(minimal))
        .with("p99_ms", ours.p99_ms())
        .with("bare_p99_ms", bare.p99_ms())
}

/// The bare server's time over ours: 0.5 if ours takes twice as much.
fn cpu_row(name: &str, load: Load, [bare, minimal, ours]: &[Runs; 3]) -> BenchRow {
    let target = match load {
        Load::Poll => Some(0.92),
        Load::Read => Some(0.88),
        Load::Create => Some(0.75),
        Load::Exchange => Some(0.85),
        Load::JsonRead | Load::JsonCreate | Load::JsonExchange => None,
    };
    let row = BenchRow::new(name, minimal.cpu_us() / ours.cpu_us(), "of minimal axum");
    let row = match target {
        Some(target) => row.at_least(target),
        None => row,
    };
    row.with("us_per_request", ours.cpu_us())
        .with("minimal_us_per_request", minimal.cpu_us())
        .with("bare_us_per_request", bare.cpu_us())
        .with("over_bare", bare.cpu_us() / ours.cpu_us())
}
