//! matrix-sdk-crypto and its SQLite store: a holder of a device's keys ([`crate::keys`]), in the form
//! that matrix-sdk opens.
//!
//! A homeserver that suddenly publishes another identity makes matrix-sdk-crypto forget its private
//! keys. So an answer of `/keys/query` is first compared with the keys held here, and reaches the
//! store only when it agrees with them.

use std::path::Path;

use matrix_sdk_crypto::{
    DecryptionSettings, OlmMachine, TrustRequirement,
    types::requests::{AnyIncomingResponse, UploadSigningKeysRequest},
};
use matrix_sdk_sqlite::{OpenStoreError, SqliteCryptoStore};
use ruma::{
    DeviceId, RoomId, TransactionId, UserId,
    api::client::keys::get_keys,
    events::{AnyMessageLikeEvent, AnyTimelineEvent, room::message::RoomMessageEvent},
    serde::Raw,
};

mod backup;
mod content;
mod error;
mod export;
mod files;
mod holder;
mod verification;

pub use crate::secret::Passphrase;
pub use backup::Restored;
pub(crate) use content::StoreContent;
pub use content::needs_passphrase;
pub use error::{DecryptError, StoreError};
pub use export::KeyExport;
pub use holder::StoreKeys;
pub use verification::Verification;

/// A device's end-to-end encryption.
pub struct Encryption {
    machine: OlmMachine,
}

impl Encryption {
    /// Opens the store in `dir`, or makes it; the file has the name that matrix-sdk gives it.
    ///
    /// With a passphrase, a new store is encrypted with it (matrix-sdk: PBKDF2, 200,000 rounds, a
    /// tenth of a second), and an existing one is opened with it.
    ///
    /// The directory ends up 0700 and the files 0600 on Unix: the store holds the account's private
    /// keys.
    ///
    /// # Errors
    ///
    /// The directory or the database cannot be used, or holds the keys of another device. The
    /// passphrase is missing, wrong, or for a store that is not encrypted: then nothing was changed.
    pub async fn open(
        dir: &Path,
        user_id: &UserId,
        device_id: &DeviceId,
        passphrase: Option<&Passphrase>,
    ) -> Result<Self, StoreError> {
        files::prepare(dir).map_err(StoreError::new)?;
        StoreContent::of(dir).await?.check(passphrase)?;
        let store = SqliteCryptoStore::open(dir, passphrase.map(Passphrase::expose)).await;
        let store = store.map_err(|error| match error {
            OpenStoreError::InitCipher(_) => StoreError::WrongPassphrase,
            error => StoreError::new(error),
        })?;
        let machine = OlmMachine::with_store(user_id, device_id, store, None).await;
        Ok(Self {
            machine: machine.map_err(StoreError::new)?,
        })
    }

    /// The account.
    pub fn user_id(&self) -> &UserId {
        self.machine.user_id()
    }

    /// This device.
    pub fn device_id(&self) -> &DeviceId {
        self.machine.device_id()
    }

    /// Decrypts a room event and returns the text of the message.
    ///
    /// The sender's device need not be verified: a key from the backup has no sender that could be.
    ///
    /// # Errors
    ///
    /// See [`DecryptError`].
    pub async fn decrypt(
        &self,
        event: &Raw<AnyTimelineEvent>,
        room: &RoomId,
    ) -> Result<String, DecryptError> {
        let settings = DecryptionSettings {
            sender_device_trust_requirement: TrustRequirement::Untrusted,
        };
        let event = event.cast_ref_unchecked();
        let event = self
            .machine
            .decrypt_room_event(event, room, &settings)
            .await;
        let event = event.map_err(|error| DecryptError::Undecryptable(error.to_string()))?;
        match event.event.deserialize() {
            Ok(AnyTimelineEvent::MessageLike(message)) => {
                text(message).ok_or(DecryptError::NotText)
            }
            _ => Err(DecryptError::NotText),
        }
    }

    pub(crate) fn machine(&self) -> &OlmMachine {
        &self.machine
    }

    /// Gives an answer of `/keys/query` to the store; the caller has compared it with the keys held
    /// here.
    pub(crate) async fn learn(&self, published: &get_keys::v3::Response) -> Result<(), StoreError> {
        self.sent(&TransactionId::new(), published).await
    }

    /// Gives the answer to a request of the store to it.
    pub(crate) async fn sent<'a>(
        &self,
        request: &TransactionId,
        answer: impl Into<AnyIncomingResponse<'a>>,
    ) -> Result<(), StoreError> {
        let taken = self.machine.mark_request_as_sent(request, answer).await;
        taken.map_err(StoreError::new)
    }

    /// Makes the account's identity, or restates the one that is complete.
    pub(crate) async fn bootstrap(&self) -> Result<UploadSigningKeysRequest, StoreError> {
        let identity = self.machine.bootstrap_cross_signing(false).await;
        Ok(identity.map_err(StoreError::new)?.upload_signing_keys_req)
    }
}

fn text(message: AnyMessageLikeEvent) -> Option<String> {
    match message {
        AnyMessageLikeEvent::RoomMessage(RoomMessageEvent::Original(message)) => {
            Some(message.content.body().to_owned())
        }
        _ => None,
    }
}

impl std::fmt::Debug for Encryption {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Encryption")
            .field("user_id", &self.user_id())
            .field("device_id", &self.device_id())
            .field("keys", &"[redacted]")
            .finish()
    }
}
