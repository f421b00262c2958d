//! The room keys in a key backup, decrypted as they are taken.
//!
//! A backup may have a million entries. Its text is kept as it came. A thread of its own decrypts
//! it, and is at most two batches ahead of whoever takes the keys.

use std::{collections::BTreeMap, fmt, mem};

use matrix_qr_protocol::is_identifier;
use ruma::{
    OwnedRoomId,
    api::client::backup::{EncryptedSessionData, KeyBackupData},
};
use serde::{
    Deserialize, Deserializer as _, Serialize,
    de::{Error as _, MapAccess, Visitor},
};
use serde_json::{Deserializer, value::RawValue};
use tokio::{sync::mpsc, task::spawn_blocking};
use vodozemac::{
    Curve25519PublicKey,
    pk_encryption::{Message, PkDecryption},
};
use zeroize::Zeroizing;

use super::error::BackupProblem;
use crate::secret::Secret;

/// How many room keys are handed out at once.
const BATCH: usize = 1000;
/// The longest entry, in bytes. No client writes such entries: a usual one has about 500.
const MAX_ENTRY: usize = 64 << 10;

/// What is in a backup.
pub struct BackedUpRoomKeys {
    batches: mpsc::Receiver<Vec<RoomKey>>,
    entries: usize,
    taken: usize,
    /// Why this is not, or may not be, the backup that the account's devices write to now.
    pub outdated: Option<BackupProblem>,
}

impl BackedUpRoomKeys {
    /// Those in an answer to `GET /room_keys/keys`; nothing if it is none.
    pub(super) async fn new(
        answer: Vec<u8>,
        key: PkDecryption,
        outdated: Option<BackupProblem>,
    ) -> Option<Self> {
        let counted = spawn_blocking(move || {
            let mut entries = 0;
            each_entry(&answer, |_, _, _| {
                entries += 1;
                Some(())
            })?;
            Some((answer, entries))
        });
        let (answer, entries) = counted.await.ok()??;
        let (sender, batches) = mpsc::channel(1);
        spawn_blocking(move || decrypt_all(&answer, &key, &sender));
        Some(Self {
            batches,
            entries,
            taken: 0,
            outdated,
        })
    }

    /// None, because of this.
    pub(crate) fn gone(problem: BackupProblem) -> Self {
        Self {
            batches: mpsc::channel(1).1,
            entries: 0,
            taken: 0,
            outdated: Some(problem),
        }
    }

    /// The next room keys, at most 1000 at once; nothing at the end. What is not taken is not
    /// decrypted.
    pub async fn next(&mut self) -> Option<Vec<RoomKey>> {
        let batch = self.batches.recv().await?;
        self.taken += batch.len();
        Some(batch)
    }

    /// How many entries could not be read. Known at the end.
    pub fn undecryptable(&self) -> usize {
        self.entries.saturating_sub(self.taken)
    }
}

impl fmt::Debug for BackedUpRoomKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackedUpRoomKeys")
            .field("entries", &self.entries)
            .field("taken", &self.taken)
            .field("outdated", &self.outdated)
            .finish()
    }
}

/// The key of a Megolm session, in the form of a key export (Client-Server API, "Key export
/// format").
#[derive(Debug, Serialize)]
pub struct RoomKey {
    room_id: OwnedRoomId,
    session_id: String,
    #[serde(flatten)]
    key: BackedUpKey,
}

/// The decrypted `session_data` of a backup ("Backup algorithm:
/// `m.megolm_backup.v1.curve25519-aes-sha2`").
#[derive(Debug, Serialize, Deserialize)]
struct BackedUpKey {
    algorithm: String,
    sender_key: String,
    session_key: Secret,
    #[serde(default)]
    sender_claimed_keys: BTreeMap<String, String>,
    #[serde(default)]
    forwarding_curve25519_key_chain: Vec<String>,
    /// MSC3061.
    #[serde(
        default,
        rename = "m.shared_history",
        alias = "org.matrix.msc3061.shared_history"
    )]
    shared_history: bool,
}

/// To the end, or until nobody takes any more.
fn decrypt_all(answer: &[u8], key: &PkDecryption, sender: &mpsc::Sender<Vec<RoomKey>>) {
    let mut batch = Vec::new();
    let all = each_entry(answer, |room_id, session_id, entry| {
        if sender.is_closed() {
            return None;
        }
        batch.extend(room_key(key, room_id, session_id, entry));
        if batch.len() == BATCH {
            sender.blocking_send(mem::take(&mut batch)).ok()?;
        }
        Some(())
    });
    if all.is_some() && !batch.is_empty() {
        // Nobody takes it: then nobody misses it.
        let _ = sender.blocking_send(batch);
    }
}

/// The room and the session of an entry are not authenticated, and are handed to others.
fn room_key(
    key: &PkDecryption,
    room_id: &str,
    session_id: String,
    entry: &RawValue,
) -> Option<RoomKey> {
    let readable =
        is_identifier(room_id) && is_identifier(&session_id) && entry.get().len() <= MAX_ENTRY;
    readable.then_some(())?;
    Some(RoomKey {
        room_id: room_id.try_into().ok()?,
        session_id,
        key: decrypt(key, entry)?,
    })
}

fn decrypt(key: &PkDecryption, entry: &RawValue) -> Option<BackedUpKey> {
    let data: KeyBackupData = serde_json::from_str(entry.get()).ok()?;
    let EncryptedSessionData {
        ephemeral,
        ciphertext,
        mac,
        ..
    } = data.session_data;
    let message = Message {
        ciphertext: ciphertext.into_inner(),
        mac: mac.into_inner(),
        ephemeral_key: Curve25519PublicKey::from_slice(ephemeral.as_bytes()).ok()?,
    };
    let decrypted = Zeroizing::new(key.decrypt(&message).ok()?);
    serde_json::from_slice(&decrypted).ok()
}

#[derive(Deserialize)]
struct AllRooms<'a> {
    #[serde(borrow)]
    rooms: &'a RawValue,
}

#[derive(Deserialize)]
struct RoomSessions<'a> {
    #[serde(borrow)]
    sessions: &'a RawValue,
}

/// Calls this with the room, the session and the data of each entry, for as long as it wants.
/// Nothing if it was ended, or the text is not of that form.
fn each_entry(
    answer: &[u8],
    mut each: impl FnMut(&str, String, &RawValue) -> Option<()>,
) -> Option<()> {
    let all: AllRooms<'_> = serde_json::from_slice(answer).ok()?;
    each_member(all.rooms, |room_id, room| {
        let room: RoomSessions<'_> = serde_json::from_str(room.get()).ok()?;
        each_member(room.sessions, |session_id, entry| {
            each(&room_id, session_id, entry)
        })
    })
}

/// One member of the object after the other. They are not collected: a small one would need a
/// hundred times as much memory as its text.
fn each_member(object: &RawValue, each: impl FnMut(String, &RawValue) -> Option<()>) -> Option<()> {
    struct Members<F>(F);

    impl<'de, F: FnMut(String, &RawValue) -> Option<()>> Visitor<'de> for Members<F> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<M: MapAccess<'de>>(mut self, mut map: M) -> Result<(), M::Error> {
            while let Some((name, value)) = map.next_entry::<String, &RawValue>()? {
                (self.0)(name, value).ok_or_else(|| M::Error::custom("ended"))?;
            }
            Ok(())
        }
    }

    let mut object = Deserializer::from_str(object.get());
    object.deserialize_map(Members(each)).ok()
}

#[cfg(test)]
mod tests;
