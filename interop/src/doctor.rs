//! `matrix-qr doctor` on a real Synapse: it finds what is to be looked at there, and nothing else.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    process::{End, Process},
    test_env::{Rendezvous, TestEnv},
};

/// Synapse's own sessions end after 60 s, and their ETags are hashes of what they hold.
const OF_SYNAPSE: [&str; 2] = ["etag-per-write", "lifetime"];

pub(crate) async fn cell(world: &TestEnv<'_>) -> Result<Duration> {
    let began = Instant::now();
    let mut command = Command::new(world.places.ours.join("matrix-qr"));
    command.args([
        "doctor",
        &world.homeserver,
        "--allow-loopback-http",
        "--json",
    ]);
    let End { code, seen, .. } = Process::start("doctor", &mut command, &world.run)?
        .end()
        .await?;
    let expected: &[&str] = if world.kind == Rendezvous::Synapse {
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
        "to be looked at: {:?}",
        found("warning")
    );
    Ok(began.elapsed())
}
