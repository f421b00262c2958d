//! The keys of the device, which the caller holds.

use matrix_qr_device::{
    DeviceId, UserId,
    keys::{CrossSigningError, KeyHolder, KeyHolderError, KeyUpload, RoomKey, VerifiedDevice},
};
use matrix_qr_protocol::login::message::Secrets;
use serde::{
    Serialize, Serializer,
    de::DeserializeOwned,
    ser::{Error as _, SerializeMap as _},
};
use serde_json::json;

use super::{
    caller::Caller,
    errors::{NoAnswer, REMEDY},
    lines::{MAX_LINE, line},
};
use crate::cancel::Cancel;

/// How many room keys are handed over at once.
const ROOM_KEYS: usize = 100;

/// Asks the caller for everything that needs the keys.
pub(super) struct RemoteKeys {
    caller: Caller,
    /// After this, nothing is waited for.
    cancel: Cancel,
}

impl RemoteKeys {
    pub(super) fn new(caller: Caller, cancel: Cancel) -> Self {
        Self { caller, cancel }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: impl Serialize + Send,
    ) -> Result<T, KeyHolderError> {
        let ask = self.caller.ask(method, params);
        let answer = tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(NoAnswer::Cancelled(method)),
            answer = ask.soon() => answer,
        };
        answer.map_err(KeyHolderError::from)
    }
}

impl KeyHolder for RemoteKeys {
    async fn device_keys(
        &self,
        user_id: &UserId,
        device_id: &DeviceId,
    ) -> Result<KeyUpload, KeyHolderError> {
        let params = json!({ "user_id": user_id, "device_id": device_id });
        self.ask("device_keys", params).await
    }

    async fn keep(&self, device: &VerifiedDevice) -> Result<(), KeyHolderError> {
        self.ask("keep", DeviceToKeep(device)).await
    }

    async fn secrets(&self) -> Result<Secrets, CrossSigningError> {
        Ok(self.ask("secrets", json!({})).await?)
    }
}

impl From<NoAnswer> for KeyHolderError {
    fn from(error: NoAnswer) -> Self {
        Self {
            what: error.to_string(),
            advice: REMEDY,
        }
    }
}

/// Everything that is to be stored, with the secrets. They go from here into the line, and nowhere
/// else.
struct DeviceToKeep<'a>(&'a VerifiedDevice);

impl Serialize for DeviceToKeep<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(device) = self;
        let counts = serde_json::to_value(&device.one_time_key_counts).map_err(S::Error::custom)?;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("user_id", &device.user_id)?;
        map.serialize_entry("device_id", &device.device_id)?;
        map.serialize_entry("homeserver", &device.homeserver)?;
        map.serialize_entry("access_token", &device.access_token)?;
        map.serialize_entry("expires_at", &device.expires_at)?;
        map.serialize_entry("uploaded", &json!({ "one_time_key_counts": counts }))?;
        map.serialize_entry("identity", &device.identity)?;
        map.serialize_entry("device_keys", &device.device_keys)?;
        map.serialize_entry("secrets", &device.secrets)?;
        map.end()
    }
}

/// What became of the room keys of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HandedOver {
    pub(super) keys: usize,
    /// These do not fit into a line. No client writes such keys.
    pub(super) too_long: usize,
}

/// Gives the room keys to the caller.
pub(super) async fn hand_over(
    caller: &Caller,
    room_keys: impl IntoIterator<Item = RoomKey>,
) -> Result<HandedOver, NoAnswer> {
    let mut batch = Batch::default();
    let mut result = HandedOver {
        keys: 0,
        too_long: 0,
    };
    for key in room_keys {
        match line(&key).map(|line| line.len()) {
            Some(length) if length <= MAX_LINE / 2 => {
                result.keys += 1;
                if batch.is_full(length) {
                    batch.send(caller).await?;
                }
                batch.length += length;
                batch.room_keys.push(key);
            }
            _ => result.too_long += 1,
        }
    }
    if !batch.room_keys.is_empty() {
        batch.send(caller).await?;
    }
    Ok(result)
}

#[derive(Default)]
struct Batch {
    room_keys: Vec<RoomKey>,
    length: usize,
}

impl Batch {
    fn is_full(&self, more: usize) -> bool {
        self.room_keys.len() == ROOM_KEYS || self.length + more > MAX_LINE / 2
    }

    async fn send(&mut self, caller: &Caller) -> Result<(), NoAnswer> {
        #[derive(Serialize)]
        struct RoomKeys<'a> {
            room_keys: &'a [RoomKey],
        }
        let room_keys = &self.room_keys;
        caller
            .ask("room_keys", RoomKeys { room_keys })
            .soon::<()>()
            .await?;
        *self = Self::default();
        Ok(())
    }
}
