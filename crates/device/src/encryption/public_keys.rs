//! The public halves of the cross-signing keys: as published, as held, and whether the two are the
//! same.

use std::fmt;

use matrix_sdk_crypto::types::{
    CrossSigningKey as PublicKey, MasterPubkey, SelfSigningPubkey, UserSigningPubkey,
};
use ruma::{
    CanonicalJsonValue, UserId, api::client::keys::get_keys, canonical_json::to_canonical_value,
    encryption::CrossSigningKey as RawKey, serde::Raw,
};

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

impl fmt::Display for CrossSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Master => "master",
            Self::SelfSigning => "self-signing",
            Self::UserSigning => "user-signing",
        })
    }
}

/// The three public keys. Two of them are the same when user, usage and key material are
/// (signatures may differ).
#[derive(PartialEq)]
pub(crate) struct PublicKeys {
    pub(super) master: MasterPubkey,
    pub(crate) self_signing: SelfSigningPubkey,
    pub(super) user_signing: UserSigningPubkey,
}

impl PublicKeys {
    /// Reads what an answer of `/keys/query` publishes for a user.
    ///
    /// # Errors
    ///
    /// The first key that is missing, or is not a key of that kind.
    pub(super) fn published(
        answer: &get_keys::v3::Response,
        user_id: &UserId,
    ) -> Result<Self, CrossSigningKey> {
        let master = parse(answer.master_keys.get(user_id)).ok_or(CrossSigningKey::Master)?;
        let self_signing =
            parse(answer.self_signing_keys.get(user_id)).ok_or(CrossSigningKey::SelfSigning)?;
        let user_signing =
            parse(answer.user_signing_keys.get(user_id)).ok_or(CrossSigningKey::UserSigning)?;
        Ok(Self {
            master,
            self_signing,
            user_signing,
        })
    }

    pub(super) fn first_difference(&self, other: &Self) -> Option<CrossSigningKey> {
        if self.master != other.master {
            Some(CrossSigningKey::Master)
        } else if self.self_signing != other.self_signing {
            Some(CrossSigningKey::SelfSigning)
        } else if self.user_signing != other.user_signing {
            Some(CrossSigningKey::UserSigning)
        } else {
            None
        }
    }

    /// The first subkey that the master key has not signed: everybody but its owner will refuse it.
    pub(super) fn first_unsigned(&self) -> Option<CrossSigningKey> {
        let subkeys = [
            (self.self_signing.as_ref(), CrossSigningKey::SelfSigning),
            (self.user_signing.as_ref(), CrossSigningKey::UserSigning),
        ];
        let unsigned = |key: &PublicKey| is_signed_by(key, &self.master).is_none();
        subkeys
            .into_iter()
            .find_map(|(key, which)| unsigned(key).then_some(which))
    }

    pub(super) fn fingerprint(&self) -> String {
        self.master
            .get_first_key()
            .map(|key| key.to_base64())
            .unwrap_or_default()
    }
}

fn parse<K: TryFrom<PublicKey>>(raw: Option<&Raw<RawKey>>) -> Option<K> {
    raw?.deserialize_as::<PublicKey>().ok()?.try_into().ok()
}

/// Signing JSON, in the appendices of the Matrix specification.
fn is_signed_by(key: &PublicKey, master: &MasterPubkey) -> Option<()> {
    let (id, public) = master.as_ref().get_first_key_and_id()?;
    let signature = key.signatures.get_signature(master.user_id(), id)?;
    let CanonicalJsonValue::Object(mut signed) = to_canonical_value(key).ok()? else {
        return None;
    };
    signed.remove("signatures");
    signed.remove("unsigned");
    let signed = CanonicalJsonValue::Object(signed).to_string();
    public.verify(signed.as_bytes(), &signature).ok()
}
