//! A homeserver, its authorization server, a rendezvous server of ours, and the devices of one
//! account.

use std::{
    cell::Cell,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    Places,
    devices::Software,
    homeserver::{self, SECRET, free_port},
    process::Process,
    proxy,
};

/// Shorter than a run, so that every device has to refresh its token.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(15);

/// Where Synapse creates rendezvous sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rendezvous {
    /// In itself.
    Synapse,
    /// It answers 307 to our server. Its own sessions of MSC4388 are for those who are signed in.
    Delegated,
    /// Its proxy sends what MSC4388 asks to our server, which lets those create who are signed in
    /// at the homeserver.
    Proxied,
    /// The same, and everybody may.
    ProxiedForAll,
}

impl Rendezvous {
    fn is_proxied(self) -> bool {
        matches!(self, Self::Proxied | Self::ProxiedForAll)
    }

    /// What Synapse is told of it.
    fn feature(self, ours: &str) -> String {
        match self {
            Self::Synapse => "msc4108_enabled: true, msc4388_mode: open".to_owned(),
            Self::Delegated => {
                format!("msc4108_delegation_endpoint: \"{ours}\", msc4388_mode: authenticated")
            }
            Self::Proxied | Self::ProxiedForAll => {
                format!("msc4108_delegation_endpoint: \"{ours}\"")
            }
        }
    }
}

pub(crate) struct TestEnv<'a> {
    pub(crate) places: &'a Places,
    pub(crate) kind: Rendezvous,
    pub(crate) run: PathBuf,
    pub(crate) homeserver: String,
    /// Our rendezvous server.
    pub(crate) rendezvous: String,
    /// The encrypted room with the old messages.
    pub(crate) room: String,
    /// The account's first device, ours.
    pub(crate) first: PathBuf,
    /// matrix-sdk's first device, once it has been signed in.
    pub(crate) peer: Option<PathBuf>,
    /// Our devices that were signed in.
    pub(crate) ours: Vec<String>,
    devices: Cell<usize>,
    _servers: Vec<Process>,
}

impl<'a> TestEnv<'a> {
    pub(crate) async fn start(places: &'a Places, kind: Rendezvous) -> Result<Self> {
        let run = places.run.join(format!("{kind:?}").to_lowercase());
        fs::create_dir_all(&run)?;
        let ports = Ports::free(kind)?;
        let homeserver = format!("http://localhost:{}/", ports.public);
        let checks = (kind == Rendezvous::Proxied).then_some(homeserver.as_str());
        let (server, rendezvous) = rendezvous(places, &run, (ports.rendezvous, checks))?;
        let mut servers = vec![server];
        if kind.is_proxied() {
            servers.push(proxy::start(&run, ports).await?);
        }
        servers.push(homeserver::start(places, &run, ports, &kind.feature(&rendezvous)).await?);
        let mut sandbox = authority_of(places, &run, (&homeserver, ports.authority))?;
        let ready = sandbox.event("ready").await?;
        let text = |name: &str| -> Result<String> {
            let text = ready.get(name).and_then(Value::as_str);
            text.map(str::to_owned)
                .with_context(|| format!("the sandbox does not say its {name}"))
        };
        let room = text("room_id")?;
        let first = text("existing_directory")?.into();
        servers.push(sandbox);
        Ok(Self {
            places,
            kind,
            homeserver,
            rendezvous,
            room,
            first,
            peer: None,
            ours: Vec::new(),
            run,
            devices: Cell::new(0),
            _servers: servers,
        })
    }

    /// For one more device.
    pub(crate) fn new_directory(&self, software: Software) -> PathBuf {
        self.devices.set(self.devices.get() + 1);
        self.run
            .join(format!("{}-{software:?}", self.devices.get()).to_lowercase())
    }
}

/// On this machine.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Where Synapse listens.
    pub(crate) homeserver: u16,
    /// Where its clients find it: the proxy in front of it, if there is one.
    pub(crate) public: u16,
    pub(crate) authority: u16,
    pub(crate) rendezvous: u16,
}

impl Ports {
    fn free(kind: Rendezvous) -> Result<Self> {
        let (homeserver, authority, rendezvous) = (free_port()?, free_port()?, free_port()?);
        let public = if kind.is_proxied() {
            free_port()?
        } else {
            homeserver
        };
        Ok(Self {
            homeserver,
            public,
            authority,
            rendezvous,
        })
    }
}

/// `checks`: the homeserver whose users alone may make sessions of MSC4388.
fn rendezvous(
    places: &Places,
    run: &Path,
    (port, checks): (u16, Option<&str>),
) -> Result<(Process, String)> {
    let url = format!("http://127.0.0.1:{port}/");
    let mut command = Command::new(places.ours.join("matrix-qr-rendezvous"));
    command.args([
        "--listen",
        &format!("127.0.0.1:{port}"),
        "--public-url",
        &url,
        "--allow-http",
    ]);
    command.args(
        checks
            .into_iter()
            .flat_map(|homeserver| ["--homeserver", homeserver]),
    );
    Ok((Process::start("rendezvous", &mut command, run)?, url))
}

fn authority_of(places: &Places, run: &Path, (homeserver, port): (&str, u16)) -> Result<Process> {
    let secret = run.join("secret");
    fs::write(&secret, SECRET)?;
    let mut command = Command::new(places.ours.join("matrix-qr"));
    command.args([
        "sandbox",
        "--json",
        "--synapse",
        homeserver,
        "--oauth-port",
        &port.to_string(),
    ]);
    command.args(["--token-lifetime", &TOKEN_LIFETIME.as_secs().to_string()]);
    command.arg("--synapse-secret-file").arg(secret);
    command.arg("--directory").arg(run.join("account"));
    Process::start("sandbox", &mut command, run)
}
