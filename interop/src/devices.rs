//! How the two kinds of devices are called: ours as a person would, matrix-sdk's through the peer
//! beside this program.

use std::path::Path;

use anyhow::{Context as _, Result};
use tokio::process::Command;

use crate::{Places, process::Process, sign_in::Revision, test_env::TestEnv};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Software {
    Ours,
    MatrixSdk,
}

/// How a device begins: with the URL of the server where its session is to be made, or with the
/// other's code.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Begin<'a> {
    /// On the homeserver, wherever that makes it.
    ShowAtHome(Revision),
    /// At this rendezvous server.
    ShowAt(&'a str, Revision),
    Scan,
}

impl Begin<'_> {
    fn options(self) -> &'static [&'static str] {
        match self {
            Self::Scan => &[],
            Self::ShowAtHome(revision) | Self::ShowAt(_, revision) => revision.options(),
        }
    }
}

impl Software {
    /// As the new device, with a new directory.
    pub(crate) fn login(
        self,
        world: &TestEnv<'_>,
        directory: &Path,
        begin: Begin<'_>,
    ) -> Result<Process> {
        let mut command = self.command(world.places, "login", directory);
        match (begin, self) {
            (Begin::Scan, _) => command.args(["--scan", "-"]),
            (Begin::ShowAtHome(_), _) => command.args(["--homeserver", &world.homeserver]),
            (Begin::ShowAt(url, _), Self::Ours) => command.args(["--rendezvous", url]),
            // It makes the session where it believes its homeserver to be, until the other device
            // tells it.
            (Begin::ShowAt(url, _), Self::MatrixSdk) => command.args(["--homeserver", url]),
        };
        command.args(begin.options());
        Process::start(&log_name(directory, "login"), &mut command, &world.run)
    }

    /// As the existing device.
    pub(crate) fn link(self, world: &TestEnv<'_>, begin: Begin<'_>) -> Result<Process> {
        let directory = self.existing(world)?;
        let mut command = self.command(world.places, "link", directory);
        match begin {
            Begin::Scan => command.args(["--scan", "-"]),
            Begin::ShowAtHome(_) => &mut command,
            Begin::ShowAt(url, _) => command.args(["--rendezvous", url]),
        };
        command.args(begin.options());
        Process::start(&log_name(directory, "link"), &mut command, &world.run)
    }

    fn existing<'a>(self, world: &'a TestEnv<'_>) -> Result<&'a Path> {
        match self {
            Self::Ours => Ok(&world.first),
            Self::MatrixSdk => world
                .peer
                .as_deref()
                .context("matrix-sdk has no device yet: an earlier cell failed"),
        }
    }

    fn command(self, places: &Places, name: &str, directory: &Path) -> Command {
        let mut command = match self {
            Self::Ours => Command::new(places.ours.join("matrix-qr")),
            Self::MatrixSdk => Command::new(places.theirs.join("peer")),
        };
        command.arg(name).arg("--directory").arg(directory);
        match self {
            Self::Ours => command.args(["--json", "--allow-loopback-http", "--verbose"]),
            Self::MatrixSdk => command.env("RUST_LOG", "matrix_sdk::authentication=trace"),
        };
        command
    }
}

/// One more command of matrix-sdk's device.
pub(crate) fn peer(world: &TestEnv<'_>, name: &str, options: &[&str]) -> Result<Process> {
    let directory = Software::MatrixSdk.existing(world)?;
    let mut command = Software::MatrixSdk.command(world.places, name, directory);
    command.args(options);
    Process::start(&log_name(directory, name), &mut command, &world.run)
}

fn log_name(directory: &Path, command: &str) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}-{command}")
}
