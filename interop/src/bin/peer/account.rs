//! The session on disk, and the devices of the account. The file has the same fields as that of
//! `matrix-qr`.

use std::{fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use matrix_sdk::{
    Client, ClientBuilder,
    authentication::oauth::{ClientId, OAuthSession},
    config::SyncSettings,
    encryption::identities::Device,
    ruma::api::client::filter::FilterDefinition,
    store::RoomLoadSettings,
};
use serde_json::{Value, json};

use crate::stdio::event;

const FILE: &str = "session.json";

pub(crate) async fn client(directory: &Path, builder: ClientBuilder) -> Result<Client> {
    fs::create_dir_all(directory)?;
    let client = builder
        .sqlite_store(directory, None)
        .handle_refresh_tokens()
        .build()
        .await?;
    let place = directory.to_owned();
    let save = move |client: Client| Ok(save(&place, &client)?);
    client.set_session_callbacks(
        Box::new(|_| Err("no other process uses the session".into())),
        Box::new(save),
    )?;
    Ok(client)
}

pub(crate) async fn open(directory: &Path) -> Result<Client> {
    let stored: Value = serde_json::from_slice(&fs::read(directory.join(FILE))?)?;
    let text = |name: &str| {
        stored
            .get(name)
            .and_then(Value::as_str)
            .context("the session is incomplete")
    };
    let client = client(
        directory,
        Client::builder().homeserver_url(text("homeserver")?),
    )
    .await?;
    let user = serde_json::from_value(stored.get("user").cloned().unwrap_or_default())?;
    let session = OAuthSession {
        client_id: ClientId::new(text("client_id")?.to_owned()),
        user,
    };
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

pub(crate) fn save(directory: &Path, client: &Client) -> Result<(), std::io::Error> {
    let Some(session) = client.oauth().full_session() else {
        return Ok(());
    };
    let stored = json!({
        "homeserver": client.homeserver(), "client_id": session.client_id.as_str(), "user": session.user,
    });
    let new = directory.join("session.new");
    fs::write(&new, stored.to_string())?;
    fs::rename(new, directory.join(FILE))
}

/// Reports which devices of the account this one trusts: those that their owner has signed.
pub(crate) async fn devices(directory: &Path) -> Result<()> {
    let client = open(directory).await?;
    client.sync_once(at_once()).await?;
    let owner = client.user_id().context("nobody is signed in")?;
    client.encryption().request_user_identity(owner).await?;
    let devices = client.encryption().get_user_devices(owner).await?;
    let verified = |device: &Device| device.is_verified() && device.is_cross_signed_by_owner();
    let (verified, others): (Vec<_>, Vec<_>) = devices.devices().partition(verified);
    let ids = |devices: Vec<Device>| {
        devices
            .iter()
            .map(|device| device.device_id().to_string())
            .collect::<Vec<_>>()
    };
    event(&json!({ "event": "devices", "verified": ids(verified), "unverified": ids(others) }));
    Ok(())
}

/// A sync that does not wait for new events.
pub(crate) fn at_once() -> SyncSettings {
    SyncSettings::default().timeout(Duration::ZERO)
}

/// A sync that has more than ten messages, if there are more.
pub(crate) fn with_many_messages() -> SyncSettings {
    let mut filter = FilterDefinition::default();
    filter.room.timeline.limit = Some(100u32.into());
    SyncSettings::default().filter(filter.into())
}
