//! Room keys in a file that other clients import: the Client-Server API, section "Key exports".

use matrix_sdk_crypto::encrypt_room_key_export;

use super::{Encryption, Passphrase, error::StoreError};

/// Rounds of PBKDF2. The text asks for at least 100,000; Element writes as many as this. A second
/// at most.
const ROUNDS: u32 = 500_000;

/// All room keys of a device, encrypted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyExport {
    /// What belongs in the file.
    pub text: String,
    /// How many room keys it holds.
    pub keys: usize,
}

impl Encryption {
    /// All room keys that this device has, encrypted with a passphrase.
    ///
    /// # Errors
    ///
    /// The store failed.
    pub async fn export_keys(&self, passphrase: &Passphrase) -> Result<KeyExport, StoreError> {
        let keys = self.machine.store().export_room_keys(|_| true).await;
        let keys = keys.map_err(StoreError::new)?;
        let text = encrypt_room_key_export(&keys, passphrase.expose(), ROUNDS);
        let text = text.map_err(StoreError::new)? + "\n";
        Ok(KeyExport {
            text,
            keys: keys.len(),
        })
    }
}
