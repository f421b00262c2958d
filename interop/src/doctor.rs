//! `matrix-qr doctor` on a real Synapse: it reports the expected warnings, and nothing else.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    process::{DrivenProcess, ProcessEnd},
    test_env::{RendezvousSetup, TestEnv},
};

/// Synapse's own sessions end after 60 s, and their ETags are hashes of the payload.
const OF_SYNAPSE: [&str; 2] = ["etag-per-write", "lifetime"];

pub(crate) async fn cell(env: &TestEnv<'_>) -> Result<Duration> {
    let began = Instant::now();
    let mut command = Command::new(env.config.ours.join("matrix-qr"));
    command.args(["doctor", &env.homeserver, "--allow-loopback-http", "--json"]);
    let ProcessEnd { code, seen, .. } = DrivenProcess::start("doctor", &mut command, &env.run)?
        .end()
        .await?;
    let expected: &[&str] = if env.kind == RendezvousSetup::Synapse {
        &OF_SYNAPSE
    } else {
        &[]
    };
    let found = |verdict: &str| -> Vec<&str> {
        let of = seen
            .iter()
            .filter(|finding| finding.get("verdict").and_then(Value::as_str) == Some(verdict));
        of.filter_map(|finding| finding.get("check").and_then(Value::as_str))
            .collect()
    };
    ensure!(
        code == 0 && found("bad").is_empty(),
        "it ended with {code}, bad: {:?}",
        found("bad")
    );
    ensure!(
        found("warning") == expected,
        "warnings: {:?}",
        found("warning")
    );
    Ok(began.elapsed())
}
