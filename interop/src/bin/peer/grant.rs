//! matrix-sdk as the existing device.

use std::path::Path;

use anyhow::Result;
use futures_util::{Stream, StreamExt as _};
use matrix_sdk::{
    Client,
    authentication::oauth::qrcode::{GrantLoginProgress, QrCodeData},
};
use serde_json::json;

use crate::{
    account,
    establish::Establishing,
    stdio::{answer, event},
};

pub(crate) async fn run(directory: &Path, scanned: Option<QrCodeData>) -> Result<()> {
    let client = account::open(directory).await?;
    grant(&client, scanned).await?;
    event(&json!({ "event": "granted", "user_id": client.user_id() }));
    Ok(())
}

async fn grant(client: &Client, scanned: Option<QrCodeData>) -> Result<()> {
    let oauth = client.oauth();
    let grant = oauth.grant_login_with_qr_code();
    match &scanned {
        Some(code) => {
            let grant = grant.scan(code);
            tokio::spawn(follow(grant.subscribe_to_progress()));
            Ok(grant.await?)
        }
        None => {
            let grant = grant.generate();
            tokio::spawn(follow(grant.subscribe_to_progress()));
            Ok(grant.await?)
        }
    }
}

async fn follow<Q: Establishing>(
    mut progress: impl Stream<Item = GrantLoginProgress<Q>> + Unpin,
) -> Result<()> {
    while let Some(state) = progress.next().await {
        match state {
            GrantLoginProgress::EstablishingSecureChannel(state) => state.tell().await?,
            GrantLoginProgress::WaitingForAuth {
                verification_uri,
                continuation_sender,
            } => {
                let question = json!({ "event": "question", "question": "open_link", "link": verification_uri });
                match answer(&question).await?.as_str() {
                    "y" => continuation_sender.confirm().await?,
                    _ => continuation_sender.cancel().await?,
                }
            }
            _ => {}
        }
    }
    Ok(())
}
