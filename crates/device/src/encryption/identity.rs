//! The account's cross-signing identity: what the homeserver publishes, what this device holds, and
//! whether they agree.
//!
//! MSC4108 depends on cross-signing: "The feature is also only available where a user has
//! cross-signing set up and the existing device to be used has the Master Signing Key, Self Signing
//! Key and User Signing Key stored locally".

use ruma::{OwnedUserId, api::client::keys::get_keys};

use super::{
    Encryption,
    error::{CrossSigningError, StoreError},
    public_keys::{CrossSigningKey, PublicKeys},
};
use crate::homeserver::{Homeserver, HomeserverError};

/// An account's published identity that the keys of this device agree with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// The account.
    pub user_id: OwnedUserId,
    /// The public master key in unpadded base64: what a person compares.
    pub master_key: String,
}

impl Encryption {
    /// Checks that this device may sign another one in: it holds the three private cross-signing
    /// keys, and each belongs to the public key that the homeserver publishes. Speaks to
    /// `/keys/query` only, and leaves the store alone.
    ///
    /// To be called before there is a rendezvous session, a QR code or an open camera.
    ///
    /// # Errors
    ///
    /// See [`CrossSigningError`]; it names the key.
    pub async fn check_cross_signing(
        &self,
        homeserver: &Homeserver,
    ) -> Result<Identity, CrossSigningError> {
        let (_, keys) = self.agreed_keys(homeserver).await?;
        Ok(Identity {
            user_id: self.user_id().to_owned(),
            master_key: keys.fingerprint(),
        })
    }

    /// Whether the homeserver publishes any part of an identity for this account.
    pub(crate) async fn has_identity(
        &self,
        homeserver: &Homeserver,
    ) -> Result<bool, HomeserverError> {
        let answer = self.query(homeserver).await?;
        let user_id = self.user_id();
        Ok(answer.master_keys.contains_key(user_id)
            || answer.self_signing_keys.contains_key(user_id)
            || answer.user_signing_keys.contains_key(user_id))
    }

    /// Stores the published identity, which must be the one whose private keys are held here.
    pub(crate) async fn learn_own_identity(
        &self,
        homeserver: &Homeserver,
    ) -> Result<PublicKeys, CrossSigningError> {
        let (answer, published) = self.agreed_keys(homeserver).await?;
        self.learn(&answer).await?;
        Ok(published)
    }

    /// A fresh answer of `/keys/query` whose identity is the one whose private keys are held here.
    pub(super) async fn agreed_keys(
        &self,
        homeserver: &Homeserver,
    ) -> Result<(get_keys::v3::Response, PublicKeys), CrossSigningError> {
        let held = self.held_keys().await?;
        let answer = self.query(homeserver).await?;
        let published = PublicKeys::published(&answer, self.user_id())
            .map_err(CrossSigningError::NotPublished)?;
        if let Some(key) = published.first_difference(&held) {
            return Err(CrossSigningError::Mismatch(key));
        }
        match published.first_unsigned() {
            Some(key) => Err(CrossSigningError::NotPublished(key)),
            None => Ok((answer, published)),
        }
    }

    /// The public halves of the private keys in the store, without taking a private key out of it.
    async fn held_keys(&self) -> Result<PublicKeys, CrossSigningError> {
        self.require_private_keys().await?;
        // With a complete identity this makes nothing new: it restates the public halves, derived
        // from the private keys.
        let restated = self.bootstrap().await?;
        let keys = || {
            Some(PublicKeys {
                master: restated.master_key?.try_into().ok()?,
                self_signing: restated.self_signing_key?.try_into().ok()?,
                user_signing: restated.user_signing_key?.try_into().ok()?,
            })
        };
        Ok(keys().ok_or_else(|| StoreError::new("its cross-signing keys are damaged"))?)
    }

    async fn require_private_keys(&self) -> Result<(), CrossSigningError> {
        let status = self.machine.cross_signing_status().await;
        let held = [
            (status.has_master, CrossSigningKey::Master),
            (status.has_self_signing, CrossSigningKey::SelfSigning),
            (status.has_user_signing, CrossSigningKey::UserSigning),
        ];
        let missing = held
            .into_iter()
            .filter_map(|(held, key)| (!held).then_some(key));
        match missing.collect::<Vec<_>>() {
            missing if missing.is_empty() => Ok(()),
            missing => Err(CrossSigningError::Missing(missing)),
        }
    }
}
