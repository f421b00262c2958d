//! A device by others: matrix-sdk's, with the interface of `matrix-qr --json`. It prints a JSON
//! object per line for each event, and a line on standard input answers a question. So a driver
//! treats both programs alike.
//!
//! | module | what it does |
//! |---|---|
//! | `login` | matrix-sdk as the new device |
//! | `grant` | matrix-sdk as the existing device |
//! | `establish` | the steps of both roles up to the confirmed channel |
//! | `rendezvous` | MSC4388's sessions |
//! | `room` | encrypted rooms, and messages in them |
//! | `account` | the session on disk, and the account's devices |
//! | `stdio` | events and answers |

mod account;
mod establish;
mod grant;
mod login;
mod rendezvous;
mod room;
mod stdio;

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Context as _, Result, bail};
use serde_json::json;

use crate::stdio::event;

const USAGE: &str = "peer login|link --directory DIR [--homeserver URL] [--scan -]\n\
                     peer devices --directory DIR\n\
                     peer rendezvous --homeserver URL\n\
                     peer room --directory DIR\n\
                     peer talk --directory DIR --room ID --say TEXT --hear TEXT [--from DEVICE]";

/// The options. Each has a value.
struct PeerOptions(Vec<String>);

impl PeerOptions {
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
            // A question without an answer blocks a thread.
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
    let options = PeerOptions(words.collect());
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
        "room" => room::create(&directory).await,
        "talk" => {
            let answer = room::ExpectedAnswer {
                text: options.need("--hear")?,
                device: options.get("--from"),
            };
            let (room, say) = (options.need("--room")?, options.need("--say")?);
            room::talk(&directory, room, say, answer).await
        }
        _ => bail!(USAGE),
    }
}
