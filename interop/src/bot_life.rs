//! The life of a bot with keys of its own: what it does in a cell, and what is checked.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::time::sleep;

use crate::{
    bot,
    case::{
        RevisionOption::Msc4108,
        ShowingDevice::{self, Existing, New},
        Software::{self, Ours},
    },
    devices::FirstStep,
    library::BotLibrary,
    process::DrivenProcess,
    shared_account::SharedAccount,
    sign_in::{agree, code, introduce},
    test_env::{TOKEN_LIFETIME, TestEnv},
    uploads,
};

/// One bot, and how it is signed in.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BotCase {
    pub(crate) library: BotLibrary,
    pub(crate) existing: Software,
    pub(crate) shows: ShowingDevice,
}

/// A bot that runs.
struct RunningBot {
    process: DrivenProcess,
    device: String,
    directory: PathBuf,
    began: Instant,
}

impl BotCase {
    pub(crate) fn name(&self) -> String {
        let existing = if self.existing == Ours {
            "matrix-qr"
        } else {
            "matrix-sdk"
        };
        let shows = if self.shows == New {
            "bot"
        } else {
            "existing device"
        };
        format!(
            "bot on {}, existing device {existing}; the {shows} shows the code; its whole life",
            self.library.package()
        )
    }

    /// From the sign-in over the end of a token and a new start to the sign-out. Returns the time
    /// from the start of the first program until the bot has read old messages.
    pub(crate) async fn cell(&self, account: &SharedAccount<'_>, room: &str) -> Result<Duration> {
        let env = account.env;
        let mut bot = self.sign_in(account).await.context("sign-in")?;
        let took = bot.began.elapsed();
        let session = self.library.session(&bot.directory);
        let (token, since) = (bot::token(&session)?, Instant::now());
        uploads::published_once(&env.run, &env.user, &bot.device)?;
        ensure!(
            account.is_verified(&bot.device).await? == Some(true),
            "{} is not verified",
            bot.device
        );
        sleep(TOKEN_LIFETIME.saturating_sub(since.elapsed())).await;
        account
            .ping(room, &bot.device)
            .await
            .context("after the token's end")?;
        ensure!(
            bot::token(&session)? != token,
            "the token was not refreshed"
        );
        bot.process.kill().await?;
        bot.process = self.library.start(env, &bot.directory, None)?;
        self.is_ready(env, &mut bot.process, Some(&bot.device))
            .await
            .context("started again")?;
        account
            .ping(room, &bot.device)
            .await
            .context("started again")?;
        bot.process.kill().await?;
        uploads::published_once(&env.run, &env.user, &bot.device)?;
        self.sign_out(account, &bot.device, &bot.directory)
            .await
            .context("sign-out")?;
        Ok(took)
    }

    async fn sign_in(&self, account: &SharedAccount<'_>) -> Result<RunningBot> {
        let (env, library) = (account.env, self.library);
        let directory = env.run.join(self.directory());
        let only = account.only(self.existing).await;
        let began = Instant::now();
        let (mut process, mut existing) = match self.shows {
            New => {
                let mut bot = library.start(env, &directory, None)?;
                let code = code(&mut bot).await?;
                let mut existing = self.existing.link(env, FirstStep::Scan)?;
                existing.say(&code).await?;
                introduce(&mut bot, &mut existing).await?;
                (bot, existing)
            }
            Existing => {
                let show = FirstStep::ShowAtHomeserver(Msc4108);
                let mut existing = self.existing.link(env, show)?;
                let code = code(&mut existing).await?;
                let mut bot = library.start(env, &directory, Some(&code))?;
                introduce(&mut existing, &mut bot).await?;
                (bot, existing)
            }
        };
        agree(&mut existing, "allow").await?;
        if library.confirms_user() {
            process.question("confirm_user").await?;
            process.say("y").await?;
        }
        existing.event("granted").await?;
        existing.succeed().await?;
        drop(only);
        let device = self.is_ready(env, &mut process, None).await?;
        Ok(RunningBot {
            process,
            device,
            directory,
            began,
        })
    }

    fn directory(&self) -> String {
        let Self {
            library,
            existing,
            shows,
        } = self;
        format!("{library:?}-{existing:?}-{shows:?}").to_lowercase()
    }

    /// The first time a bot shows the old messages, and the device's ID is not known yet.
    async fn is_ready(
        &self,
        env: &TestEnv<'_>,
        bot: &mut DrivenProcess,
        known: Option<&str>,
    ) -> Result<String> {
        let ready = self.library.ready(&env.user);
        let [line, _] = match known {
            None => bot.lines([&ready, "old photographs"]).await?,
            Some(device) => bot.lines([&ready, device]).await?,
        };
        let device = line.rsplit(' ').next().context("no device ID")?;
        ensure!(
            known.is_none_or(|known| known == device),
            "another device: {line}"
        );
        Ok(device.to_owned())
    }

    async fn sign_out(
        &self,
        account: &SharedAccount<'_>,
        device: &str,
        directory: &Path,
    ) -> Result<()> {
        self.library
            .sign_out(account.env, directory)?
            .succeed()
            .await?;
        let left = account.is_verified(device).await?;
        ensure!(left.is_none(), "the device is still in the account");
        let files: Vec<_> = match fs::read_dir(directory) {
            Ok(files) => files.collect(),
            Err(_) => Vec::new(),
        };
        ensure!(files.is_empty(), "left behind: {files:?}");
        Ok(())
    }
}
