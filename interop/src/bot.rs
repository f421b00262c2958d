//! `examples/bot.rs`, as the author of a bot would run it.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::{process::Command, time::sleep};

use crate::{
    case::{RevisionOption::Msc4108, SessionHost, ShowingDevice, SignInCase, Software::Ours},
    devices::peer,
    process::DrivenProcess,
    sign_in::SignedInDevice,
    test_env::{TOKEN_LIFETIME, TestEnv},
};

/// The bot opens the session that `matrix-qr login` stored, reads an old message, refreshes its
/// token, answers another device, starts again, and is logged out without leaving a file.
pub(crate) async fn cell(env: &mut TestEnv<'_>) -> Result<Duration> {
    life(env, None).await
}

/// The same with a store that `matrix-qr login` has encrypted, and that matrix-sdk opens with the
/// passphrase and not without it.
pub(crate) async fn encrypted_cell(env: &mut TestEnv<'_>) -> Result<Duration> {
    let passphrase = env.run.join("passphrase");
    fs::write(&passphrase, "a passphrase of a bot\n")?;
    fs::set_permissions(&passphrase, Permissions::from_mode(0o600))?;
    env.passphrase = Some(passphrase.clone());
    let took = life(env, Some(&passphrase)).await;
    env.passphrase = None;
    took
}

async fn life(env: &mut TestEnv<'_>, passphrase: Option<&Path>) -> Result<Duration> {
    let pair = SignInCase {
        new: Ours,
        existing: Ours,
        shows: ShowingDevice::New,
        host: SessionHost::Homeserver,
        revision: Msc4108,
    };
    let SignedInDevice { directory, id, .. } = pair.sign_in(env).await?;
    if passphrase.is_some() {
        refused_without_passphrase(env, &directory).await?;
    }
    let (began, token) = (Instant::now(), token(&directory)?);
    let mut bot = start(env, &directory, passphrase)?;
    bot.line(&format!("{id} is verified: true")).await?;
    bot.line("old photographs").await?;
    let took = began.elapsed();
    sleep(TOKEN_LIFETIME.saturating_sub(took)).await;
    let mut other = peer(
        env,
        "talk",
        &["--room", &env.room, "--say", "!ping", "--hear", "pong"],
    )?;
    let heard = other.event("heard").await?;
    other.succeed().await?;
    ensure!(
        heard.get("device_id").and_then(Value::as_str) == Some(id.as_str()),
        "another device answered: {heard}"
    );
    ensure!(
        self::token(&directory)? != token,
        "the token was not refreshed, or the new one is not on disk"
    );
    bot.kill().await?;
    let mut again = start(env, &directory, passphrase)?;
    again.line("old photographs").await?;
    again.kill().await?;
    log_out(env, &directory).await?;
    env.ours.retain(|ours| *ours != id);
    Ok(took)
}

/// On a copy: matrix-sdk makes its other databases before it opens this one. Of every file: without
/// SQLite's log, where most of it still is, the store would be empty, and matrix-sdk would begin a
/// new one and use up the refresh token.
async fn refused_without_passphrase(env: &TestEnv<'_>, directory: &Path) -> Result<()> {
    let copy = directory.with_extension("copy");
    fs::create_dir(&copy)?;
    for file in fs::read_dir(directory)? {
        let file = file?;
        fs::copy(file.path(), copy.join(file.file_name()))?;
    }
    let end = start(env, &copy, None)?.end().await?;
    ensure!(end.code != 0, "the bot opened it without the passphrase");
    Ok(fs::remove_dir_all(copy)?)
}

fn start(env: &TestEnv<'_>, directory: &Path, passphrase: Option<&Path>) -> Result<DrivenProcess> {
    let mut command = Command::new(env.config.theirs.join("examples/bot"));
    command.arg(directory).args(passphrase);
    DrivenProcess::start("bot", &mut command, &env.run)
}

/// Removes what matrix-sdk stored, too.
async fn log_out(env: &TestEnv<'_>, directory: &Path) -> Result<()> {
    let mut command = Command::new(env.config.ours.join("matrix-qr"));
    command
        .args([
            "logout",
            "--yes",
            "--json",
            "--allow-loopback-http",
            "--directory",
        ])
        .arg(directory);
    DrivenProcess::start("bot-logout", &mut command, &env.run)?
        .succeed()
        .await?;
    ensure!(
        !directory.exists(),
        "something is left in {}",
        directory.display()
    );
    Ok(())
}

/// The access token on disk, in a file that only its owner may read.
pub(crate) fn token(directory: &Path) -> Result<String> {
    let file = directory.join("session.json");
    let mode = fs::metadata(&file)?.permissions().mode();
    ensure!(mode & 0o077 == 0, "others can read the session: {mode:o}");
    let session: Value = serde_json::from_slice(&fs::read(file)?)?;
    let token = session
        .get("user")
        .and_then(|user| user.get("access_token")?.as_str());
    token.map(str::to_owned).context("no token")
}
