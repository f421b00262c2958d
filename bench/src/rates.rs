//! How fast our server is, relative to a bare one. Both run in turn many times, so that other load
//! on the machine affects both.

use crate::{
    error::BenchError,
    load::Load,
    options::BenchOptions,
    report::{BenchReport, BenchRow},
    responses::Responses,
    rounds::{Runs, interleave},
    server::{Setting, bare, ours},
};

pub(crate) const ROWS: [&str; 7] = [
    "poll 304",
    "read 1 KiB",
    "create 1 KiB",
    "exchange",
    "msc4388: read 1 KiB",
    "msc4388: create 1 KiB",
    "msc4388: exchange",
];

/// Measures a row for each load.
pub(crate) async fn measure(
    options: &BenchOptions,
    report: &mut BenchReport,
) -> Result<(), BenchError> {
    for (name, load) in ROWS
        .into_iter()
        .zip(Load::TEXT.into_iter().chain(Load::JSON))
    {
        let ours = ours(options, Setting::Wide)?;
        let responses = Responses::of(ours.address, load).await?;
        let (bare, minimal) = (bare(&responses, false)?, bare(&responses, true)?);
        let runs = interleave([&bare, &minimal, &ours], load, options.rounds()).await?;
        report.add(row(name, load, &runs));
    }
    Ok(())
}

fn target(load: Load) -> f64 {
    match load {
        Load::Poll => 0.90,
        Load::Read => 0.85,
        Load::Create => 0.75,
        Load::Exchange => 0.80,
        Load::JsonRead | Load::JsonCreate | Load::JsonExchange => 0.70,
    }
}

fn row(name: &str, load: Load, [bare, minimal, ours]: &[Runs; 3]) -> BenchRow {
    BenchRow::new(name, ours.over(bare), "of bare axum")
        .at_least(target(load))
        .with("ours", ours.rate())
        .with("bare", bare.rate())
        .with("over_minimal", ours.over(minimal))
        .with("over_bare_by_cpu", bare.cpu_us() / ours.cpu_us())
        .with("cpu_us_per_request", ours.cpu_us())
        .with("bare_cpu_us_per_request", bare.cpu_us())
        .with("p99_ms", ours.p99_ms())
        .with("bare_p99_ms", bare.p99_ms())
}
