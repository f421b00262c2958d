//! Encrypted rooms, and messages in them.

use std::path::Path;

use anyhow::{Context as _, Result, bail};
use futures_util::StreamExt as _;
use matrix_sdk::{
    deserialized_responses::{TimelineEvent, TimelineEventKind},
    ruma::{
        RoomId,
        api::client::room::create_room::v3 as create_room,
        events::{
            InitialStateEvent,
            room::{encryption::RoomEncryptionEventContent, message::RoomMessageEventContent},
        },
    },
};
use serde_json::{Value, json};

use crate::{account, stdio::event};

/// Creates a room.
pub(crate) async fn create(directory: &Path) -> Result<()> {
    let client = account::open(directory).await?;
    let encryption = RoomEncryptionEventContent::with_recommended_defaults();
    let mut request = create_room::Request::new();
    request.initial_state = vec![InitialStateEvent::with_empty_state_key(encryption).to_raw_any()];
    let room = client.create_room(request).await?;
    event(&json!({ "event": "room", "room_id": room.room_id() }));
    Ok(())
}

/// The message to wait for: of any device, if none is named.
pub(crate) struct ExpectedAnswer<'a> {
    pub(crate) text: &'a str,
    pub(crate) device: Option<&'a str>,
}

impl ExpectedAnswer<'_> {
    fn is(&self, heard: &Value) -> bool {
        let is = |name: &str, text: &str| heard.get(name).and_then(Value::as_str) == Some(text);
        is("text", self.text) && self.device.is_none_or(|device| is("device_id", device))
    }
}

/// Sends `say`, and waits until another device sends the answer. Only encrypted messages count.
pub(crate) async fn talk(
    directory: &Path,
    room: &str,
    say: &str,
    answer: ExpectedAnswer<'_>,
) -> Result<()> {
    let client = account::open(directory).await?;
    let room = RoomId::parse(room)?;
    let first = client.sync_once(account::at_once()).await?;
    let joined = client
        .get_room(&room)
        .context("this device is not in the room")?;
    joined
        .send(RoomMessageEventContent::text_plain(say))
        .await?;
    event(&json!({ "event": "said", "text": say }));
    let mut syncs = Box::pin(
        client
            .sync_stream(account::with_many_messages().token(first.next_batch))
            .await,
    );
    while let Some(sync) = syncs.next().await {
        let update = sync?.rooms.joined.remove(&room);
        let events = update
            .map(|update| update.timeline.events)
            .unwrap_or_default();
        if let Some(heard) = events
            .iter()
            .filter_map(decrypted)
            .find(|heard| answer.is(heard))
        {
            event(&heard);
            return Ok(());
        }
    }
    bail!("the sync stream has ended")
}

fn decrypted(event: &TimelineEvent) -> Option<Value> {
    let TimelineEventKind::Decrypted(decrypted) = &event.kind else {
        return None;
    };
    let content: Value = decrypted.event.get_field("content").ok()??;
    Some(json!({
        "event": "heard",
        "text": content.get("body")?,
        "device_id": decrypted.encryption_info.sender_device,
    }))
}
