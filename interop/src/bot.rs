//! `examples/bot.rs`, as a bot's author would run it.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::{process::Command, time::sleep};

use crate::{
    devices::{Software::Ours, peer},
    process::Process,
    sign_in::{Over, Pair, Revision::Msc4108, Shows, SignedIn},
    test_env::{TOKEN_LIFETIME, TestEnv},
};

/// It opens what `matrix-qr login` stored, reads an old message, outlives its token, answers a
/// device that reads it, can be started again, and goes without a trace.
pub(crate) async fn cell(world: &mut TestEnv<'_>) -> Result<Duration> {
    let pair = Pair {
        new: Ours,
        existing: Ours,
        shows: Shows::New,
        over: Over::Homeserver,
        revision: Msc4108,
    };
    let SignedIn { directory, id, .. } = pair.sign_in(world).await?;
    let (began, token) = (Instant::now(), token(&directory)?);
    let mut bot = start(world, &directory)?;
    bot.line(&format!("{id} is verified: true")).await?;
    bot.line("old photographs").await?;
    let took = began.elapsed();
    sleep(TOKEN_LIFETIME.saturating_sub(took)).await;
    let mut other = peer(
        world,
        "talk",
        &["--room", &world.room, "--say", "!ping", "--hear", "pong"],
    )?;
    let heard = other.event("heard").await?;
    other.succeed().await?;
    ensure!(
        heard.get("device_id").and_then(Value::as_str) == Some(id.as_str()),
        "somebody else: {heard}"
    );
    ensure!(
        self::token(&directory)? != token,
        "the token was never refreshed, or that is not on disk"
    );
    bot.kill().await?;
    let mut again = start(world, &directory)?;
    again.line("old photographs").await?;
    again.kill().await?;
    log_out(world, &directory).await?;
    world.ours.retain(|ours| *ours != id);
    Ok(took)
}

fn start(world: &TestEnv<'_>, directory: &Path) -> Result<Process> {
    let mut command = Command::new(world.places.theirs.join("examples/bot"));
    Process::start("bot", command.arg(directory), &world.run)
}

/// Also what matrix-sdk stored is gone then.
async fn log_out(world: &TestEnv<'_>, directory: &Path) -> Result<()> {
    let mut command = Command::new(world.places.ours.join("matrix-qr"));
    command
        .args([
            "logout",
            "--yes",
            "--json",
            "--allow-loopback-http",
            "--directory",
        ])
        .arg(directory);
    Process::start("bot-logout", &mut command, &world.run)?
        .succeed()
        .await?;
    ensure!(
        !directory.exists(),
        "something is left in {}",
        directory.display()
    );
    Ok(())
}

/// As it is on disk, where only its owner may read it.
fn token(directory: &Path) -> Result<String> {
    let file = directory.join("session.json");
    let mode = fs::metadata(&file)?.permissions().mode();
    ensure!(mode & 0o077 == 0, "others can read the session: {mode:o}");
    let session: Value = serde_json::from_slice(&fs::read(file)?)?;
    let token = session
        .get("user")
        .and_then(|user| user.get("access_token")?.as_str());
    token.map(str::to_owned).context("no token")
}
