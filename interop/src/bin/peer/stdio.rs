//! The interface of this program: a JSON object per line on standard output, answers on standard
//! input.

use anyhow::{Context as _, Result};
use serde_json::Value;

#[allow(clippy::print_stdout, reason = "the interface of this program")]
pub(crate) fn event(event: &Value) {
    println!("{event}");
}

/// Asks a question, and returns the next line of standard input.
pub(crate) async fn answer(question: &Value) -> Result<String> {
    event(question);
    line().await
}

pub(crate) async fn line() -> Result<String> {
    let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next());
    Ok(line
        .await?
        .context("standard input has ended")??
        .trim()
        .to_owned())
}
