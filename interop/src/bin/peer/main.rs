//! A device that others wrote, matrix-sdk's, with the manners of `matrix-qr --json`: one object a
//! line says what happens, a line on standard input answers a question. So a driver needs not know
//! which of the two it talks to.

mod account;
mod establish;
mod grant;
mod login;
mod rendezvous;
mod room;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

const USAGE: &str = "peer login|link --directory DIR [--homeserver URL] [--scan -]\n\
                     peer devices --directory DIR\n\
                     peer rendezvous --homeserver URL\n\
                     peer talk --directory DIR --room ID --say TEXT --hear TEXT";

/// The options, all of which have a value.
struct Options(Vec<String>);

impl Options {
    fn get(&self, name: &str) -> Option<&str> {
        let mut names = self.0.iter();
        names
            .find(|word| *word == name)
            .and_then(|_| names.next())
            .map(String::as_str)
    }

    fn need(&self, name: &str) -> Result<&str> {
        self.get(name)
            .with_context(|| format!("{name} is missing\n{USAGE}"))
    }
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::from_default_env();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .init();
    let result = tokio::runtime::Runtime::new()
        .map_err(Into::into)
        .and_then(|runtime| {
            let result = runtime.block_on(run());
            // A question that nobody answers any more holds a thread.
            runtime.shutdown_timeout(Duration::from_secs(1));
            result
        });
    let Err(error) = result else {
        return ExitCode::SUCCESS;
    };
    event(&json!({ "event": "error", "what": format!("{error:#}") }));
    ExitCode::FAILURE
}

async fn run() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let command = words.next().context(USAGE)?;
    let options = Options(words.collect());
    if command == "rendezvous" {
        return rendezvous::run(options.need("--homeserver")?).await;
    }
    let directory = PathBuf::from(options.need("--directory")?);
    let scanned = match options.get("--scan") {
        Some(_) => Some(establish::scanned().await?),
        None => None,
    };
    match command.as_str() {
        "login" => login::run(&directory, scanned, options.get("--homeserver")).await,
        "link" => grant::run(&directory, scanned).await,
        "devices" => account::devices(&directory).await,
        "talk" => {
            let (room, say) = (options.need("--room")?, options.need("--say")?);
            room::talk(&directory, room, (say, options.need("--hear")?)).await
        }
        _ => bail!(USAGE),
    }
}

#[allow(clippy::print_stdout, reason = "it is how this program is driven")]
fn event(event: &Value) {
    println!("{event}");
}

/// The next line of standard input, for a question.
async fn answer(question: &Value) -> Result<String> {
    event(question);
    line().await
}

async fn line() -> Result<String> {
    let line = tokio::task::spawn_blocking(|| std::io::stdin().lines().next());
    Ok(line
        .await?
        .context("standard input has ended")??
        .trim()
        .to_owned())
}
