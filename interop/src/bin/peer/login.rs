//! matrix-sdk as the new device.

use std::path::Path;

use anyhow::{Context as _, Result};
use futures_util::{Stream, StreamExt as _};
use matrix_sdk::{
    Client,
    authentication::oauth::{
        ClientRegistrationData,
        qrcode::{LoginProgress, Msc4108IntentData, QrCodeData, QrCodeIntentData},
        registration::{ApplicationType, ClientMetadata, Localized, OAuthGrantType},
    },
    ruma::serde::Raw,
};
use serde_json::json;

use crate::{account, establish::Establishing, stdio::event};

pub(crate) async fn run(
    directory: &Path,
    scanned: Option<QrCodeData>,
    at: Option<&str>,
) -> Result<()> {
    let builder = match &scanned {
        Some(code) => Client::builder().server_name_or_homeserver_url(named_in(code)?),
        None => Client::builder().homeserver_url(at.context("--homeserver or --scan is missing")?),
    };
    let client = account::client(directory, builder).await?;
    let signed_in = sign_in(&client, scanned).await;
    // The session is valid even if a later step of the sign-in failed.
    if client.session_tokens().is_some() && client.user_id().is_some() {
        account::save(directory, &client)?;
    }
    signed_in?;
    event(&json!({
        "event": "signed_in",
        "user_id": client.user_id(),
        "device_id": client.device_id(),
        "backup_connected": client.encryption().backups().are_enabled().await,
    }));
    Ok(())
}

fn named_in(code: &QrCodeData) -> Result<String> {
    match code.intent_data() {
        QrCodeIntentData::Msc4108 {
            data: Msc4108IntentData::Reciprocate { server_name },
            ..
        } => Ok(server_name.to_owned()),
        _ => anyhow::bail!("the code is not an existing device's of msc4108"),
    }
}

async fn sign_in(client: &Client, scanned: Option<QrCodeData>) -> Result<()> {
    let (oauth, registration) = (client.oauth(), registration()?);
    let login = oauth.login_with_qr_code(Some(&registration));
    match &scanned {
        Some(code) => {
            let login = login.scan(code);
            tokio::spawn(follow(login.subscribe_to_progress()));
            Ok(login.await?)
        }
        None => {
            let login = login.generate();
            tokio::spawn(follow(login.subscribe_to_progress()));
            Ok(login.await?)
        }
    }
}

async fn follow<Q: Establishing>(
    mut progress: impl Stream<Item = LoginProgress<Q>> + Unpin,
) -> Result<()> {
    while let Some(state) = progress.next().await {
        match state {
            LoginProgress::EstablishingSecureChannel(state) => state.tell().await?,
            LoginProgress::WaitingForToken { user_code } => {
                event(&json!({ "event": "user_code", "user_code": user_code }));
            }
            LoginProgress::SyncingSecrets => event(&json!({ "event": "token" })),
            _ => {}
        }
    }
    Ok(())
}

fn registration() -> Result<ClientRegistrationData> {
    let home = "https://matrix-qr.example/interop".parse()?;
    let grants = vec![OAuthGrantType::DeviceCode];
    let metadata = ClientMetadata::new(ApplicationType::Native, grants, Localized::new(home, []));
    Ok(Raw::new(&metadata)?.into())
}
