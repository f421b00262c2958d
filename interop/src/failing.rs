//! Failures of matrix-sdk: our device ends by itself, soon, and with the right reason.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    case::{
        RevisionOption::Msc4108,
        SessionHost::Homeserver,
        ShowingDevice, SignInCase,
        Software::{MatrixSdk, Ours},
    },
    process::ProcessEnd,
    report::{InteropReport, PeerSoftware},
    sign_in::{ConfirmedPair, agree},
    test_env::TestEnv,
};

const THEIRS_SIGNS_IN_OURS: SignInCase = SignInCase {
    new: Ours,
    existing: MatrixSdk,
    shows: ShowingDevice::New,
    host: Homeserver,
    revision: Msc4108,
};
const OURS_SIGNS_IN_THEIRS: SignInCase = SignInCase {
    new: MatrixSdk,
    existing: Ours,
    shows: ShowingDevice::Existing,
    host: Homeserver,
    revision: Msc4108,
};

/// "The other device ended it": `matrix-qr --help`.
pub(crate) const OTHER_DEVICE: i32 = 4;
/// "Time ran out".
const TIME: i32 = 5;

/// Enough for a poll that gets the message, and the requests of the cleanup.
const SOON: Duration = Duration::from_secs(5);
/// Without a message our device ends when the session expires: after 60 s on Synapse.
const SESSION: Duration = Duration::from_secs(62);

pub(crate) async fn all(env: &TestEnv<'_>, sdk: &PeerSoftware, report: &mut InteropReport) {
    let cell = |what: &str| sdk.cell(format!("matrix-sdk as the {what}"));
    report
        .run(
            &cell("existing device cancels: our new device reports it at once"),
            cancels(env),
        )
        .await;
    report
        .run(
            &cell(
                "new device is denied on the consent page: our existing device reports it at once",
            ),
            refused(env),
        )
        .await;
    // Both wait until a session expires, so they run at the same time.
    let (existing, new) = tokio::join!(existing_disappears(env), new_disappears(env));
    report
        .run(
            &cell("existing device disappears: our new device ends when the session expires"),
            async { existing },
        )
        .await;
    report
        .run(
            &cell("new device disappears: our existing device ends when the session expires"),
            async { new },
        )
        .await;
}

async fn cancels(env: &TestEnv<'_>) -> Result<Duration> {
    let ConfirmedPair {
        new,
        mut existing,
        directory,
        ..
    } = THEIRS_SIGNS_IN_OURS.meet(env).await?;
    existing.question("open_link").await?;
    existing.say("n").await?;
    let since = Instant::now();
    let end = new.end().await?;
    ended(&end, OTHER_DEVICE, "cancelled there")?;
    ensure!(
        !directory.exists(),
        "something is left in {}",
        directory.display()
    );
    within(SOON, since, &end)
}

async fn refused(env: &TestEnv<'_>) -> Result<Duration> {
    let ConfirmedPair {
        new, mut existing, ..
    } = OURS_SIGNS_IN_THEIRS.meet(env).await?;
    agree(&mut existing, "deny").await?;
    let since = Instant::now();
    let end = existing.end().await?;
    ended(&end, OTHER_DEVICE, "declined")?;
    drop(new);
    within(SOON, since, &end)
}

async fn existing_disappears(env: &TestEnv<'_>) -> Result<Duration> {
    let ConfirmedPair {
        new,
        mut existing,
        directory,
        ..
    } = THEIRS_SIGNS_IN_OURS.meet(env).await?;
    existing.question("open_link").await?;
    existing.kill().await?;
    let since = Instant::now();
    let end = new.end().await?;
    ended(&end, TIME, "timed out")?;
    ensure!(
        !directory.exists(),
        "something is left in {}",
        directory.display()
    );
    within(SESSION, since, &end)
}

async fn new_disappears(env: &TestEnv<'_>) -> Result<Duration> {
    let ConfirmedPair {
        new, mut existing, ..
    } = OURS_SIGNS_IN_THEIRS.meet(env).await?;
    existing.question("open_link").await?;
    existing.say("y").await?;
    existing.event("sent").await?;
    new.kill().await?;
    let since = Instant::now();
    let end = existing.end().await?;
    ended(&end, TIME, "timed out")?;
    within(SESSION, since, &end)
}

pub(crate) fn ended(end: &ProcessEnd, code: i32, reason: &str) -> Result<()> {
    let last = end.seen.last().context("it printed nothing")?;
    let what = last.get("what").and_then(Value::as_str).unwrap_or_default();
    ensure!(
        end.code == code && what.contains(reason),
        "ended with {} and {last}",
        end.code
    );
    Ok(())
}

pub(crate) fn within(limit: Duration, since: Instant, end: &ProcessEnd) -> Result<Duration> {
    let took = end.at.duration_since(since);
    ensure!(took <= limit, "it took {} ms", took.as_millis());
    Ok(took)
}
