//! A homeserver, its authorization server, a rendezvous server of ours, and the devices of one account.

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
};

/// Shorter than a run, so that every device has to refresh its token.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(15);

/// Where Synapse creates rendezvous sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rendezvous {
    /// In itself.
    Synapse,
    /// It answers 307 to our server.
    Delegated,
}

pub(crate) struct World<'a> {
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
    _servers: [Process; 3],
}

impl<'a> World<'a> {
    pub(crate) async fn start(places: &'a Places, kind: Rendezvous) -> Result<Self> {
        let run = places.run.join(format!("{kind:?}").to_lowercase());
        fs::create_dir_all(&run)?;
        let (port, authority) = (free_port()?, free_port()?);
        let (server, rendezvous) = rendezvous(places, &run)?;
        let feature = match kind {
            Rendezvous::Synapse => "msc4108_enabled: true".to_owned(),
            Rendezvous::Delegated => format!("msc4108_delegation_endpoint: \"{rendezvous}\""),
        };
        let synapse = homeserver::start(places, &run, (port, authority), &feature).await?;
        let homeserver = format!("http://localhost:{port}/");
        let mut sandbox = authority_of(places, &run, (&homeserver, authority))?;
        let ready = sandbox.event("ready").await?;
        let text = |name: &str| -> Result<String> {
            let text = ready.get(name).and_then(Value::as_str);
            text.map(str::to_owned).with_context(|| format!("the sandbox does not say its {name}"))
        };
        Ok(Self {
            places,
            kind,
            homeserver,
            rendezvous,
            room: text("room_id")?,
            first: text("existing_directory")?.into(),
            peer: None,
            ours: Vec::new(),
            run,
            devices: Cell::new(0),
            _servers: [sandbox, synapse, server],
        })
    }

    /// For one more device.
    pub(crate) fn new_directory(&self, software: Software) -> PathBuf {
        self.devices.set(self.devices.get() + 1);
        self.run.join(format!("{}-{software:?}", self.devices.get()).to_lowercase())
    }
}

fn rendezvous(places: &Places, run: &Path) -> Result<(Process, String)> {
    let port = free_port()?;
    let url = format!("http://127.0.0.1:{port}/");
    let mut command = Command::new(places.ours.join("matrix-qr-rendezvous"));
    command.args(["--listen", &format!("127.0.0.1:{port}"), "--public-url", &url, "--allow-http"]);
    Ok((Process::start("rendezvous", &mut command, run)?, url))
}

fn authority_of(places: &Places, run: &Path, (homeserver, port): (&str, u16)) -> Result<Process> {
    let secret = run.join("secret");
    fs::write(&secret, SECRET)?;
    let mut command = Command::new(places.ours.join("matrix-qr"));
    command.args(["sandbox", "--json", "--synapse", homeserver, "--oauth-port", &port.to_string()]);
    command.args(["--token-lifetime", &TOKEN_LIFETIME.as_secs().to_string()]);
    command.arg("--synapse-secret-file").arg(secret);
    command.arg("--directory").arg(run.join("account"));
    Process::start("sandbox", &mut command, run)
}
