//! MSC4388, which only our devices speak end to end: on each kind of homeserver, both ways, in both
//! readings.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    devices::{Begin, Software::Ours},
    doctor,
    process::{End, Process},
    report::{Peer, Report},
    sign_in::{
        Over, Pair,
        Revision::{self, Msc4388, Msc4388AsWritten, Newest},
        Shows::{self, Existing, New},
    },
    test_env::{Rendezvous, TestEnv},
};

/// "The network or the rendezvous server failed": `matrix-qr --help`.
const NETWORK: i32 = 9;

const fn pair(shows: Shows, over: Over, revision: Revision) -> Pair {
    Pair {
        new: Ours,
        existing: Ours,
        shows,
        over,
        revision,
    }
}

const EXISTING: [Pair; 2] = [
    pair(Existing, Over::Homeserver, Msc4388),
    pair(Existing, Over::Homeserver, Msc4388AsWritten),
];
const NEW: [Pair; 2] = [
    pair(New, Over::Homeserver, Msc4388),
    pair(New, Over::Homeserver, Msc4388AsWritten),
];
/// At a server that has nothing to do with the account.
const NEW_ELSEWHERE: [Pair; 2] = [
    pair(New, Over::Ours, Msc4388),
    pair(New, Over::Ours, Msc4388AsWritten),
];

pub(crate) async fn all(
    world: &mut TestEnv<'_>,
    (synapse, sdk): (&Peer, &Peer),
    report: &mut Report,
) {
    let open = matches!(world.kind, Rendezvous::Synapse | Rendezvous::ProxiedForAll);
    let elsewhere = world.kind == Rendezvous::Synapse;
    let new = NEW
        .iter()
        .filter(|_| open)
        .chain(NEW_ELSEWHERE.iter().filter(|_| elsewhere));
    for pair in EXISTING.iter().chain(new) {
        let cell = synapse.cell(name(pair, world.kind));
        report
            .run(&cell, async { Ok(pair.sign_in(world).await?.took) })
            .await;
    }
    if !open {
        let at = place(world.kind);
        let refused = synapse.cell(format!(
            "msc4388: our new device cannot show a code over {at}, and says what to do"
        ));
        report.run(&refused, not_allowed(world)).await;
        let newest = synapse.cell(format!(
            "`--revision newest`: our new device shows msc4108's code, not one over {at}"
        ));
        report.run(&newest, falls_back(world)).await;
    }
    if matches!(world.kind, Rendezvous::Proxied | Rendezvous::ProxiedForAll) {
        let outcome = if open {
            "works as the text says"
        } else {
            "is not for it"
        };
        let cell = sdk.cell(format!(
            "msc4388: to matrix-sdk, {} {outcome}",
            place(world.kind)
        ));
        report.run(&cell, read_by_others(world, open)).await;
    }
    if world.kind == Rendezvous::Proxied {
        let cell = synapse.cell("`matrix-qr doctor` on ours behind the homeserver's proxy");
        report.run(&cell, doctor::cell(world)).await;
    }
}

fn name(pair: &Pair, kind: Rendezvous) -> String {
    let shows = if pair.shows == New { "new" } else { "existing" };
    let reading = if pair.revision == Msc4388AsWritten {
        "as written"
    } else {
        "as deployed"
    };
    let at = if pair.over == Over::Ours {
        "our rendezvous server, open"
    } else {
        place(kind)
    };
    format!("msc4388 {reading}: matrix-qr with itself, the {shows} one shows the code, over {at}")
}

fn place(kind: Rendezvous) -> &'static str {
    match kind {
        Rendezvous::Synapse => "Synapse's own rendezvous, open",
        Rendezvous::Delegated => "Synapse's own rendezvous, authenticated",
        Rendezvous::Proxied => "ours behind the homeserver's proxy, authenticated",
        Rendezvous::ProxiedForAll => "ours behind the homeserver's proxy, open",
    }
}

/// Nobody there knows it yet.
async fn not_allowed(world: &TestEnv<'_>) -> Result<Duration> {
    let began = Instant::now();
    let directory = world.new_directory(Ours);
    let login = Ours.login(world, &directory, Begin::ShowAtHome(Msc4388))?;
    let End { code, seen, .. } = login.end().await?;
    let last = seen.last().context("it said nothing")?;
    let advice = last
        .get("advice")
        .and_then(Value::as_str)
        .unwrap_or_default();
    ensure!(
        code == NETWORK && advice.contains("scan it here"),
        "ended with {code} and {last}"
    );
    ensure!(
        !directory.exists(),
        "something is left in {}",
        directory.display()
    );
    Ok(began.elapsed())
}

/// matrix-sdk asks for such sessions, and its types read what is answered.
async fn read_by_others(world: &TestEnv<'_>, open: bool) -> Result<Duration> {
    let began = Instant::now();
    let mut command = Command::new(world.places.theirs.join("peer"));
    command.args(["rendezvous", "--homeserver", &world.homeserver]);
    let mut peer = Process::start("peer-rendezvous", &mut command, &world.run)?;
    let said = peer.event("msc4388").await?;
    peer.succeed().await?;
    ensure!(said.get("supported") == Some(&Value::Bool(open)), "{said}");
    Ok(began.elapsed())
}

async fn falls_back(world: &mut TestEnv<'_>) -> Result<Duration> {
    Ok(pair(New, Over::Homeserver, Newest)
        .sign_in(world)
        .await?
        .took)
}
