//! How long a sign-in takes the machines: ours with ours, beside matrix-sdk with itself, over a
//! server that can only be polled.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::{
    devices::Software::{self, MatrixSdk, Ours},
    sign_in::{Over, Pair, Revision::Msc4108, Shows},
    test_env::TestEnv,
};

/// Of so many the fastest counts: the one that the rest of the machine disturbed least.
const ROUNDS: usize = 3;

/// Ours takes at most half as long, both directions together. Gives the time of one of ours.
pub(crate) async fn cell(world: &mut TestEnv<'_>) -> Result<Duration> {
    let sdk = both_directions(world, MatrixSdk).await?;
    let ours = both_directions(world, Ours).await?;
    let [ms, sdk_ms] = [ours.as_millis(), sdk.as_millis()];
    ensure!(
        ms * 2 <= sdk_ms,
        "two sign-ins of ours take {ms} ms, two of matrix-sdk's {sdk_ms} ms"
    );
    Ok(ours / 2)
}

async fn both_directions(world: &mut TestEnv<'_>, software: Software) -> Result<Duration> {
    let mut sum = Duration::ZERO;
    for shows in [Shows::New, Shows::Existing] {
        let pair = Pair {
            new: software,
            existing: software,
            shows,
            over: Over::Homeserver,
            revision: Msc4108,
        };
        sum += fastest(world, pair).await?;
    }
    Ok(sum)
}

async fn fastest(world: &mut TestEnv<'_>, pair: Pair) -> Result<Duration> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(pair.sign_in(world).await?.took);
    }
    times.into_iter().min().context("no rounds")
}
