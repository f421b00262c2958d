//! MSC4388 on each kind of homeserver, in both directions and both readings. Only our devices
//! implement all of it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    case::{
        RevisionOption::{self, Msc4388, Msc4388AsWritten, Newest},
        SessionHost,
        ShowingDevice::{self, Existing, New},
        SignInCase,
        Software::Ours,
    },
    devices::FirstStep,
    doctor,
    process::{DrivenProcess, ProcessEnd},
    report::{InteropReport, PeerSoftware},
    test_env::{RendezvousSetup, TestEnv},
};

/// "The network or the rendezvous server failed": `matrix-qr --help`.
const NETWORK: i32 = 9;

const fn case(shows: ShowingDevice, host: SessionHost, revision: RevisionOption) -> SignInCase {
    SignInCase {
        new: Ours,
        existing: Ours,
        shows,
        host,
        revision,
    }
}

const EXISTING: [SignInCase; 2] = [
    case(Existing, SessionHost::Homeserver, Msc4388),
    case(Existing, SessionHost::Homeserver, Msc4388AsWritten),
];
const NEW: [SignInCase; 2] = [
    case(New, SessionHost::Homeserver, Msc4388),
    case(New, SessionHost::Homeserver, Msc4388AsWritten),
];
/// At a server that does not belong to the account.
const NEW_ELSEWHERE: [SignInCase; 2] = [
    case(New, SessionHost::OurServer, Msc4388),
    case(New, SessionHost::OurServer, Msc4388AsWritten),
];

pub(crate) async fn all(
    env: &mut TestEnv<'_>,
    synapse: &PeerSoftware,
    sdk: &PeerSoftware,
    report: &mut InteropReport,
) {
    let open = matches!(
        env.kind,
        RendezvousSetup::Synapse | RendezvousSetup::ProxiedForAll
    );
    let elsewhere = env.kind == RendezvousSetup::Synapse;
    let new = NEW
        .iter()
        .filter(|_| open)
        .chain(NEW_ELSEWHERE.iter().filter(|_| elsewhere));
    for case in EXISTING.iter().chain(new) {
        let cell = synapse.cell(name(case, env.kind));
        report
            .run(&cell, async { Ok(case.sign_in(env).await?.took) })
            .await;
    }
    if !open {
        let at = place(env.kind);
        let refused = synapse.cell(format!(
            "MSC4388: our new device cannot create a session on {at}; it says what to do"
        ));
        report.run(&refused, not_allowed(env)).await;
        let newest = synapse.cell(format!(
            "`--revision newest`: without a session on {at}, our new device shows MSC4108's code"
        ));
        report.run(&newest, falls_back(env)).await;
    }
    if matches!(
        env.kind,
        RendezvousSetup::Proxied | RendezvousSetup::ProxiedForAll
    ) {
        let outcome = if open {
            "creates, reads, writes and deletes a session"
        } else {
            "finds that it cannot create a session"
        };
        let cell = sdk.cell(format!(
            "MSC4388: matrix-sdk {outcome} on {}",
            place(env.kind)
        ));
        report.run(&cell, read_by_others(env, open)).await;
    }
    if env.kind == RendezvousSetup::Proxied {
        let cell = synapse
            .cell("`matrix-qr doctor`, sessions on our server behind the homeserver's proxy");
        report.run(&cell, doctor::cell(env)).await;
    }
}

fn name(case: &SignInCase, kind: RendezvousSetup) -> String {
    let shows = if case.shows == New { "new" } else { "existing" };
    let reading = if case.revision == Msc4388AsWritten {
        "as written"
    } else {
        "as deployed"
    };
    let at = if case.host == SessionHost::OurServer {
        "our server (for everybody)"
    } else {
        place(kind)
    };
    format!(
        "MSC4388 {reading}: matrix-qr with itself; the {shows} device shows the code; session on {at}"
    )
}

fn place(kind: RendezvousSetup) -> &'static str {
    match kind {
        RendezvousSetup::Synapse => "Synapse (for everybody)",
        RendezvousSetup::Delegated => "Synapse (for signed-in users)",
        RendezvousSetup::Proxied => {
            "our server behind the homeserver's proxy (for signed-in users)"
        }
        RendezvousSetup::ProxiedForAll | RendezvousSetup::Recorded => {
            "our server behind the homeserver's proxy (for everybody)"
        }
    }
}

/// A new device has no access token yet, so the homeserver refuses.
async fn not_allowed(env: &TestEnv<'_>) -> Result<Duration> {
    let began = Instant::now();
    let directory = env.new_directory(Ours);
    let login = Ours.login(env, &directory, FirstStep::ShowAtHomeserver(Msc4388))?;
    let ProcessEnd { code, seen, .. } = login.end().await?;
    let last = seen.last().context("it printed nothing")?;
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

/// matrix-sdk asks whether it can create a session, and if so uses one with its own types.
async fn read_by_others(env: &TestEnv<'_>, open: bool) -> Result<Duration> {
    let began = Instant::now();
    let mut command = Command::new(env.config.theirs.join("peer"));
    command.args(["rendezvous", "--homeserver", &env.homeserver]);
    let mut peer = DrivenProcess::start("peer-rendezvous", &mut command, &env.run)?;
    let said = peer.event("msc4388").await?;
    peer.succeed().await?;
    ensure!(said.get("supported") == Some(&Value::Bool(open)), "{said}");
    Ok(began.elapsed())
}

async fn falls_back(env: &mut TestEnv<'_>) -> Result<Duration> {
    Ok(case(New, SessionHost::Homeserver, Newest)
        .sign_in(env)
        .await?
        .took)
}
