//! Starts the two kinds of devices: ours by its command, matrix-sdk's by the `peer` program of this
//! workspace.

use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use tokio::process::Command;

use crate::{
    case::{RevisionOption, Software},
    config::InteropConfig,
    process::DrivenProcess,
    test_env::TestEnv,
};

/// How a device starts: it shows a code for a session on a server, or it scans a code.
#[derive(Debug, Clone, Copy)]
pub(crate) enum FirstStep<'a> {
    /// The homeserver decides where the session is created.
    ShowAtHomeserver(RevisionOption),
    /// The session is created at this rendezvous server.
    ShowAt(&'a str, RevisionOption),
    Scan,
}

impl FirstStep<'_> {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Scan => &[],
            Self::ShowAtHomeserver(revision) | Self::ShowAt(_, revision) => revision.options(),
        }
    }
}

impl Software {
    /// Starts the new device.
    pub(crate) fn login(
        self,
        env: &TestEnv<'_>,
        directory: &Path,
        first_step: FirstStep<'_>,
    ) -> Result<DrivenProcess> {
        let mut command = self.command(env.config, "login", directory);
        match (first_step, self) {
            (FirstStep::Scan, _) => command.args(["--scan", "-"]),
            (FirstStep::ShowAtHomeserver(_), _) => command.args(["--homeserver", &env.homeserver]),
            (FirstStep::ShowAt(url, _), Self::Ours) => command.args(["--rendezvous", url]),
            // matrix-sdk creates the session at its homeserver. It takes this URL for that one
            // until the other device names the homeserver.
            (FirstStep::ShowAt(url, _), Self::MatrixSdk) => command.args(["--homeserver", url]),
        };
        command.args(first_step.options());
        if let (Self::Ours, Some(file)) = (self, &env.passphrase) {
            command.arg("--passphrase-file").arg(file);
        }
        DrivenProcess::start(&log_name(directory, "login"), &mut command, &env.run)
    }

    /// Starts the existing device.
    pub(crate) fn link(
        self,
        env: &TestEnv<'_>,
        first_step: FirstStep<'_>,
    ) -> Result<DrivenProcess> {
        let directory = self.existing(env)?;
        let mut command = self.command(env.config, "link", directory);
        if self == Self::Ours {
            command.arg("--confirm-own-device");
        }
        match first_step {
            FirstStep::Scan => command.args(["--scan", "-"]),
            FirstStep::ShowAtHomeserver(_) => &mut command,
            FirstStep::ShowAt(url, _) => command.args(["--rendezvous", url]),
        };
        command.args(first_step.options());
        DrivenProcess::start(&log_name(directory, "link"), &mut command, &env.run)
    }

    fn existing<'a>(self, env: &'a TestEnv<'_>) -> Result<&'a Path> {
        match self {
            Self::Ours => Ok(&env.first),
            Self::MatrixSdk => env
                .peer
                .as_deref()
                .context("matrix-sdk has no device yet: an earlier cell failed"),
        }
    }

    fn command(self, config: &InteropConfig, name: &str, directory: &Path) -> Command {
        let mut command = match self {
            Self::Ours => Command::new(config.ours.join("matrix-qr")),
            Self::MatrixSdk => Command::new(config.theirs.join("peer")),
        };
        command.arg(name).arg("--directory").arg(directory);
        match self {
            Self::Ours => command.args(["--json", "--allow-loopback-http", "--verbose"]),
            Self::MatrixSdk => command.env("RUST_LOG", "matrix_sdk::authentication=trace"),
        };
        command
    }
}

/// Starts another command of matrix-sdk's device.
pub(crate) fn peer(env: &TestEnv<'_>, name: &str, options: &[&str]) -> Result<DrivenProcess> {
    let directory = Software::MatrixSdk.existing(env)?;
    let mut command = Software::MatrixSdk.command(env.config, name, directory);
    command.args(options);
    DrivenProcess::start(&log_name(directory, name), &mut command, &env.run)
}

/// The account's devices, as matrix-sdk's device sees them.
#[derive(Deserialize)]
pub(crate) struct DeviceList {
    pub(crate) verified: Vec<String>,
    pub(crate) unverified: Vec<String>,
}

pub(crate) async fn list(env: &TestEnv<'_>) -> Result<DeviceList> {
    let mut peer = peer(env, "devices", &[])?;
    let devices = peer.event("devices").await?;
    peer.succeed().await?;
    Ok(serde_json::from_value(devices)?)
}

fn log_name(directory: &Path, command: &str) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}-{command}")
}
