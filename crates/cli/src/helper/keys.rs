//! The keys of the device, which the caller holds.

use matrix_qr_device::{
    DeviceId, UserId,
    keys::{CrossSigningError, Identity, KeyHolder, KeyHolderError, KeyUpload, VerifiedDevice},
    secret::Secret,
};
use matrix_qr_protocol::login::message::{Backup, Secrets};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::json;
use url::Url;

use super::{
    caller::RemoteCaller,
    errors::{NoAnswer, REMEDY},
    lines::{MAX_LINE, length},
};
use crate::cancel::Cancel;

/// How many room keys are handed over at once.
const ROOM_KEYS: usize = 100;

/// Asks the caller for everything that needs the keys.
pub(super) struct RemoteKeys {
    caller: RemoteCaller,
    /// After this, nothing is asked, and nothing is waited for.
    cancel: Cancel,
}

impl RemoteKeys {
    pub(super) fn new(caller: RemoteCaller, cancel: Cancel) -> Self {
        Self { caller, cancel }
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: &'static str,
        params: impl Serialize + Send,
    ) -> Result<T, KeyHolderError> {
        // The question may hold secrets.
        if self.cancel.is_cancelled() {
            return Err(NoAnswer::Cancelled(method).into());
        }
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
        let params = DeviceToKeep {
            user_id: &device.user_id,
            device_id: &device.device_id,
            homeserver: &device.homeserver,
            access_token: &device.access_token,
            expires_at: device.expires_at,
            uploaded: Uploaded {
                one_time_key_counts: &device.one_time_key_counts,
            },
            identity: &device.identity,
            device_keys: &device.device_keys,
            secrets: &device.secrets,
        };
        self.ask("keep", params).await
    }

    async fn secrets(&self) -> Result<Secrets, CrossSigningError> {
        Ok(self.ask("secrets", json!({})).await?)
    }

    /// From the same answer. The private keys in it are not needed, and not read.
    async fn backup_key(&self) -> Result<Option<Backup>, KeyHolderError> {
        #[derive(Deserialize)]
        struct SecretOfBackup {
            backup: Option<Backup>,
        }
        let secrets: SecretOfBackup = self.ask("secrets", json!({})).await?;
        Ok(secrets.backup)
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
/// else. `C` and `D` are the counts and the keys in the form of the homeserver.
#[derive(Serialize)]
struct DeviceToKeep<'a, C, D> {
    user_id: &'a UserId,
    device_id: &'a DeviceId,
    homeserver: &'a Url,
    access_token: &'a Secret,
    expires_at: Option<u64>,
    uploaded: Uploaded<'a, C>,
    identity: &'a Identity,
    device_keys: &'a D,
    secrets: &'a Secrets,
}

#[derive(Serialize)]
struct Uploaded<'a, C> {
    one_time_key_counts: &'a C,
}

/// What became of the room keys of a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HandedOver {
    pub(super) keys: usize,
    /// These do not fit into a line. No client writes such keys.
    pub(super) too_long: usize,
}

/// Gives room keys to the caller.
pub(super) struct Handover<'a, K> {
    caller: &'a RemoteCaller,
    batch: Vec<K>,
    /// The length of those in the line.
    length: usize,
    result: HandedOver,
}

impl<'a, K: Serialize> Handover<'a, K> {
    pub(super) fn new(caller: &'a RemoteCaller) -> Self {
        Self {
            caller,
            batch: Vec::new(),
            length: 0,
            result: HandedOver {
                keys: 0,
                too_long: 0,
            },
        }
    }

    pub(super) async fn give(
        &mut self,
        room_keys: impl IntoIterator<Item = K>,
    ) -> Result<(), NoAnswer> {
        for key in room_keys {
            match length(&key) {
                Some(length) if length <= MAX_LINE / 2 => {
                    self.result.keys += 1;
                    if self.batch.len() == ROOM_KEYS || self.length + length > MAX_LINE / 2 {
                        self.send().await?;
                    }
                    self.length += length;
                    self.batch.push(key);
                }
                _ => self.result.too_long += 1,
            }
        }
        Ok(())
    }

    pub(super) async fn end(mut self) -> Result<HandedOver, NoAnswer> {
        if !self.batch.is_empty() {
            self.send().await?;
        }
        Ok(self.result)
    }

    async fn send(&mut self) -> Result<(), NoAnswer> {
        #[derive(Serialize)]
        struct RoomKeys<'a, K> {
            room_keys: &'a [K],
        }
        let room_keys = &self.batch;
        self.caller
            .ask("room_keys", RoomKeys { room_keys })
            .soon::<()>()
            .await?;
        self.batch.clear();
        self.length = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, from_slice};
    use tokio::sync::mpsc;

    use super::*;
    use crate::helper::{
        caller::QUEUE,
        message::{CallerMessage, read},
    };

    /// How many keys each request has.
    async fn requests(lengths: &[usize]) -> (HandedOver, Vec<usize>) {
        let (queue, mut lines) = mpsc::channel(QUEUE);
        let caller = RemoteCaller::new(queue);
        let program = async {
            let mut counts = Vec::new();
            while let Some(line) = lines.recv().await {
                assert!(line.len() <= MAX_LINE);
                let request: Value = from_slice(&line).unwrap();
                counts.push(request["params"]["room_keys"].as_array().unwrap().len());
                let answer = json!({ "jsonrpc": "2.0", "id": request["id"], "result": null });
                match read(&answer.to_string()) {
                    Ok(CallerMessage::Answer {
                        id: Some(id),
                        answer,
                    }) => caller.take(id, answer),
                    other => unreachable!("{other:?}"),
                }
            }
            counts
        };
        let handing_over = async {
            let mut handover = Handover::new(&caller);
            // However they come.
            for some in lengths.chunks(7) {
                let keys = some.iter().map(|length| "x".repeat(*length));
                handover.give(keys).await.unwrap();
            }
            let handed_over = handover.end().await.unwrap();
            caller.close();
            handed_over
        };
        tokio::join!(handing_over, program)
    }

    /// `keep` would hand over the secrets.
    #[tokio::test]
    async fn after_a_cancel_the_caller_is_asked_nothing() {
        let (queue, mut lines) = mpsc::channel(QUEUE);
        let cancel = Cancel::new();
        let keys = RemoteKeys::new(RemoteCaller::new(queue), cancel.clone());
        cancel.because(crate::exit::Failure::cancelled());
        let answer = keys.backup_key().await;
        assert_eq!(answer, Err(NoAnswer::Cancelled("secrets").into()));
        drop(keys);
        assert_eq!(lines.recv().await, None);
    }

    #[tokio::test]
    async fn room_keys_go_out_in_lines_that_are_not_too_long() {
        let cases = [
            (vec![], 0, vec![]),
            (vec![500; 1], 0, vec![1]),
            (vec![500; 100], 0, vec![100]),
            (vec![500; 201], 0, vec![100, 100, 1]),
            (vec![400_000; 3], 0, vec![1, 1, 1]),
            (vec![200_000; 5], 0, vec![2, 2, 1]),
            (vec![500, 2_000_000, 500, 600_000], 2, vec![2]),
        ];
        for (lengths, too_long, counts) in cases {
            let (handed_over, requests) = requests(&lengths).await;
            assert_eq!(requests, counts);
            let keys = lengths.len() - too_long;
            assert_eq!(handed_over, HandedOver { keys, too_long });
        }
    }
}
