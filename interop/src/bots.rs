//! Bots with keys of their own: matrix-nio, mautrix-python, and crypto-wasm.

use std::time::Duration;

use anyhow::{Context as _, Result};
use futures_util::future::join_all;
use tokio::time::timeout;

use crate::{
    bot_life::BotCase,
    case::{
        RevisionOption::Msc4108,
        SessionHost,
        ShowingDevice::{self, Existing, New},
        SignInCase,
        Software::{self, MatrixSdk, Ours},
    },
    config::InteropConfig,
    library::BotLibrary::{self, CryptoWasm, Mautrix, Nio},
    report::{InteropReport, LIMIT},
    shared_account::SharedAccount,
    test_env::{RendezvousSetup, TestEnv},
};

/// Each existing device shows the code once, and scans it once.
const WAYS: [(Software, ShowingDevice); 4] = [
    (Ours, New),
    (MatrixSdk, Existing),
    (Ours, Existing),
    (MatrixSdk, New),
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
    // At the same time, because most of it is waiting; but one bot of each library: all of them
    // answer each message, and a sync has only ten messages of a room.
    let libraries = peers
        .iter()
        .map(|(library, _)| one_by_one(*library, &account));
    for ((_, peer), results) in peers.iter().zip(join_all(libraries).await) {
        for (case, result) in results? {
            report.run(&peer.cell(case.name()), async { result }).await;
        }
    }
    Ok(())
}

/// All cells of a library. They talk in a room of their own, so that the old messages stay the last
/// ones in theirs.
async fn one_by_one(
    library: BotLibrary,
    account: &SharedAccount<'_>,
) -> Result<Vec<(BotCase, Result<Duration>)>> {
    let room = account.new_room().await?;
    let mut results = Vec::new();
    for (existing, shows) in WAYS {
        let case = BotCase {
            library,
            existing,
            shows,
        };
        let result = timeout(LIMIT, case.cell(account, &room)).await;
        results.push((case, result.map_err(Into::into).flatten()));
    }
    Ok(results)
}
