//! Every cell of the table, in an order in which each finds what it needs.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    Places, bot, compare,
    devices::{
        Software::{MatrixSdk, Ours},
        peer,
    },
    doctor, evict, failing, homeserver, newer,
    report::{Peer, Report},
    sign_in::{Over, Pair, Revision::Msc4108, Shows},
    test_env::{Rendezvous, TestEnv},
};

use Over::{Homeserver, Ours as OurServer};
use Shows::{Existing, New};

/// On a Synapse that makes rendezvous sessions itself. The first of them makes matrix-sdk's device
/// that the others need; the next two are what ours are compared with.
const ON_SYNAPSE: [Pair; 11] = [
    Pair {
        new: MatrixSdk,
        existing: Ours,
        shows: New,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: MatrixSdk,
        existing: MatrixSdk,
        shows: New,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: MatrixSdk,
        existing: MatrixSdk,
        shows: Existing,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: MatrixSdk,
        existing: Ours,
        shows: Existing,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: Ours,
        existing: MatrixSdk,
        shows: New,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: Ours,
        existing: MatrixSdk,
        shows: Existing,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: Ours,
        existing: Ours,
        shows: New,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: Ours,
        existing: Ours,
        shows: Existing,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: Ours,
        existing: Ours,
        shows: New,
        over: OurServer,
        revision: Msc4108,
    },
    Pair {
        new: Ours,
        existing: MatrixSdk,
        shows: New,
        over: OurServer,
        revision: Msc4108,
    },
    Pair {
        new: MatrixSdk,
        existing: MatrixSdk,
        shows: New,
        over: OurServer,
        revision: Msc4108,
    },
];

/// On a Synapse that sends everybody to our rendezvous server.
const DELEGATED: [Pair; 4] = [
    Pair {
        new: MatrixSdk,
        existing: Ours,
        shows: New,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: MatrixSdk,
        existing: MatrixSdk,
        shows: Existing,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: Ours,
        existing: MatrixSdk,
        shows: Existing,
        over: Homeserver,
        revision: Msc4108,
    },
    Pair {
        new: Ours,
        existing: Ours,
        shows: New,
        over: Homeserver,
        revision: Msc4108,
    },
];

/// Others' software.
struct Peers {
    synapse: Peer,
    sdk: Peer,
}

/// What it took matrix-sdk with itself over Synapse's own rendezvous.
#[derive(Default)]
struct Times {
    new_shows: Option<Duration>,
    existing_shows: Option<Duration>,
}

pub(crate) async fn all(places: &Places, report: &mut Report) -> Result<()> {
    let synapse = Peer {
        name: "Synapse",
        version: homeserver::version(places).await?,
    };
    let peers = Peers {
        synapse,
        sdk: Peer {
            name: "matrix-sdk",
            version: locked("matrix-sdk")?,
        },
    };
    let mut times = Times::default();
    on_synapse(places, &peers, (&mut times, report))
        .await
        .context("with Synapse's own rendezvous")?;
    delegated(places, &peers, (&mut times, report))
        .await
        .context("with Synapse sending to our rendezvous")?;
    for kind in [Rendezvous::Proxied, Rendezvous::ProxiedForAll] {
        let mut world = TestEnv::start(places, kind)
            .await
            .context("with our rendezvous behind a proxy")?;
        newer::all(&mut world, (&peers.synapse, &peers.sdk), report).await;
    }
    Ok(())
}

async fn on_synapse(
    places: &Places,
    peers: &Peers,
    (times, report): (&mut Times, &mut Report),
) -> Result<()> {
    let Peers { synapse, sdk } = peers;
    let mut world = TestEnv::start(places, Rendezvous::Synapse).await?;
    for pair in &ON_SYNAPSE {
        sign_in(pair, &mut world, peers, (times, report)).await;
    }
    if places.timed {
        let half = sdk
            .cell("matrix-qr with itself takes at most half of what matrix-sdk with itself takes");
        report.run(&half, compare::cell(&mut world)).await;
    }
    failing::all(&world, sdk, report).await;
    report
        .run(
            &synapse.cell("`matrix-qr doctor` on Synapse's own rendezvous"),
            doctor::cell(&world),
        )
        .await;
    let evicted =
        synapse.cell("Synapse drops the session of a sign-in for newer ones: said at once");
    report.run(&evicted, evict::cell(&world)).await;
    report
        .run(
            &sdk.cell("a bot on matrix-sdk, with what `matrix-qr login` stored"),
            bot::cell(&mut world),
        )
        .await;
    newer::all(&mut world, (synapse, sdk), report).await;
    report
        .run(
            &sdk.cell("a device that matrix-sdk signed in lists ours as verified"),
            reverse(&world),
        )
        .await;
    Ok(())
}

async fn delegated(
    places: &Places,
    peers: &Peers,
    (times, report): (&mut Times, &mut Report),
) -> Result<()> {
    let mut world = TestEnv::start(places, Rendezvous::Delegated).await?;
    for pair in &DELEGATED {
        sign_in(pair, &mut world, peers, (times, report)).await;
    }
    let ours = peers
        .synapse
        .cell("`matrix-qr doctor` on ours, by 307 from Synapse");
    report.run(&ours, doctor::cell(&world)).await;
    newer::all(&mut world, (&peers.synapse, &peers.sdk), report).await;
    Ok(())
}

async fn sign_in(
    pair: &Pair,
    world: &mut TestEnv<'_>,
    peers: &Peers,
    (times, report): (&mut Times, &mut Report),
) {
    let ours = pair.new == Ours && pair.existing == Ours;
    let mut cell = if ours { &peers.synapse } else { &peers.sdk }.cell(name(pair, world.kind));
    cell.beside = *times.of(pair.shows);
    let mut took = None;
    let work = async {
        let signed_in = pair.sign_in(world).await?;
        took = Some(signed_in.took);
        Ok(signed_in.took)
    };
    report.run(&cell, work).await;
    times.note(pair, world.kind, took);
}

impl Times {
    fn of(&mut self, shows: Shows) -> &mut Option<Duration> {
        if shows == New {
            &mut self.new_shows
        } else {
            &mut self.existing_shows
        }
    }

    fn note(&mut self, pair: &Pair, kind: Rendezvous, took: Option<Duration>) {
        let with_itself = Pair {
            new: MatrixSdk,
            existing: MatrixSdk,
            over: Homeserver,
            ..*pair
        };
        if *pair == with_itself && kind == Rendezvous::Synapse {
            *self.of(pair.shows) = took;
        }
    }
}

/// As people would say it.
fn name(pair: &Pair, kind: Rendezvous) -> String {
    let software = |software| {
        if software == Ours {
            "matrix-qr"
        } else {
            "matrix-sdk"
        }
    };
    let [new, existing] = [software(pair.new), software(pair.existing)];
    let shows = if pair.shows == New { "new" } else { "existing" };
    let over = match (pair.over, kind) {
        (OurServer, _) => "our rendezvous server",
        (Homeserver, Rendezvous::Synapse) => "Synapse's own rendezvous",
        // The proxied ones delegate, too.
        (Homeserver, _) => "ours, by 307 from Synapse",
    };
    format!("new {new}, existing {existing}, the {shows} one shows the code, over {over}")
}

/// The reverse of what our own devices say: a device that matrix-sdk signed in trusts every one of
/// ours, and there is none in the account that it does not trust.
async fn reverse(world: &TestEnv<'_>) -> Result<Duration> {
    let began = Instant::now();
    let mut lists = peer(world, "devices", &[])?;
    let devices = lists.event("devices").await?;
    lists.succeed().await?;
    let (verified, unverified) = (ids(&devices, "verified")?, ids(&devices, "unverified")?);
    let missing: Vec<_> = world
        .ours
        .iter()
        .filter(|id| !verified.contains(id))
        .collect();
    ensure!(
        world.ours.len() >= 3,
        "too few devices of ours to say anything: {:?}",
        world.ours
    );
    ensure!(
        missing.is_empty() && unverified.is_empty(),
        "not verified: {missing:?}, {unverified:?}"
    );
    Ok(began.elapsed())
}

fn ids(devices: &Value, name: &str) -> Result<Vec<String>> {
    Ok(serde_json::from_value(
        devices
            .get(name)
            .cloned()
            .with_context(|| format!("no {name}"))?,
    )?)
}

/// The version of a package in this workspace's lock file.
fn locked(package: &str) -> Result<String> {
    let lock = include_str!("../Cargo.lock");
    let (_, rest) = lock
        .split_once(&format!("name = \"{package}\"\nversion = \""))
        .context("not in the lock file")?;
    rest.split_once('"')
        .map(|(version, _)| version.to_owned())
        .context("no version in the lock file")
}
