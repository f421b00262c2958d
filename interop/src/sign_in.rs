//! A whole sign-in between two programs, with this one as the person between them.

use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{
    consent,
    devices::{Begin, Software},
    process::Process,
    test_env::TestEnv,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shows {
    New,
    Existing,
}

/// Where the session is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    /// The homeserver, or whom it names.
    Homeserver,
    /// Our server, asked by the device itself.
    Ours,
}

/// Which proposal the one who shows the code follows, and in which reading.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Revision {
    Msc4108,
    Msc4388,
    Msc4388AsWritten,
    /// The newer one where the server has it for this device.
    Newest,
}

impl Revision {
    /// What our command takes.
    pub(crate) fn options(self) -> &'static [&'static str] {
        match self {
            Self::Msc4108 => &[],
            Self::Msc4388 => &["--revision", "msc4388"],
            Self::Msc4388AsWritten => &["--revision", "msc4388", "--dialect", "as-written"],
            Self::Newest => &["--revision", "newest"],
        }
    }
}

/// Who signs whom in, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) new: Software,
    pub(crate) existing: Software,
    pub(crate) shows: Shows,
    pub(crate) over: Over,
    pub(crate) revision: Revision,
}

/// A device that was signed in.
pub(crate) struct SignedIn {
    pub(crate) took: Duration,
    pub(crate) directory: PathBuf,
    pub(crate) id: String,
}

/// Both devices, connected and confirmed.
pub(crate) struct Confirmed {
    pub(crate) new: Process,
    pub(crate) existing: Process,
    pub(crate) began: Instant,
    pub(crate) directory: PathBuf,
}

impl Pair {
    /// The whole of it. How long it took the machines: from the start of the first program until
    /// both say that it is done.
    pub(crate) async fn sign_in(self, world: &mut TestEnv<'_>) -> Result<SignedIn> {
        let Confirmed {
            mut new,
            mut existing,
            began,
            directory,
        } = self.meet(world).await?;
        agree(&mut existing, "allow").await?;
        let signed_in = new.event("signed_in").await?;
        let granted = existing.event("granted").await?;
        let took = began.elapsed();
        ensure!(
            signed_in.get("backup_connected") == Some(&Value::Bool(true)),
            "no backup: {signed_in}"
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
            Software::Ours => world.ours.push(id.clone()),
            Software::MatrixSdk => drop(world.peer.get_or_insert_with(|| directory.clone())),
        }
        Ok(SignedIn {
            took,
            directory,
            id,
        })
    }

    /// Until the digits are typed.
    pub(crate) async fn meet(self, world: &TestEnv<'_>) -> Result<Confirmed> {
        let began = Instant::now();
        let directory = world.new_directory(self.new);
        let show = match self.over {
            Over::Homeserver => Begin::ShowAtHome(self.revision),
            Over::Ours => Begin::ShowAt(&world.rendezvous, self.revision),
        };
        let login = |begin| self.new.login(world, &directory, begin);
        let link = |begin| self.existing.link(world, begin);
        let (new, existing) = match self.shows {
            Shows::New => {
                let mut new = login(show)?;
                let code = code(&mut new).await?;
                let mut existing = link(Begin::Scan)?;
                introduce(&mut new, &mut existing, &code).await?;
                (new, existing)
            }
            Shows::Existing => {
                let mut existing = link(show)?;
                let code = code(&mut existing).await?;
                let mut new = login(Begin::Scan)?;
                introduce(&mut existing, &mut new, &code).await?;
                (new, existing)
            }
        };
        Ok(Confirmed {
            new,
            existing,
            began,
            directory,
        })
    }
}

async fn code(shows: &mut Process) -> Result<String> {
    let shown = shows.event("show").await?;
    shown
        .get("code")
        .and_then(Value::as_str)
        .map(str::to_owned)
        .context("no code")
}

/// The code and the digits go from one to the other.
async fn introduce(shows: &mut Process, scans: &mut Process, code: &str) -> Result<()> {
    scans.say(code).await?;
    let shown = scans.event("check_code").await?;
    let digits = shown
        .get("digits")
        .and_then(Value::as_str)
        .context("no digits")?;
    shows.question("check_code").await?;
    shows.say(digits).await
}

/// What the existing device asks, and what is done on the consent page.
pub(crate) async fn agree(existing: &mut Process, action: &str) -> Result<()> {
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
