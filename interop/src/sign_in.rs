//! A whole sign-in between two programs, with this one in place of the person.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    case::{SessionHost, ShowingDevice, SignInCase, Software},
    consent,
    devices::FirstStep,
    process::DrivenProcess,
    test_env::TestEnv,
};

/// A device that was signed in.
pub(crate) struct SignedInDevice {
    pub(crate) took: Duration,
    pub(crate) directory: PathBuf,
    pub(crate) id: String,
}

/// Both devices, after the person has confirmed the digits.
pub(crate) struct ConfirmedPair {
    pub(crate) new: DrivenProcess,
    pub(crate) existing: DrivenProcess,
    pub(crate) began: Instant,
    pub(crate) directory: PathBuf,
}

impl SignInCase {
    /// Signs in. The time is from the start of the first program until both report the end.
    pub(crate) async fn sign_in(self, env: &mut TestEnv<'_>) -> Result<SignedInDevice> {
        let ConfirmedPair {
            mut new,
            mut existing,
            began,
            directory,
        } = self.meet(env).await?;
        agree(&mut existing, "allow").await?;
        let signed_in = new.event("signed_in").await?;
        let granted = existing.event("granted").await?;
        let took = began.elapsed();
        ensure!(
            signed_in.get("backup_connected") == Some(&Value::Bool(true)),
            "the backup is not connected: {signed_in}"
        );
        if self.existing == Software::Ours {
            ensure!(
                granted.get("verified") == Some(&Value::Bool(true)),
                "not verified: {granted}"
            );
        }
        new.succeed().await?;
        existing.succeed().await?;
        let id = signed_in
            .get("device_id")
            .and_then(Value::as_str)
            .context("no device ID")?
            .to_owned();
        match self.new {
            Software::Ours => env.ours.push(id.clone()),
            Software::MatrixSdk => drop(env.peer.get_or_insert_with(|| directory.clone())),
        }
        Ok(SignedInDevice {
            took,
            directory,
            id,
        })
    }

    /// Runs a sign-in up to the confirmed digits.
    pub(crate) async fn meet(self, env: &TestEnv<'_>) -> Result<ConfirmedPair> {
        let began = Instant::now();
        let directory = env.new_directory(self.new);
        let show = match self.host {
            SessionHost::Homeserver => FirstStep::ShowAtHomeserver(self.revision),
            SessionHost::OurServer => FirstStep::ShowAt(&env.rendezvous, self.revision),
        };
        let login = |first_step| self.new.login(env, &directory, first_step);
        let link = |first_step| self.existing.link(env, first_step);
        let (new, existing) = match self.shows {
            ShowingDevice::New => {
                let mut new = login(show)?;
                let code = code(&mut new).await?;
                let mut existing = link(FirstStep::Scan)?;
                existing.say(&code).await?;
                introduce(&mut new, &mut existing).await?;
                (new, existing)
            }
            ShowingDevice::Existing => {
                let mut existing = link(show)?;
                let code = code(&mut existing).await?;
                let mut new = login(FirstStep::Scan)?;
                new.say(&code).await?;
                introduce(&mut existing, &mut new).await?;
                (new, existing)
            }
        };
        Ok(ConfirmedPair {
            new,
            existing,
            began,
            directory,
        })
    }
}

pub(crate) async fn code(shows: &mut DrivenProcess) -> Result<String> {
    let shown = shows.event("show").await?;
    shown
        .get("code")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .context("no code")
}

/// Passes the digits from the device that scanned the code to the one that shows it.
pub(crate) async fn introduce(shows: &mut DrivenProcess, scans: &mut DrivenProcess) -> Result<()> {
    let shown = scans.event("check_code").await?;
    let digits = shown
        .get("digits")
        .and_then(Value::as_str)
        .context("no digits")?;
    shows.question("check_code").await?;
    shows.say(digits).await
}

/// Opens the link of the existing device, and decides on the consent page.
pub(crate) async fn agree(existing: &mut DrivenProcess, action: &str) -> Result<()> {
    let question = existing.question("open_link").await?;
    existing.say("y").await?;
    consent::decide(
        question
            .get("link")
            .and_then(Value::as_str)
            .context("no link")?,
        action,
    )
    .await
}
