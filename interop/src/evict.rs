//! Synapse 1.163 keeps 100 rendezvous sessions, and for one more drops the oldest, in use or not.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use matrix_sdk::reqwest::Client;

use crate::{
    devices::Software::Ours,
    failing::{OTHER_DEVICE, ended, within},
    sign_in::{Confirmed, Over, Pair, Revision::Msc4108, Shows},
    test_env::TestEnv,
};

const CREATE: &str = "_matrix/client/unstable/org.matrix.msc4108/rendezvous";
const MORE_THAN_IT_KEEPS: usize = 250;
const SOON: Duration = Duration::from_secs(5);

/// Strangers push a sign-in out; the new device is told and leaves nothing behind.
pub(crate) async fn cell(world: &TestEnv<'_>) -> Result<Duration> {
    let pair = Pair {
        new: Ours,
        existing: Ours,
        shows: Shows::New,
        over: Over::Homeserver,
        revision: Msc4108,
    };
    let Confirmed {
        new,
        mut existing,
        directory,
        ..
    } = pair.meet(world).await?;
    existing.question("open_link").await?;
    let client = Client::new();
    for _ in 0..MORE_THAN_IT_KEEPS {
        let create = client
            .post(format!("{}{CREATE}", world.homeserver))
            .header("Content-Type", "text/plain");
        create
            .body("of a stranger")
            .send()
            .await?
            .error_for_status()?;
    }
    let since = Instant::now();
    let end = new.end().await?;
    ended(&end, (OTHER_DEVICE, "the session's time ran out"))?;
    ensure!(
        !directory.exists(),
        "something is left in {}",
        directory.display()
    );
    within(SOON, since, &end)
}
