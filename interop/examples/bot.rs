//! A bot on matrix-sdk that answers `!ping`, with the session that `matrix-qr login --directory
//! DIR` made: `bot DIR`, or `bot DIR FILE` after `login --passphrase-file FILE`
//!
//! See `docs/bots/matrix-sdk.md`.
#![allow(clippy::print_stdout, reason = "it is a program of its own")]

use std::{env, fs, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, path::PathBuf};

use anyhow::{Context as _, Result};
use matrix_sdk::authentication::oauth::{ClientId, OAuthSession, UserSession};
use matrix_sdk::config::SyncSettings;
use matrix_sdk::ruma::events::room::message::{
    OriginalSyncRoomMessageEvent, RoomMessageEventContent,
};
use matrix_sdk::{Client, Room, room::MessagesOptions, store::RoomLoadSettings};
use serde::{Deserialize, Serialize};

/// What `matrix-qr` keeps in `session.json`.
#[derive(Clone, Serialize, Deserialize)]
struct Stored {
    homeserver: String,
    issuer: String,
    client_id: ClientId,
    user: UserSession,
}

#[tokio::main]
async fn main() -> Result<()> {
    let mut args = env::args_os().skip(1).map(PathBuf::from);
    let directory = args.next().context("usage: bot DIRECTORY [FILE]")?;
    let passphrase = args.next().map(fs::read_to_string).transpose()?;
    let passphrase = passphrase.as_deref().and_then(|text| text.lines().next());
    let client = open(directory, passphrase).await?;
    let device = client
        .encryption()
        .get_own_device()
        .await?
        .context("no device")?;
    println!(
        "{} is verified: {}",
        device.device_id(),
        device.is_cross_signed_by_owner()
    );

    let first = client
        .sync_once(SyncSettings::default().timeout(std::time::Duration::ZERO))
        .await?;
    for room in client.joined_rooms() {
        client
            .encryption()
            .backups()
            .download_room_keys_for_room(room.room_id())
            .await?;
        show_old(&room).await?;
    }
    client.add_event_handler(pong);
    client
        .sync(SyncSettings::default().token(first.next_batch))
        .await?;
    Ok(())
}

/// All messages of the room, one page after the other, the newest first.
async fn show_old(room: &Room) -> Result<()> {
    let mut next = MessagesOptions::backward();
    loop {
        let page = room.messages(next).await?;
        for event in page.chunk {
            let content = event.raw().get_field::<serde_json::Value>("content")?;
            println!("old: {}", content.unwrap_or_default());
        }
        let Some(end) = page.end else { return Ok(()) };
        next = MessagesOptions::backward().from(&*end);
    }
}

async fn pong(event: OriginalSyncRoomMessageEvent, room: Room) -> Result<(), matrix_sdk::Error> {
    if event.content.body() == "!ping" {
        room.send(RoomMessageEventContent::text_plain("pong"))
            .await?;
    }
    Ok(())
}

/// Opens the session and the keys that `matrix-qr login` stored. No other process may have them
/// open.
async fn open(directory: PathBuf, passphrase: Option<&str>) -> Result<Client> {
    let file = directory.join("session.json");
    let stored: Stored = serde_json::from_slice(&fs::read(&file)?)?;
    let session = OAuthSession {
        client_id: stored.client_id.clone(),
        user: stored.user.clone(),
    };
    let builder = Client::builder()
        .homeserver_url(&stored.homeserver)
        .sqlite_store(directory, passphrase);
    let client = builder.handle_refresh_tokens().build().await?;
    let save = move |client: Client| Ok(save(&client, stored.clone(), &file)?);
    client.set_session_callbacks(
        Box::new(|_| Err("there is one process".into())),
        Box::new(save),
    )?;
    client
        .oauth()
        .restore_session(session, RoomLoadSettings::default())
        .await?;
    client
        .encryption()
        .wait_for_e2ee_initialization_tasks()
        .await;
    Ok(client)
}

/// A refresh token works once: the new one is on disk before it is needed, whole, and for its
/// owner's eyes only.
fn save(client: &Client, mut stored: Stored, file: &Path) -> Result<(), std::io::Error> {
    stored.user = client.oauth().user_session().unwrap_or(stored.user);
    let new = file.with_extension("json.new");
    let mut out = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&new)?;
    out.write_all(&serde_json::to_vec(&stored)?)?;
    fs::rename(new, file)
}
