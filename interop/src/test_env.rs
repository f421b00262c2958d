//! What every cell runs against: a homeserver, its authorization server, our rendezvous server, and
//! the devices of one account.

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
    case::Software,
    config::InteropConfig,
    homeserver::{self, SECRET},
    ports::Ports,
    process::DrivenProcess,
    proxy,
};

/// Shorter than a run, so that every device must refresh its token.
pub(crate) const TOKEN_LIFETIME: Duration = Duration::from_secs(15);

/// Where the rendezvous sessions of the homeserver are created.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RendezvousSetup {
    /// In Synapse.
    Synapse,
    /// Synapse redirects MSC4108 to our server (307). It creates MSC4388's sessions itself, for
    /// signed-in users only.
    Delegated,
    /// The proxy in front of Synapse forwards MSC4388's requests to our server, which lets only
    /// users of the homeserver create sessions.
    Proxied,
    /// The same, but everybody may create sessions.
    ProxiedForAll,
    /// For bots: a proxy that records uploads of keys.
    Recorded,
}

impl RendezvousSetup {
    fn is_proxied(self) -> bool {
        matches!(self, Self::Proxied | Self::ProxiedForAll | Self::Recorded)
    }

    /// The line of Synapse's configuration.
    fn feature(self, ours: &str) -> String {
        match self {
            Self::Synapse => "msc4108_enabled: true, msc4388_mode: open".to_owned(),
            Self::Delegated => {
                format!("msc4108_delegation_endpoint: \"{ours}\", msc4388_mode: authenticated")
            }
            Self::Proxied | Self::ProxiedForAll | Self::Recorded => {
                format!("msc4108_delegation_endpoint: \"{ours}\"")
            }
        }
    }
}

pub(crate) struct TestEnv<'a> {
    pub(crate) config: &'a InteropConfig,
    pub(crate) kind: RendezvousSetup,
    pub(crate) run: PathBuf,
    pub(crate) homeserver: String,
    /// Our rendezvous server.
    pub(crate) rendezvous: String,
    /// The account.
    pub(crate) user: String,
    /// The encrypted room with the old messages.
    pub(crate) room: String,
    /// The account's first device, ours.
    pub(crate) first: PathBuf,
    /// matrix-sdk's first device, once it has been signed in.
    pub(crate) peer: Option<PathBuf>,
    /// A file with the passphrase of the devices of ours that are signed in now.
    pub(crate) passphrase: Option<PathBuf>,
    /// Our devices that were signed in.
    pub(crate) ours: Vec<String>,
    devices: Cell<usize>,
    _servers: Vec<DrivenProcess>,
}

impl<'a> TestEnv<'a> {
    pub(crate) async fn start(config: &'a InteropConfig, kind: RendezvousSetup) -> Result<Self> {
        let run = config.run.join(format!("{kind:?}").to_lowercase());
        fs::create_dir_all(&run)?;
        let ports = Ports::free(kind.is_proxied());
        let homeserver = format!("http://localhost:{}/", ports.public);
        let users_of = (kind == RendezvousSetup::Proxied).then_some(homeserver.as_str());
        let (server, rendezvous) = rendezvous(config, &run, ports.rendezvous, users_of)?;
        let mut servers = vec![server];
        if kind.is_proxied() {
            servers.push(proxy::start(&run, ports).await?);
        }
        servers.push(homeserver::start(config, &run, ports, &kind.feature(&rendezvous)).await?);
        let mut sandbox = authority_of(config, &run, &homeserver, ports.authority)?;
        let ready = sandbox.event("ready").await?;
        let text = |name: &str| -> Result<String> {
            let text = ready.get(name).and_then(Value::as_str);
            text.map(str::to_owned)
                .with_context(|| format!("the sandbox does not report its {name}"))
        };
        let (user, room) = (text("user_id")?, text("room_id")?);
        let first = text("existing_directory")?.into();
        servers.push(sandbox);
        Ok(Self {
            config,
            kind,
            homeserver,
            rendezvous,
            user,
            room,
            first,
            peer: None,
            passphrase: None,
            ours: Vec::new(),
            run,
            devices: Cell::new(0),
            _servers: servers,
        })
    }

    /// A directory for one more device.
    pub(crate) fn new_directory(&self, software: Software) -> PathBuf {
        self.devices.set(self.devices.get() + 1);
        self.run
            .join(format!("{}-{software:?}", self.devices.get()).to_lowercase())
    }
}

/// `users_of`: the homeserver whose users alone may create MSC4388's sessions.
fn rendezvous(
    config: &InteropConfig,
    run: &Path,
    port: u16,
    users_of: Option<&str>,
) -> Result<(DrivenProcess, String)> {
    let url = format!("http://127.0.0.1:{port}/");
    let mut command = Command::new(config.ours.join("matrix-qr-rendezvous"));
    command.args([
        "--listen",
        &format!("127.0.0.1:{port}"),
        "--public-url",
        &url,
        "--allow-http",
    ]);
    command.args(
        users_of
            .into_iter()
            .flat_map(|homeserver| ["--homeserver", homeserver]),
    );
    Ok((DrivenProcess::start("rendezvous", &mut command, run)?, url))
}

fn authority_of(
    config: &InteropConfig,
    run: &Path,
    homeserver: &str,
    port: u16,
) -> Result<DrivenProcess> {
    let secret = run.join("secret");
    fs::write(&secret, SECRET)?;
    let mut command = Command::new(config.ours.join("matrix-qr"));
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
    DrivenProcess::start("sandbox", &mut command, run)
}
