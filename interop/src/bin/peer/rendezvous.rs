//! MSC4388's sessions, with matrix-sdk and its types. matrix-sdk does not use them to sign in yet.

use anyhow::{Context as _, Result, ensure};
use matrix_sdk::{
    Client,
    ruma::api::client::rendezvous::{
        create_rendezvous_session::unstable_msc4388 as create,
        delete_rendezvous_session::unstable as delete, get_rendezvous_session::unstable as get,
        update_rendezvous_session::unstable as update,
    },
};
use serde_json::json;

use crate::stdio::event;

/// Asks whether the homeserver lets an anonymous client create sessions. If it does, uses one.
pub(crate) async fn run(homeserver: &str) -> Result<()> {
    let client = Client::builder().homeserver_url(homeserver).build().await?;
    let supported = client
        .oauth()
        .msc_4388_rendezvous_server_supported()
        .await?;
    if supported {
        exchange(&client).await?;
    }
    event(&json!({ "event": "msc4388", "supported": supported }));
    Ok(())
}

async fn exchange(client: &Client) -> Result<()> {
    let created = client
        .send(create::Request::new(String::new()))
        .await
        .context("create")?;
    let (id, first) = (created.id, created.sequence_token);
    ensure!(
        created.expires_in.as_secs() > 100,
        "too short: {:?}",
        created.expires_in
    );
    let read = client
        .send(get::Request::new(id.clone()))
        .await
        .context("get")?;
    ensure!(
        (read.data.as_str(), &read.sequence_token) == ("", &first),
        "a new session is not empty"
    );
    let write = |data: &str| {
        client.send(update::Request::new(
            id.clone(),
            first.clone(),
            data.to_owned(),
        ))
    };
    let second = write("hello").await.context("update")?.sequence_token;
    let again = write("hello")
        .await
        .context("a repeated update")?
        .sequence_token;
    ensure!(
        second != first && again == second,
        "a repeated update is taken for a new one"
    );
    let late = write("other")
        .await
        .err()
        .context("a late update is accepted")?;
    let status = late
        .as_client_api_error()
        .context("no Matrix error")?
        .status_code;
    ensure!(
        status.as_u16() == 409,
        "the status of a late update is {status}"
    );
    let read = client
        .send(get::Request::new(id.clone()))
        .await
        .context("get")?;
    ensure!(
        (read.data.as_str(), read.sequence_token) == ("hello", second),
        "the payload is not the one that was written"
    );
    client
        .send(delete::Request::new(id.clone()))
        .await
        .context("delete")?;
    let gone = client
        .send(get::Request::new(id))
        .await
        .err()
        .context("it is still there")?;
    let status = gone
        .as_client_api_error()
        .context("no Matrix error")?
        .status_code;
    ensure!(
        status.as_u16() == 404,
        "the status after the deletion is {status}"
    );
    Ok(())
}
