//! Bots with keys of their own: matrix-nio, mautrix-python, and crypto-wasm.

use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::{
    bot_life::{BotCase, BotLife},
    case::{
        RevisionOption::Msc4108,
        SessionHost,
        ShowingDevice::{self, Existing, New},
        SignInCase,
        Software::{self, MatrixSdk, Ours},
    },
    config::InteropConfig,
    library::BotLibrary::{self, CryptoWasm, Mautrix, Nio},
    report::InteropReport,
    shared_account::SharedAccount,
    test_env::{RendezvousSetup, TestEnv},
};

/// The longest time of all cells together.
const LIMIT: Duration = Duration::from_secs(300);

/// In this order: what takes longest begins first.
const WAYS: [(Software, ShowingDevice, BotLife); 4] = [
    (Ours, New, BotLife::Whole),
    (MatrixSdk, Existing, BotLife::Whole),
    (Ours, Existing, BotLife::Start),
    (MatrixSdk, New, BotLife::Start),
];

/// The bots that run: all of them, if `--only` does not name one.
pub(crate) fn wanted(config: &InteropConfig) -> Vec<BotLibrary> {
    let only = config.only.as_deref();
    let is =
        |library: &BotLibrary| only.is_none_or(|only| only == "bots" || only == library.package());
    [Nio, Mautrix, CryptoWasm].into_iter().filter(is).collect()
}

pub(crate) async fn all(config: &InteropConfig, report: &mut InteropReport) -> Result<()> {
    let mut env = TestEnv::start(config, RendezvousSetup::Recorded).await?;
    let first = SignInCase {
        new: MatrixSdk,
        existing: Ours,
        shows: New,
        host: SessionHost::Homeserver,
        revision: Msc4108,
    };
    first
        .sign_in(&mut env)
        .await
        .context("matrix-sdk's device")?;
    let account = SharedAccount::new(&env);
    let mut peers = Vec::new();
    for library in wanted(config) {
        peers.push((library, library.software(config).await?));
    }
    let mut cases = Vec::new();
    for (existing, shows, life) in WAYS {
        cases.extend(peers.iter().map(|(library, peer)| {
            let case = BotCase {
                library: *library,
                existing,
                shows,
                life,
            };
            (case, peer)
        }));
    }
    // All at the same time, because most of it is waiting. When one fails, the others wait for it.
    let work = cases
        .iter()
        .map(|(case, _)| timeout(LIMIT, case.cell(&account)));
    let results = join_all(work).await;
    for ((case, peer), result) in cases.iter().zip(results) {
        let late = |_| anyhow!("no time was left for it: {} s in all", LIMIT.as_secs());
        let result = result.map_err(late).flatten();
        report.run(&peer.cell(case.name()), async { result }).await;
    }
    Ok(())
}
