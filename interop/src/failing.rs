//! matrix-sdk's ways of failing: our device ends by itself, soon, with the right reason.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    devices::Software::{MatrixSdk, Ours},
    process::End,
    report::{Peer, Report},
    sign_in::{Confirmed, Over::Homeserver, Pair, Revision::Msc4108, Shows, agree},
    test_env::TestEnv,
};

const THEIRS_SIGNS_IN_OURS: Pair = Pair {
    new: Ours,
    existing: MatrixSdk,
    shows: Shows::New,
    over: Homeserver,
    revision: Msc4108,
};
const OURS_SIGNS_IN_THEIRS: Pair = Pair {
    new: MatrixSdk,
    existing: Ours,
    shows: Shows::Existing,
    over: Homeserver,
    revision: Msc4108,
};

/// "The other device ended it": `matrix-qr --help`.
pub(crate) const OTHER_DEVICE: i32 = 4;
/// "Time ran out".
const TIME: i32 = 5;

/// A message takes one poll, and cleaning up a few requests.
const SOON: Duration = Duration::from_secs(5);
/// Without a word, the session's own end is what tells: 60 s on Synapse.
const SESSION: Duration = Duration::from_secs(62);

pub(crate) async fn all(world: &TestEnv<'_>, sdk: &Peer, report: &mut Report) {
    let cell = |what: &str| sdk.cell(format!("matrix-sdk, {what}"));
    report
        .run(
            &cell("existing, cancels: our new device says so at once"),
            cancels(world),
        )
        .await;
    report
        .run(
            &cell("new, is refused at the consent page: our existing device says so at once"),
            refused(world),
        )
        .await;
    // Both wait for the end of a session: at the same time.
    let (existing, new) = tokio::join!(existing_disappears(world), new_disappears(world));
    report
        .run(
            &cell("existing, disappears: our new device ends with the session"),
            async { existing },
        )
        .await;
    report
        .run(
            &cell("new, disappears: our existing device ends with the session"),
            async { new },
        )
        .await;
}

async fn cancels(world: &TestEnv<'_>) -> Result<Duration> {
    let Confirmed {
        new,
        mut existing,
        directory,
        ..
    } = THEIRS_SIGNS_IN_OURS.meet(world).await?;
    existing.question("open_link").await?;
    existing.say("n").await?;
    let since = Instant::now();
    let end = new.end().await?;
    ended(&end, (OTHER_DEVICE, "cancelled there"))?;
    ensure!(
        !directory.exists(),
        "something is left in {}",
        directory.display()
    );
    within(SOON, since, &end)
}

async fn refused(world: &TestEnv<'_>) -> Result<Duration> {
    let Confirmed {
        new, mut existing, ..
    } = OURS_SIGNS_IN_THEIRS.meet(world).await?;
    agree(&mut existing, "deny").await?;
    let since = Instant::now();
    let end = existing.end().await?;
    ended(&end, (OTHER_DEVICE, "declined"))?;
    drop(new);
    within(SOON, since, &end)
}

async fn existing_disappears(world: &TestEnv<'_>) -> Result<Duration> {
    let Confirmed {
        new,
        mut existing,
        directory,
        ..
    } = THEIRS_SIGNS_IN_OURS.meet(world).await?;
    existing.question("open_link").await?;
    existing.kill().await?;
    let since = Instant::now();
    let end = new.end().await?;
    ended(&end, (TIME, "ran out"))?;
    ensure!(
        !directory.exists(),
        "something is left in {}",
        directory.display()
    );
    within(SESSION, since, &end)
}

async fn new_disappears(world: &TestEnv<'_>) -> Result<Duration> {
    let Confirmed {
        new, mut existing, ..
    } = OURS_SIGNS_IN_THEIRS.meet(world).await?;
    existing.question("open_link").await?;
    existing.say("y").await?;
    existing.event("sent").await?;
    new.kill().await?;
    let since = Instant::now();
    let end = existing.end().await?;
    ended(&end, (TIME, "ran out"))?;
    within(SESSION, since, &end)
}

pub(crate) fn ended(end: &End, (code, reason): (i32, &str)) -> Result<()> {
    let last = end.seen.last().context("it said nothing")?;
    let what = last.get("what").and_then(Value::as_str).unwrap_or_default();
    ensure!(
        end.code == code && what.contains(reason),
        "ended with {} and {last}",
        end.code
    );
    Ok(())
}

pub(crate) fn within(limit: Duration, since: Instant, end: &End) -> Result<Duration> {
    let took = end.at.duration_since(since);
    ensure!(took <= limit, "it took {} ms", took.as_millis());
    Ok(took)
}
