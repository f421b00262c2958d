//! "Signing JSON", in the appendices of the Matrix specification.

use ruma::{
    CanonicalJsonObject, CanonicalJsonValue, UserId, canonical_json::to_canonical_value, serde::Raw,
};
use serde::Serialize;
use vodozemac::{Ed25519PublicKey, Ed25519SecretKey, Ed25519Signature};

/// A JSON object with signatures.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SignedJson(CanonicalJsonObject);

impl SignedJson {
    /// Nothing for what is not an object, and for what has no canonical form: a number that is not
    /// an integer, or too large.
    pub(super) fn parse(json: &impl Serialize) -> Option<Self> {
        match to_canonical_value(json).ok()? {
            CanonicalJsonValue::Object(object) => Some(Self(object)),
            _ => None,
        }
    }

    /// Whether there is a valid signature of this key.
    pub(super) fn is_signed_by(
        &self,
        user_id: &UserId,
        key_id: &str,
        key: &Ed25519PublicKey,
    ) -> bool {
        let signature = || {
            let all = self.0.get("signatures")?.as_object()?;
            let text = all
                .get(user_id.as_str())?
                .as_object()?
                .get(key_id)?
                .as_str();
            Ed25519Signature::from_base64(text?).ok()
        };
        signature().is_some_and(|signature| key.verify(&self.signed_bytes(), &signature).is_ok())
    }

    /// Adds a signature.
    pub(super) fn sign(&mut self, user_id: &UserId, key_id: &str, key: &Ed25519SecretKey) {
        let signature = key.sign(&self.signed_bytes()).to_base64();
        let mut all = take_object(&mut self.0, "signatures");
        let mut of_user = take_object(&mut all, user_id.as_str());
        of_user.insert(key_id.to_owned(), CanonicalJsonValue::String(signature));
        all.insert(user_id.to_string(), CanonicalJsonValue::Object(of_user));
        self.0
            .insert("signatures".to_owned(), CanonicalJsonValue::Object(all));
    }

    /// The object in the form in which it is sent.
    pub(super) fn to_raw<T>(&self) -> Option<Raw<T>> {
        Some(Raw::new(&self.0).ok()?.cast_unchecked())
    }

    fn signed_bytes(&self) -> Vec<u8> {
        let mut signed = self.0.clone();
        signed.remove("signatures");
        signed.remove("unsigned");
        CanonicalJsonValue::Object(signed).to_string().into_bytes()
    }
}

/// Takes the object of this name out; an empty one, if there is none.
fn take_object(from: &mut CanonicalJsonObject, name: &str) -> CanonicalJsonObject {
    match from.remove(name) {
        Some(CanonicalJsonValue::Object(object)) => object,
        _ => CanonicalJsonObject::new(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ruma::user_id;
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_signature_covers_everything_but_signatures_and_unsigned() {
        let (user, key) = (user_id!("@alice:example.org"), Ed25519SecretKey::new());
        let signed = |json: &Value| {
            let signed = SignedJson::parse(json).unwrap();
            signed.is_signed_by(user, "ed25519:KEY", &key.public_key())
        };
        let mut json =
            SignedJson::parse(&json!({ "b": 1, "a": { "d": "é", "c": [null] } })).unwrap();
        json.sign(user, "ed25519:KEY", &key);
        let json: Value = json.to_raw::<Value>().unwrap().deserialize().unwrap();
        assert!(signed(&json));

        let with = |name: &str, value: Value| {
            let mut json = json.clone();
            json[name] = value;
            json
        };
        assert!(signed(&with("unsigned", json!({ "age": 1 }))));
        assert!(!signed(&with("b", json!(2))));
        assert!(!signed(&with("c", json!(true))));
        assert!(!signed(&with("signatures", json!({}))));
        assert!(!signed(&with("signatures", json!("none"))));
        let other = Ed25519SecretKey::new().public_key();
        let parsed = SignedJson::parse(&json).unwrap();
        assert!(!parsed.is_signed_by(user, "ed25519:KEY", &other));
        assert!(!parsed.is_signed_by(user, "ed25519:OTHER", &key.public_key()));
    }

    #[test]
    fn a_second_signature_leaves_the_first_one() {
        let (user, keys) = (
            user_id!("@alice:example.org"),
            [(); 2].map(|()| Ed25519SecretKey::new()),
        );
        let mut json =
            SignedJson::parse(&json!({ "signatures": { "@bob:example.org": {} } })).unwrap();
        json.sign(user, "ed25519:ONE", &keys[0]);
        json.sign(user, "ed25519:TWO", &keys[1]);
        assert!(json.is_signed_by(user, "ed25519:ONE", &keys[0].public_key()));
        assert!(json.is_signed_by(user, "ed25519:TWO", &keys[1].public_key()));
    }

    #[test]
    fn what_has_no_canonical_form_is_not_read() {
        for json in [
            json!([]),
            json!("text"),
            json!({ "a": 1.5 }),
            json!({ "a": 1u64 << 60 }),
        ] {
            assert_eq!(SignedJson::parse(&json), None, "{json}");
        }
    }
}
