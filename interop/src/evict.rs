//! Synapse 1.163 keeps 100 rendezvous sessions. For one more it drops the oldest, even one in use.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use matrix_sdk::reqwest::Client;

use crate::{
    case::{RevisionOption::Msc4108, SessionHost, ShowingDevice, SignInCase, Software::Ours},
    failing::{OTHER_DEVICE, ended, within},
    sign_in::ConfirmedPair,
    test_env::TestEnv,
};

const CREATE: &str = "_matrix/client/unstable/org.matrix.msc4108/rendezvous";
const MORE_THAN_IT_KEEPS: usize = 250;
const SOON: Duration = Duration::from_secs(5);

/// Others create so many sessions that Synapse drops that of a sign-in. The new device reports the
/// end and leaves nothing behind.
pub(crate) async fn cell(env: &TestEnv<'_>) -> Result<Duration> {
    let pair = SignInCase {
        new: Ours,
        existing: Ours,
        shows: ShowingDevice::New,
        host: SessionHost::Homeserver,
        revision: Msc4108,
    };
    let ConfirmedPair {
        new,
        mut existing,
        directory,
        ..
    } = pair.meet(env).await?;
    existing.question("open_link").await?;
    let client = Client::new();
    for _ in 0..MORE_THAN_IT_KEEPS {
        let create = client
            .post(format!("{}{CREATE}", env.homeserver))
            .header("Content-Type", "text/plain");
        create
            .body("of a stranger")
            .send()
            .await?
            .error_for_status()?;
    }
    let since = Instant::now();
    let end = new.end().await?;
    ended(&end, OTHER_DEVICE, "the session expired")?;
    ensure!(
        !directory.exists(),
        "something is left in {}",
        directory.display()
    );
    within(SOON, since, &end)
}
