//! What all bots of the account use, one after the other: the existing devices.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::timeout,
};

use crate::{
    case::Software::{self, MatrixSdk, Ours},
    devices::{self, peer},
    test_env::TestEnv,
};

/// How long an answer may take.
const SOON: Duration = Duration::from_secs(40);

/// The account with our existing device and matrix-sdk's.
pub(crate) struct SharedAccount<'a> {
    pub(crate) env: &'a TestEnv<'a>,
    ours: Mutex<()>,
    sdk: Mutex<()>,
}

impl<'a> SharedAccount<'a> {
    pub(crate) fn new(env: &'a TestEnv<'a>) -> Self {
        Self {
            env,
            ours: Mutex::default(),
            sdk: Mutex::default(),
        }
    }

    /// One program at a time uses the store of a device.
    pub(crate) async fn only(&self, software: Software) -> MutexGuard<'_, ()> {
        match software {
            Ours => self.ours.lock().await,
            MatrixSdk => self.sdk.lock().await,
        }
    }

    /// Whether matrix-sdk's device sees this one as verified, if it is in the account.
    pub(crate) async fn is_verified(&self, device: &str) -> Result<Option<bool>> {
        let _only = self.only(MatrixSdk).await;
        let devices = devices::list(self.env).await?;
        let is = |id: &String| id == device;
        let (verified, unverified) = (
            devices.verified.iter().any(is),
            devices.unverified.iter().any(is),
        );
        Ok((verified || unverified).then_some(verified))
    }

    /// matrix-sdk's device creates an encrypted room.
    pub(crate) async fn new_room(&self) -> Result<String> {
        let _only = self.only(MatrixSdk).await;
        let mut creates = peer(self.env, "room", &[])?;
        let room = creates.event("room").await?;
        creates.succeed().await?;
        let id = room.get("room_id").and_then(Value::as_str);
        id.map(str::to_owned).context("no room ID")
    }

    /// matrix-sdk's device sends a message, and reads the answer of this one.
    pub(crate) async fn ping(&self, room: &str, device: &str) -> Result<()> {
        let _only = self.only(MatrixSdk).await;
        let options = [
            "--room", room, "--say", "!ping", "--hear", "pong", "--from", device,
        ];
        let mut other = peer(self.env, "talk", &options)?;
        let heard = timeout(SOON, other.event("heard"));
        let heard = heard.await.context("no answer")??;
        ensure!(
            heard.get("device_id").and_then(Value::as_str) == Some(device),
            "{heard}"
        );
        other.succeed().await
    }
}
