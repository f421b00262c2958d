//! The uploads of keys that nginx has seen, in front of the homeserver.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::Value;

/// A line of nginx's log: see `proxy`.
#[derive(Deserialize)]
struct LoggedUpload {
    status: u16,
    body: String,
}

/// A device that was published once, with its own signature and its owner's from the start.
pub(crate) fn published_once(run: &Path, user: &str, device: &str) -> Result<()> {
    let log = fs::read_to_string(run.join("uploads.log"))?;
    let mut published = Vec::new();
    for line in log.lines() {
        let LoggedUpload { status, body } =
            serde_json::from_str(line).context("nginx's log of uploads")?;
        let mut body: Value = serde_json::from_str(&body).context("an upload")?;
        let keys = body.get_mut("device_keys").map(Value::take);
        let keys = keys.filter(|keys| keys.get("device_id").is_some_and(|id| id == device));
        published.extend(keys.map(|keys| (status, keys)));
    }
    let [(200, keys)] = published.as_slice() else {
        anyhow::bail!("not one upload of {device}'s keys, but {published:?}");
    };
    let signatures = keys.get("signatures").and_then(|all| all.get(user));
    let signatures = signatures
        .and_then(Value::as_object)
        .context("no signatures")?;
    let own = format!("ed25519:{device}");
    ensure!(
        signatures.len() == 2 && signatures.contains_key(&own),
        "not two signatures: {keys}"
    );
    Ok(())
}
