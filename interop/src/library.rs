//! Bots on libraries by others, whose keys are the library's own: the examples of our packages, as
//! they are. A driver next to each example passes on what the person is told and asked.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::process::Command;

use crate::{
    config::InteropConfig, process::DrivenProcess, report::PeerSoftware, test_env::TestEnv,
};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
const BOT_JS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../packages/npm/examples/bot.js"
);

/// The library of a bot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BotLibrary {
    Nio,
    Mautrix,
    CryptoWasm,
}

impl BotLibrary {
    /// Its name in the registry.
    pub(crate) fn package(self) -> &'static str {
        match self {
            Self::Nio => "matrix-nio",
            Self::Mautrix => "mautrix",
            Self::CryptoWasm => "matrix-sdk-crypto-wasm",
        }
    }

    /// With the version that is installed.
    pub(crate) async fn software(self, config: &InteropConfig) -> Result<PeerSoftware> {
        let name = self.package();
        if self != Self::CryptoWasm {
            return PeerSoftware::from_pypi(name, &config.bots).await;
        }
        let file = format!("{ROOT}/packages/npm/node_modules/@matrix-org/{name}/package.json");
        let file = fs::read(&file).with_context(|| format!("{file}: run `npm ci` there"))?;
        let package: Value = serde_json::from_slice(&file)?;
        let version = package.get("version").and_then(Value::as_str);
        let version = version.context("no version")?.to_owned();
        Ok(PeerSoftware { name, version })
    }

    fn module(self) -> &'static str {
        match self {
            Self::Nio => "nio",
            Self::Mautrix => "mautrix",
            Self::CryptoWasm => "olm-machine",
        }
    }

    /// The example in Node is given the user, so nobody is asked whether it is the right one.
    pub(crate) fn confirms_user(self) -> bool {
        self != Self::CryptoWasm
    }

    /// What is in the line that ends with the device's ID, once the bot listens.
    pub(crate) fn ready(self, user: &str) -> String {
        match self {
            Self::Nio | Self::Mautrix => format!("{user} is ready, on "),
            Self::CryptoWasm => format!("{user} "),
        }
    }

    /// Where the file with the session is, in the bot's directory.
    pub(crate) fn session(self, directory: &Path) -> PathBuf {
        match self {
            Self::Nio | Self::Mautrix => directory.to_owned(),
            Self::CryptoWasm => directory.join("session"),
        }
    }

    /// `scan`: the existing device's code, for a sign-in where that one shows it.
    pub(crate) fn start(
        self,
        env: &TestEnv<'_>,
        directory: &Path,
        scan: Option<&str>,
    ) -> Result<DrivenProcess> {
        let mut command = self.driver(env);
        command.args(scan.into_iter().flat_map(|code| ["--scan", code]));
        match self {
            Self::Nio | Self::Mautrix => command
                .arg(self.module())
                .arg(format!(
                    "{ROOT}/packages/python/examples/{}_bot.py",
                    self.module()
                ))
                .arg(directory)
                .arg(&env.homeserver),
            Self::CryptoWasm => command.arg(BOT_JS).arg(directory).arg(&env.user),
        };
        DrivenProcess::start(&log_name(directory, "bot"), &mut command, &env.run)
    }

    /// Ends the session, and removes the keys.
    pub(crate) fn sign_out(self, env: &TestEnv<'_>, directory: &Path) -> Result<DrivenProcess> {
        let mut command = match self {
            Self::Nio | Self::Mautrix => {
                let mut command = python(env);
                command
                    .arg(format!("{ROOT}/interop/sign_out.py"))
                    .arg(self.module())
                    .arg(directory);
                command
            }
            Self::CryptoWasm => {
                let mut command = self.driver(env);
                command.arg(BOT_JS).arg(directory).arg(&env.user).arg("out");
                command
            }
        };
        DrivenProcess::start(&log_name(directory, "out"), &mut command, &env.run)
    }

    fn driver(self, env: &TestEnv<'_>) -> Command {
        match self {
            Self::Nio | Self::Mautrix => {
                let mut command = python(env);
                command.arg(format!("{ROOT}/packages/python/tests/drive.py"));
                command
            }
            Self::CryptoWasm => {
                let mut command = Command::new("node");
                command
                    .arg(format!("{ROOT}/packages/npm/test/drive.js"))
                    .env("MATRIX_QR_PROGRAM", program(env));
                command
            }
        }
    }
}

fn python(env: &TestEnv<'_>) -> Command {
    let mut command = Command::new(&env.config.bots);
    command
        .env("PYTHONPATH", format!("{ROOT}/packages/python/src"))
        .env("MATRIX_QR_PROGRAM", program(env));
    command
}

fn program(env: &TestEnv<'_>) -> PathBuf {
    env.config.ours.join("matrix-qr")
}

fn log_name(directory: &Path, what: &str) -> String {
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    format!("{name}-{what}")
}
