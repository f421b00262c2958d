//! The account's cross-signing identity: what the homeserver publishes, what is held, and whether
//! the two agree.
//!
//! MSC4108 depends on cross-signing: "The feature is also only available where a user has
//! cross-signing set up and the existing device to be used has the Master Signing Key, Self Signing
//! Key and User Signing Key stored locally".

use std::{collections::BTreeMap, fmt};

use matrix_qr_protocol::login::message::{CrossSigning, SecretKey};
use ruma::{
    OwnedUserId, UserId, api::client::keys::get_keys, encryption::CrossSigningKey as RawKey,
    serde::Raw,
};
use serde::{Deserialize, Serialize};
use vodozemac::{Ed25519PublicKey, Ed25519SecretKey};

use super::{error::CrossSigningError, signed_json::SignedJson};
use crate::homeserver::{Effort, Homeserver, HomeserverError};

/// One of the three cross-signing keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrossSigningKey {
    /// The master signing key (MSK): the account's identity.
    Master,
    /// The self-signing key (SSK): vouches for the account's own devices.
    SelfSigning,
    /// The user-signing key (USK): vouches for other people.
    UserSigning,
}

impl CrossSigningKey {
    /// In the order in which they are compared.
    pub(crate) const ALL: [Self; 3] = [Self::Master, Self::SelfSigning, Self::UserSigning];

    /// The value of `usage` in a published key.
    fn usage(self) -> &'static str {
        match self {
            Self::Master => "master",
            Self::SelfSigning => "self_signing",
            Self::UserSigning => "user_signing",
        }
    }
}

impl fmt::Display for CrossSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::SelfSigning => "self-signing",
            Self::UserSigning => "user-signing",
        })
    }
}

/// The three public keys of an account, as the homeserver publishes them.
#[derive(Debug, Clone, Serialize)]
pub struct Identity {
    /// The public master key.
    pub master_key: Raw<RawKey>,
    /// The public self-signing key.
    pub self_signing_key: Raw<RawKey>,
    /// The public user-signing key.
    pub user_signing_key: Raw<RawKey>,
}

/// The public halves of the three private keys that a device holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HeldIdentity([Ed25519PublicKey; 3]);

impl HeldIdentity {
    /// The public halves of these keys.
    pub fn of(keys: &CrossSigning) -> Self {
        let keys = [
            &keys.master_key,
            &keys.self_signing_key,
            &keys.user_signing_key,
        ];
        Self(keys.map(|key| signing_key(key).public_key()))
    }
}

/// A private key that signs.
pub(super) fn signing_key(key: &SecretKey) -> Ed25519SecretKey {
    Ed25519SecretKey::from_slice(key.as_bytes())
}

/// An account's identity as published: three keys, each of its kind and of this account.
pub(crate) struct PublishedIdentity {
    user_id: OwnedUserId,
    /// In the order of [`CrossSigningKey::ALL`].
    keys: [PublishedKey; 3],
    pub(super) raw: Identity,
}

/// A published key: what it is called, what it is, and who signed it.
pub(super) struct PublishedKey {
    pub(super) id: String,
    pub(super) key: Ed25519PublicKey,
    /// Client-Server API, "Cross-signing": exactly one key.
    is_only: bool,
    json: SignedJson,
}

impl PublishedIdentity {
    /// Reads what an answer of `/keys/query` publishes for a user.
    ///
    /// # Errors
    ///
    /// The first key that is missing, or is not a key of that kind.
    pub(crate) fn of(
        answer: &get_keys::v3::Response,
        user_id: &UserId,
    ) -> Result<Self, CrossSigningKey> {
        let read = |keys: &BTreeMap<OwnedUserId, Raw<RawKey>>, which| {
            let raw = keys.get(user_id).ok_or(which)?;
            let key = PublishedKey::read(raw, user_id, which).ok_or(which)?;
            Ok((raw.clone(), key))
        };
        let (master_key, master) = read(&answer.master_keys, CrossSigningKey::Master)?;
        let (self_signing_key, self_signing) =
            read(&answer.self_signing_keys, CrossSigningKey::SelfSigning)?;
        let (user_signing_key, user_signing) =
            read(&answer.user_signing_keys, CrossSigningKey::UserSigning)?;
        Ok(Self {
            user_id: user_id.to_owned(),
            keys: [master, self_signing, user_signing],
            raw: Identity {
                master_key,
                self_signing_key,
                user_signing_key,
            },
        })
    }

    fn master(&self) -> &PublishedKey {
        let [master, _, _] = &self.keys;
        master
    }

    pub(super) fn self_signing(&self) -> &PublishedKey {
        let [_, self_signing, _] = &self.keys;
        self_signing
    }

    /// The first key that is not the one held here.
    pub(super) fn first_difference(&self, held: &HeldIdentity) -> Option<CrossSigningKey> {
        let differs = |published: &PublishedKey, held| !published.is_only || published.key != held;
        let pairs = self.keys.iter().zip(held.0).zip(CrossSigningKey::ALL);
        pairs
            .into_iter()
            .find_map(|((published, held), which)| differs(published, held).then_some(which))
    }

    /// The first subkey that the master key has not signed: everybody but its owner will refuse it.
    pub(super) fn first_unsigned(&self) -> Option<CrossSigningKey> {
        let master = self.master();
        let subkeys = self.keys.iter().zip(CrossSigningKey::ALL).skip(1);
        subkeys.into_iter().find_map(|(subkey, which)| {
            let signed = subkey
                .json
                .is_signed_by(&self.user_id, &master.id, &master.key);
            (!signed).then_some(which)
        })
    }

    /// The public master key in unpadded base64: what a person compares.
    pub(crate) fn fingerprint(&self) -> String {
        self.master().key.to_base64()
    }
}

impl PublishedKey {
    fn read(raw: &Raw<RawKey>, user_id: &UserId, which: CrossSigningKey) -> Option<Self> {
        #[derive(Deserialize)]
        struct Fields {
            user_id: OwnedUserId,
            usage: Vec<String>,
            keys: BTreeMap<String, String>,
        }
        let fields: Fields = raw.deserialize_as_unchecked().ok()?;
        let is_of_kind = fields.usage.iter().any(|usage| usage == which.usage());
        let is_only = fields.keys.len() == 1;
        let (id, key) = fields.keys.into_iter().next()?;
        let named = id.starts_with("ed25519:") && is_of_kind && fields.user_id == user_id;
        named.then_some(())?;
        Some(Self {
            id,
            key: Ed25519PublicKey::from_base64(&key).ok()?,
            is_only,
            json: SignedJson::parse(raw)?,
        })
    }
}

/// What the homeserver publishes for an account right now.
pub(crate) async fn published_keys(
    homeserver: &Homeserver,
    user_id: &UserId,
) -> Result<get_keys::v3::Response, HomeserverError> {
    let mut request = get_keys::v3::Request::new();
    request.device_keys.insert(user_id.to_owned(), Vec::new());
    homeserver.call(request, Effort::REPEATABLE).await
}

/// A fresh answer of `/keys/query` whose identity is the one whose private keys are held.
pub(crate) async fn agreed_identity(
    homeserver: &Homeserver,
    user_id: &UserId,
    held: &HeldIdentity,
) -> Result<(get_keys::v3::Response, PublishedIdentity), CrossSigningError> {
    let answer = published_keys(homeserver, user_id).await?;
    let published =
        PublishedIdentity::of(&answer, user_id).map_err(CrossSigningError::NotPublished)?;
    if let Some(key) = published.first_difference(held) {
        return Err(CrossSigningError::Mismatch(key));
    }
    match published.first_unsigned() {
        Some(key) => Err(CrossSigningError::NotPublished(key)),
        None => Ok((answer, published)),
    }
}
