//! The account's cross-signing identity: what the homeserver publishes, what is held, and whether
//! the two agree.
//!
//! MSC4108 depends on cross-signing: "The feature is also only available where a user has
//! cross-signing set up and the existing device to be used has the Master Signing Key, Self Signing
//! Key and User Signing Key stored locally".

use std::collections::BTreeMap;

use matrix_qr_protocol::login::message::{CrossSigning, SecretKey};
use ruma::{
    OwnedUserId, UserId, api::client::keys::get_keys, encryption::CrossSigningKey as RawKey,
    serde::Raw,
};
use serde::{Deserialize, Serialize};
use vodozemac::{Ed25519PublicKey, Ed25519SecretKey};

use super::{
    cross_signing_key::CrossSigningKey, error::CrossSigningError, signed_json::SignedJson,
};
use crate::client_server_api::{Effort, Homeserver, HomeserverError};

/// The three public keys of an account, as the homeserver publishes them: in the form that was
/// checked, with each name once and on one line.
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
    keys: [CrossSigningPublicKey; 3],
    pub(super) raw: Identity,
}

/// A published key: what it is called, what it is, and who signed it.
pub(super) struct CrossSigningPublicKey {
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
            let json = keys.get(user_id).and_then(SignedJson::parse).ok_or(which)?;
            let checked = json.to_raw().ok_or(which)?;
            let key = CrossSigningPublicKey::read(json, user_id, which).ok_or(which)?;
            Ok((checked, key))
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

    fn master(&self) -> &CrossSigningPublicKey {
        let [master, _, _] = &self.keys;
        master
    }

    pub(super) fn self_signing(&self) -> &CrossSigningPublicKey {
        let [_, self_signing, _] = &self.keys;
        self_signing
    }

    /// The first key that is not the one held here.
    pub(super) fn first_difference(&self, held: &HeldIdentity) -> Option<CrossSigningKey> {
        let differs =
            |published: &CrossSigningPublicKey, held| !published.is_only || published.key != held;
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

    /// What is left of an answer of `/keys/query` for whoever stores it: what it says about this
    /// account, with the three keys as they were checked.
    pub(super) fn narrow(&self, answer: &mut get_keys::v3::Response) {
        let Identity {
            master_key,
            self_signing_key,
            user_signing_key,
        } = self.raw.clone();
        let of_user = |key| BTreeMap::from([(self.user_id.clone(), key)]);
        answer.master_keys = of_user(master_key);
        answer.self_signing_keys = of_user(self_signing_key);
        answer.user_signing_keys = of_user(user_signing_key);
        answer
            .device_keys
            .retain(|user_id, _| *user_id == self.user_id);
    }

    /// The public master key in unpadded base64: what a person compares.
    pub(crate) fn fingerprint(&self) -> String {
        self.master().key.to_base64()
    }
}

impl CrossSigningPublicKey {
    fn read(json: SignedJson, user_id: &UserId, which: CrossSigningKey) -> Option<Self> {
        #[derive(Deserialize)]
        struct Fields {
            user_id: OwnedUserId,
            usage: Vec<String>,
            keys: BTreeMap<String, String>,
        }
        let fields: Fields = json.to_raw()?.deserialize().ok()?;
        let is_of_kind = fields.usage.iter().any(|usage| usage == which.usage());
        let is_only = fields.keys.len() == 1;
        let (id, key) = fields.keys.into_iter().next()?;
        let named = id.starts_with("ed25519:") && is_of_kind && fields.user_id == user_id;
        named.then_some(())?;
        Some(Self {
            id,
            key: Ed25519PublicKey::from_base64(&key).ok()?,
            is_only,
            json,
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
    agreed(published_keys(homeserver, user_id).await?, user_id, held)
}

/// An answer of `/keys/query`, and the identity in it, which is the one whose private keys are held.
pub(super) fn agreed(
    mut answer: get_keys::v3::Response,
    user_id: &UserId,
    held: &HeldIdentity,
) -> Result<(get_keys::v3::Response, PublishedIdentity), CrossSigningError> {
    let published =
        PublishedIdentity::of(&answer, user_id).map_err(CrossSigningError::NotPublished)?;
    if let Some(key) = published.first_difference(held) {
        return Err(CrossSigningError::Mismatch(key));
    }
    match published.first_unsigned() {
        Some(key) => Err(CrossSigningError::NotPublished(key)),
        None => {
            published.narrow(&mut answer);
            Ok((answer, published))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]
    use matrix_qr_protocol::login::message::CrossSigning;
    use ruma::user_id;
    use serde_json::{Value, json};

    use super::*;

    const KINDS: [&str; 3] = ["master", "self_signing", "user_signing"];

    fn secrets() -> CrossSigning {
        CrossSigning {
            master_key: SecretKey::new(&[1; 32]),
            self_signing_key: SecretKey::new(&[2; 32]),
            user_signing_key: SecretKey::new(&[3; 32]),
        }
    }

    /// An answer of `/keys/query`, after a change to one of the three keys.
    fn published(kind: usize, change: impl FnOnce(&mut Value)) -> get_keys::v3::Response {
        let user_id = user_id!("@alice:example.org");
        let HeldIdentity(keys) = HeldIdentity::of(&secrets());
        let mut published = [0, 1, 2].map(|kind| {
            let key = keys[kind].to_base64();
            let named = json!({ format!("ed25519:{key}"): key });
            json!({ "user_id": user_id, "usage": [KINDS[kind]], "keys": named })
        });
        change(&mut published[kind]);
        let [master, self_signing, user_signing] =
            published.map(|key| BTreeMap::from([(user_id.to_owned(), Raw::new(&key).unwrap())]));
        let mut answer = get_keys::v3::Response::default();
        answer.master_keys = cast(master);
        answer.self_signing_keys = cast(self_signing);
        answer.user_signing_keys = cast(user_signing);
        answer
    }

    fn cast(keys: BTreeMap<OwnedUserId, Raw<Value>>) -> BTreeMap<OwnedUserId, Raw<RawKey>> {
        let cast = |(user, key): (_, Raw<Value>)| (user, key.cast_unchecked());
        keys.into_iter().map(cast).collect()
    }

    fn read(answer: &get_keys::v3::Response) -> Result<PublishedIdentity, CrossSigningKey> {
        PublishedIdentity::of(answer, user_id!("@alice:example.org"))
    }

    #[test]
    fn the_three_keys_are_read() {
        let identity = read(&published(0, |_| {})).unwrap_or_else(|key| panic!("{key}"));
        let held = HeldIdentity::of(&secrets());
        assert_eq!(identity.first_difference(&held), None);
        assert_eq!(identity.fingerprint(), held.0[0].to_base64());
    }

    #[test]
    fn a_key_of_another_user_or_of_another_kind_is_not_one() {
        for (kind, which) in CrossSigningKey::ALL.into_iter().enumerate() {
            let changes: [fn(&mut Value); 5] = [
                |key| key["user_id"] = json!("@mallory:example.org"),
                |key| key["usage"] = json!(["another"]),
                |key| key["usage"] = json!([]),
                |key| key["keys"] = json!({}),
                |key| key["keys"] = json!({ "curve25519:AAAA": "AAAA" }),
            ];
            for change in changes {
                assert_eq!(read(&published(kind, change)).err(), Some(which));
            }
        }
    }

    /// A homeserver may write JSON that two parsers read differently, over several lines.
    #[test]
    fn what_is_handed_out_is_what_was_checked() {
        let mut answer = published(0, |_| {});
        let (user_id, other) = (user_id!("@alice:example.org"), user_id!("@bob:example.org"));
        let key = answer.master_keys[user_id].json().get().to_owned();
        let twice = key.replace("\"usage\":[", "\"usage\":[\"self_signing\"],\n\"usage\":[");
        let raw = Raw::from_json_string(twice).unwrap();
        answer.master_keys.insert(user_id.to_owned(), raw.clone());
        answer.master_keys.insert(other.to_owned(), raw);
        answer.device_keys.insert(other.to_owned(), BTreeMap::new());
        let identity = read(&answer).unwrap_or_else(|key| panic!("{key}"));
        let checked = identity.raw.master_key.json().get();
        assert!(!checked.contains('\n'), "{checked}");
        assert_eq!(checked.matches("usage").count(), 1, "{checked}");
        identity.narrow(&mut answer);
        assert_eq!(answer.master_keys.len(), 1);
        assert_eq!(answer.master_keys[user_id].json().get(), checked);
        assert!(answer.device_keys.is_empty());
    }

    #[test]
    fn another_key_beside_the_right_one_is_a_difference() {
        let held = HeldIdentity::of(&secrets());
        for (kind, which) in CrossSigningKey::ALL.into_iter().enumerate() {
            // One that comes before it in the order of names, and one that comes after it.
            for name in ["ed25519:+", "ed25519:z"] {
                let add = |key: &mut Value| {
                    key["keys"][name] = json!(Ed25519SecretKey::new().public_key().to_base64());
                };
                let identity = read(&published(kind, add)).unwrap_or_else(|key| panic!("{key}"));
                assert_eq!(identity.first_difference(&held), Some(which), "{name}");
            }
        }
    }
}
