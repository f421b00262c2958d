//! Bots with keys of their own: matrix-nio, mautrix-python, and crypto-wasm.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, ensure};
use futures_util::future::join_all;
use serde_json::Value;
use tokio::{
    sync::{Mutex, MutexGuard},
    time::{sleep, timeout},
};

use crate::{
    bot,
    case::{
        RevisionOption::Msc4108,
        SessionHost,
        ShowingDevice::{self, Existing, New},
        SignInCase,
        Software::{self, MatrixSdk, Ours},
    },
    config::InteropConfig,
    devices::{self, FirstStep, peer},
    library::{
        BotLibrary::{self, CryptoWasm, Mautrix, Nio},
        BotStart,
    },
    process::DrivenProcess,
    report::InteropReport,
    sign_in::{agree, code, introduce},
    test_env::{RendezvousSetup, TOKEN_LIFETIME, TestEnv},
    uploads,
};

/// The longest time of all cells together.
const LIMIT: Duration = Duration::from_secs(300);
/// How long an answer may take.
const SOON: Duration = Duration::from_secs(40);

/// How much of a bot's life a cell has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BotLife {
    /// From the sign-in over the end of a token and a new start to the sign-out.
    Whole,
    /// From the sign-in to an answer.
    Start,
}

/// One bot, and how it is signed in.
#[derive(Debug, Clone, Copy)]
struct BotCase {
    library: BotLibrary,
    existing: Software,
    shows: ShowingDevice,
    life: BotLife,
}

/// In this order: what takes longest begins first.
const WAYS: [(Software, ShowingDevice, BotLife); 4] = [
    (Ours, New, BotLife::Whole),
    (MatrixSdk, Existing, BotLife::Whole),
    (Ours, Existing, BotLife::Start),
    (MatrixSdk, New, BotLife::Start),
];

/// What all bots of the account use, one after the other.
struct SharedAccount<'a> {
    env: &'a TestEnv<'a>,
    ours: Mutex<()>,
    sdk: Mutex<()>,
}

/// A bot that runs.
struct RunningBot {
    process: DrivenProcess,
    device: String,
    directory: PathBuf,
    began: Instant,
}

/// The bots that run: all of them, if `--only` does not name one.
pub(crate) fn wanted(config: &InteropConfig) -> Vec<BotLibrary> {
    let only = config.only.as_deref();
    let is =
        |library: &BotLibrary| only.is_none_or(|only| only == "bots" || only == library.package());
    [Nio, Mautrix, CryptoWasm].into_iter().filter(is).collect()
}

pub(crate) async fn all(config: &InteropConfig, report: &mut InteropReport) -> Result<()> {
    let mut env = TestEnv::start(config, RendezvousSetup::Recorded).await?;
    let first = SignInCase {
        new: MatrixSdk,
        existing: Ours,
        shows: New,
        host: SessionHost::Homeserver,
        revision: Msc4108,
    };
    first
        .sign_in(&mut env)
        .await
        .context("matrix-sdk's device")?;
    let account = SharedAccount {
        env: &env,
        ours: Mutex::default(),
        sdk: Mutex::default(),
    };
    let mut peers = Vec::new();
    for library in wanted(config) {
        peers.push((library, library.software(config).await?));
    }
    let cases: Vec<_> = WAYS
        .iter()
        .flat_map(|&(existing, shows, life)| {
            peers.iter().map(move |(library, peer)| {
                let case = BotCase {
                    library: *library,
                    existing,
                    shows,
                    life,
                };
                (case, peer)
            })
        })
        .collect();
    // All at the same time, because most of it is waiting. When one fails, the others wait for it.
    let work = cases
        .iter()
        .map(|(case, _)| timeout(LIMIT, case.cell(&account)));
    let results = join_all(work).await;
    for ((case, peer), result) in cases.iter().zip(results) {
        let late = |_| anyhow!("no time was left for it: {} s in all", LIMIT.as_secs());
        let result = result.map_err(late).flatten();
        report.run(&peer.cell(case.name()), async { result }).await;
    }
    Ok(())
}

impl BotCase {
    fn name(&self) -> String {
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
        let life = match self.life {
            BotLife::Whole => "its whole life",
            BotLife::Start => "up to its first answer",
        };
        format!(
            "bot on {}, existing device {existing}; the {shows} shows the code; {life}",
            self.library.package()
        )
    }

    /// Returns the time from the start of the first program until the bot has read old messages.
    async fn cell(&self, account: &SharedAccount<'_>) -> Result<Duration> {
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
        if self.life == BotLife::Start {
            account.ping(&bot.device).await?;
            return Ok(took);
        }
        sleep(TOKEN_LIFETIME.saturating_sub(since.elapsed())).await;
        account
            .ping(&bot.device)
            .await
            .context("after the token's end")?;
        ensure!(
            bot::token(&session)? != token,
            "the token was not refreshed"
        );
        bot.process.kill().await?;
        bot.process = self.library.start(env, &bot.directory, BotStart::Plain)?;
        self.is_ready(env, &mut bot.process, Some(&bot.device))
            .await
            .context("started again")?;
        account.ping(&bot.device).await.context("started again")?;
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
                let mut bot = library.start(env, &directory, BotStart::Plain)?;
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
                let mut bot = library.start(env, &directory, BotStart::Scan(&code))?;
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
            ..
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

impl SharedAccount<'_> {
    /// One program at a time uses the store of a device.
    async fn only(&self, software: Software) -> MutexGuard<'_, ()> {
        match software {
            Ours => self.ours.lock().await,
            MatrixSdk => self.sdk.lock().await,
        }
    }

    /// Whether matrix-sdk's device sees this one as verified, if it is in the account.
    async fn is_verified(&self, device: &str) -> Result<Option<bool>> {
        let _only = self.only(MatrixSdk).await;
        let devices = devices::list(self.env).await?;
        let is = |id: &String| id == device;
        let (verified, unverified) = (
            devices.verified.iter().any(is),
            devices.unverified.iter().any(is),
        );
        Ok((verified || unverified).then_some(verified))
    }

    /// matrix-sdk's device sends a message, and reads the answer of this one.
    async fn ping(&self, device: &str) -> Result<()> {
        let _only = self.only(MatrixSdk).await;
        let (room, from) = (self.env.room.as_str(), device);
        let options = [
            "--room", room, "--say", "!ping", "--hear", "pong", "--from", from,
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
