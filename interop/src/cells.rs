//! Every cell of the table. The order matters: some cells need a device that an earlier one signed
//! in.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::{
    bot, bots,
    case::{
        RevisionOption::Msc4108,
        SessionHost::{self, Homeserver, OurServer},
        ShowingDevice::{self, Existing, New},
        SignInCase,
        Software::{self, MatrixSdk, Ours},
    },
    compare,
    config::InteropConfig,
    devices::{self, DeviceList},
    doctor, evict, failing, newer,
    report::{InteropReport, PeerSoftware},
    test_env::{RendezvousSetup, TestEnv},
};

const fn case(
    new: Software,
    existing: Software,
    shows: ShowingDevice,
    host: SessionHost,
) -> SignInCase {
    SignInCase {
        new,
        existing,
        shows,
        host,
        revision: Msc4108,
    }
}

/// On a Synapse that creates rendezvous sessions itself. The first case signs in matrix-sdk's
/// device that the others need; ours are compared with the next two.
const ON_SYNAPSE: [SignInCase; 11] = [
    case(MatrixSdk, Ours, New, Homeserver),
    case(MatrixSdk, MatrixSdk, New, Homeserver),
    case(MatrixSdk, MatrixSdk, Existing, Homeserver),
    case(MatrixSdk, Ours, Existing, Homeserver),
    case(Ours, MatrixSdk, New, Homeserver),
    case(Ours, MatrixSdk, Existing, Homeserver),
    case(Ours, Ours, New, Homeserver),
    case(Ours, Ours, Existing, Homeserver),
    case(Ours, Ours, New, OurServer),
    case(Ours, MatrixSdk, New, OurServer),
    case(MatrixSdk, MatrixSdk, New, OurServer),
];

/// On a Synapse that redirects to our rendezvous server.
const DELEGATED: [SignInCase; 4] = [
    case(MatrixSdk, Ours, New, Homeserver),
    case(MatrixSdk, MatrixSdk, Existing, Homeserver),
    case(Ours, MatrixSdk, Existing, Homeserver),
    case(Ours, Ours, New, Homeserver),
];

/// The software by others.
struct Peers {
    synapse: PeerSoftware,
    sdk: PeerSoftware,
}

/// How long sign-ins between two matrix-sdk devices took, with sessions on Synapse.
#[derive(Default)]
struct Times {
    new_shows: Option<Duration>,
    existing_shows: Option<Duration>,
}

pub(crate) async fn all(config: &InteropConfig, report: &mut InteropReport) -> Result<()> {
    let mut synapse = PeerSoftware::from_pypi("matrix-synapse", &config.python).await?;
    synapse.name = "Synapse";
    let peers = Peers {
        synapse,
        sdk: PeerSoftware {
            name: "matrix-sdk",
            version: locked("matrix-sdk")?,
        },
    };
    let mut times = Times::default();
    let wanted = |group| config.only.as_deref().is_none_or(|only| only == group);
    if wanted("synapse") {
        on_synapse(config, &peers, &mut times, report)
            .await
            .context("with sessions on Synapse")?;
    }
    if !bots::wanted(config).is_empty() {
        bots::all(config, report).await.context("with bots")?;
    }
    if wanted("delegated") {
        delegated(config, &peers, &mut times, report)
            .await
            .context("with a redirect from Synapse to our server")?;
    }
    for kind in [RendezvousSetup::Proxied, RendezvousSetup::ProxiedForAll] {
        if !wanted("proxied") {
            break;
        }
        let mut env = TestEnv::start(config, kind)
            .await
            .context("with our server behind the homeserver's proxy")?;
        newer::all(&mut env, &peers.synapse, &peers.sdk, report).await;
    }
    Ok(())
}

async fn on_synapse(
    config: &InteropConfig,
    peers: &Peers,
    times: &mut Times,
    report: &mut InteropReport,
) -> Result<()> {
    let Peers { synapse, sdk } = peers;
    let mut env = TestEnv::start(config, RendezvousSetup::Synapse).await?;
    for case in &ON_SYNAPSE {
        sign_in(case, &mut env, peers, times, report).await;
    }
    if config.timed {
        let half =
            sdk.cell("matrix-qr with itself takes at most half as long as matrix-sdk with itself");
        report.run(&half, compare::cell(&mut env)).await;
    }
    failing::all(&env, sdk, report).await;
    report
        .run(
            &synapse.cell("`matrix-qr doctor`, sessions on Synapse"),
            doctor::cell(&env),
        )
        .await;
    let evicted = synapse.cell(
        "Synapse drops the session of a sign-in for newer ones: our new device reports it at once",
    );
    report.run(&evicted, evict::cell(&env)).await;
    report
        .run(
            &sdk.cell("a bot on matrix-sdk uses the session that `matrix-qr login` stored"),
            bot::cell(&mut env),
        )
        .await;
    let encrypted = sdk.cell("the same with a passphrase: matrix-sdk opens the encrypted store");
    report.run(&encrypted, bot::encrypted_cell(&mut env)).await;
    newer::all(&mut env, synapse, sdk, report).await;
    report
        .run(
            &sdk.cell("a device that matrix-sdk signed in lists all of our devices as verified"),
            reverse(&env),
        )
        .await;
    Ok(())
}

async fn delegated(
    config: &InteropConfig,
    peers: &Peers,
    times: &mut Times,
    report: &mut InteropReport,
) -> Result<()> {
    let mut env = TestEnv::start(config, RendezvousSetup::Delegated).await?;
    for case in &DELEGATED {
        sign_in(case, &mut env, peers, times, report).await;
    }
    let ours = peers
        .synapse
        .cell("`matrix-qr doctor`, sessions on our server, by 307 from Synapse");
    report.run(&ours, doctor::cell(&env)).await;
    newer::all(&mut env, &peers.synapse, &peers.sdk, report).await;
    Ok(())
}

async fn sign_in(
    case: &SignInCase,
    env: &mut TestEnv<'_>,
    peers: &Peers,
    times: &mut Times,
    report: &mut InteropReport,
) {
    let ours = case.new == Ours && case.existing == Ours;
    let mut cell = if ours { &peers.synapse } else { &peers.sdk }.cell(name(case, env.kind));
    cell.sdk_time = *times.of(case.shows);
    let mut took = None;
    let work = async {
        let signed_in = case.sign_in(env).await?;
        took = Some(signed_in.took);
        Ok(signed_in.took)
    };
    report.run(&cell, work).await;
    times.note(case, env.kind, took);
}

impl Times {
    fn of(&mut self, shows: ShowingDevice) -> &mut Option<Duration> {
        if shows == New {
            &mut self.new_shows
        } else {
            &mut self.existing_shows
        }
    }

    fn note(&mut self, case: &SignInCase, kind: RendezvousSetup, took: Option<Duration>) {
        let with_itself = SignInCase {
            new: MatrixSdk,
            existing: MatrixSdk,
            host: Homeserver,
            ..*case
        };
        if *case == with_itself && kind == RendezvousSetup::Synapse {
            *self.of(case.shows) = took;
        }
    }
}

/// The name of its cell.
fn name(case: &SignInCase, kind: RendezvousSetup) -> String {
    let software = |software| {
        if software == Ours {
            "matrix-qr"
        } else {
            "matrix-sdk"
        }
    };
    let [new, existing] = [software(case.new), software(case.existing)];
    let shows = if case.shows == New { "new" } else { "existing" };
    let host = match (case.host, kind) {
        (OurServer, _) => "our server",
        (Homeserver, RendezvousSetup::Synapse) => "Synapse",
        // A proxied Synapse redirects, too.
        (Homeserver, _) => "our server, by 307 from Synapse",
    };
    format!(
        "new device {new}, existing device {existing}; the {shows} device shows the code; session on {host}"
    )
}

/// A device that matrix-sdk signed in trusts every device of ours, and every other one in the
/// account.
async fn reverse(env: &TestEnv<'_>) -> Result<Duration> {
    let began = Instant::now();
    let DeviceList {
        verified,
        unverified,
    } = devices::list(env).await?;
    let missing: Vec<_> = env
        .ours
        .iter()
        .filter(|id| !verified.contains(id))
        .collect();
    ensure!(
        env.ours.len() >= 3,
        "too few devices of ours for this cell: {:?}",
        env.ours
    );
    ensure!(
        missing.is_empty() && unverified.is_empty(),
        "not verified: {missing:?}, {unverified:?}"
    );
    Ok(began.elapsed())
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
