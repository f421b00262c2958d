//! How long a sign-in takes between two devices of ours, compared with two of matrix-sdk, with
//! sessions on a server that must be polled.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::{
    case::{
        RevisionOption::Msc4108,
        SessionHost, ShowingDevice, SignInCase,
        Software::{self, MatrixSdk, Ours},
    },
    test_env::TestEnv,
};

/// The fastest of this number of rounds counts, since other load on the machine slowed it least.
const ROUNDS: usize = 3;

/// Ours takes at most half as long, both directions together. Returns the time of one of ours.
pub(crate) async fn cell(env: &mut TestEnv<'_>) -> Result<Duration> {
    let sdk = both_directions(env, MatrixSdk).await?;
    let ours = both_directions(env, Ours).await?;
    let [ms, sdk_ms] = [ours.as_millis(), sdk.as_millis()];
    ensure!(
        ms * 2 <= sdk_ms,
        "two sign-ins of ours take {ms} ms, two of matrix-sdk's {sdk_ms} ms"
    );
    Ok(ours / 2)
}

async fn both_directions(env: &mut TestEnv<'_>, software: Software) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for shows in [ShowingDevice::New, ShowingDevice::Existing] {
        let pair = SignInCase {
            new: software,
            existing: software,
            shows,
            host: SessionHost::Homeserver,
            revision: Msc4108,
        };
        sum += fastest(env, pair).await?;
    }
    Ok(sum)
}

async fn fastest(env: &mut TestEnv<'_>, pair: SignInCase) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(pair.sign_in(env).await?.took);
    }
    times.into_iter().min().context("no rounds")
}
