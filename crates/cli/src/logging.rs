//! `-v`, `-vv` and MATRIX_QR_LOG: the log of this program's own crates, on standard error. Other
//! crates only log warnings and errors: the rest may contain secrets.

use std::io;

use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    Layer as _, filter::Targets, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

pub(crate) fn start(verbose: u8) {
    let by_flag = match verbose {
        0 => None,
        1 => Some(LevelFilter::INFO),
        2 => Some(LevelFilter::DEBUG),
        _ => Some(LevelFilter::TRACE),
    };
    let by_name = || {
        std::env::var("MATRIX_QR_LOG")
            .ok()
            .and_then(|level| level.parse().ok())
    };
    let Some(level) = by_flag.or_else(by_name) else {
        return;
    };
    let targets = Targets::new()
        .with_target("matrix_qr", level)
        .with_default(level.min(LevelFilter::WARN));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(io::stderr)
        .with_ansi(false)
        .with_filter(targets);
    tracing_subscriber::registry().with(lines).init();
}
