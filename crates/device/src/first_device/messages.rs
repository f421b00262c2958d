//! An encrypted room, and messages in it.

use matrix_sdk_crypto::{EncryptionSettings, types::requests::ToDeviceRequest};
use ruma::{
    OwnedRoomId, RoomId, TransactionId,
    api::client::{
        message::{get_message_events, send_message_event},
        room::create_room,
        to_device::send_event_to_device,
    },
    events::{
        InitialStateEvent, MessageLikeEventType,
        room::{encryption::RoomEncryptionEventContent, message::RoomMessageEventContent},
    },
    uint,
};

use super::error::FirstDeviceError;
use crate::{
    client_server_api::{Effort, Homeserver, HomeserverError},
    encryption::{Encryption, StoreError},
};

/// Creates an encrypted room and sends these messages to it.
///
/// # Errors
///
/// See [`FirstDeviceError`].
pub async fn send_messages(
    homeserver: &Homeserver,
    encryption: &Encryption,
    texts: &[&str],
) -> Result<OwnedRoomId, FirstDeviceError> {
    let room = create_room(homeserver).await?;
    share_room_key(homeserver, encryption, &room).await?;
    for text in texts {
        send_message(homeserver, encryption, &room, text).await?;
    }
    Ok(room)
}

async fn create_room(homeserver: &Homeserver) -> Result<OwnedRoomId, FirstDeviceError> {
    let encryption = InitialStateEvent::with_empty_state_key(
        RoomEncryptionEventContent::with_recommended_defaults(),
    );
    let mut request = create_room::v3::Request::new();
    request.initial_state = vec![encryption.to_raw_any()];
    Ok(homeserver.call(request, Effort::ONCE).await?.room_id)
}

/// Nobody else is in the room; other devices of the account get the key from the backup.
async fn share_room_key(
    homeserver: &Homeserver,
    encryption: &Encryption,
    room: &RoomId,
) -> Result<(), FirstDeviceError> {
    let (users, settings) = ([encryption.user_id()], EncryptionSettings::default());
    let requests = encryption
        .machine()
        .share_room_key(room, users.into_iter(), settings)
        .await;
    for request in requests.map_err(StoreError::new)? {
        let answer = homeserver
            .call(to_device(&request), Effort::REPEATABLE)
            .await?;
        encryption.sent(&request.txn_id, &answer).await?;
    }
    Ok(())
}

fn to_device(request: &ToDeviceRequest) -> send_event_to_device::v3::Request {
    send_event_to_device::v3::Request::new_raw(
        request.event_type.clone(),
        request.txn_id.clone(),
        request.messages.clone(),
    )
}

async fn send_message(
    homeserver: &Homeserver,
    encryption: &Encryption,
    room: &RoomId,
    text: &str,
) -> Result<(), FirstDeviceError> {
    let content = RoomMessageEventContent::text_plain(text);
    let encrypted = encryption.machine().encrypt_room_event(room, content).await;
    let encrypted = encrypted.map_err(StoreError::new)?;
    let request = send_message_event::v3::Request::new_raw(
        room.to_owned(),
        TransactionId::new(),
        MessageLikeEventType::RoomEncrypted,
        encrypted.content.cast_unchecked(),
    );
    homeserver.call(request, Effort::REPEATABLE).await?;
    Ok(())
}

/// The texts of a room's latest messages (at most 50 events), the oldest first; an event that
/// cannot be read, or is no text message, is left out.
///
/// # Errors
///
/// See [`HomeserverError`].
pub async fn latest_messages(
    homeserver: &Homeserver,
    encryption: &Encryption,
    room: &RoomId,
) -> Result<Vec<String>, HomeserverError> {
    let mut request = get_message_events::v3::Request::backward(room.to_owned());
    request.limit = uint!(50);
    let mut texts = Vec::new();
    let answer = homeserver.call(request, Effort::REPEATABLE).await?;
    for event in answer.chunk.iter().rev() {
        texts.extend(encryption.decrypt(event, room).await.ok());
    }
    Ok(texts)
}
