//! Signed JSON: Matrix specification, appendix "Signing JSON". Signatures are verified before
//! anything is published.

use base64::{
    Engine as _,
    alphabet::STANDARD,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use ruma::{
    CanonicalJsonObject,
    signatures::{
        SigningKeyAlgorithm, to_canonical_json_string_for_signing, verify_canonical_json_bytes,
    },
};
use serde_json::Value;

use crate::matrix_error::MatrixError;

/// Unpadded base64; padding is accepted.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// An Ed25519 public key that decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ed25519PublicKey([u8; 32]);

impl Ed25519PublicKey {
    pub(crate) fn parse(base64: &str) -> Result<Self, MatrixError> {
        let bytes = BASE64
            .decode(base64)
            .ok()
            .and_then(|bytes| bytes.try_into().ok());
        bytes
            .map(Self)
            .ok_or_else(|| MatrixError::invalid_param("a public key is not 32 bytes of base64"))
    }
}

/// What a signature covers: canonical JSON without `signatures` and `unsigned`.
pub(crate) fn signed_part(object: &Value) -> Result<String, MatrixError> {
    let bad = || {
        MatrixError::bad_json("not an object, or not canonical JSON (a fraction, a large number)")
    };
    let object: CanonicalJsonObject = serde_json::from_value(object.clone()).map_err(|_| bad())?;
    to_canonical_json_string_for_signing(&object).map_err(|_| bad())
}

/// Whether this key has signed the object. A signature that does not verify is an error.
pub(crate) fn is_signed_by(
    object: &Value,
    user: &str,
    key_id: &str,
    Ed25519PublicKey(public): Ed25519PublicKey,
) -> Result<bool, MatrixError> {
    let Some(signature) = object
        .get("signatures")
        .and_then(|all| all.get(user))
        .and_then(|own| own.get(key_id))
    else {
        return Ok(false);
    };
    let wrong =
        || MatrixError::invalid_signature(&format!("the signature of {key_id} does not verify"));
    let signature = signature
        .as_str()
        .and_then(|text| BASE64.decode(text).ok())
        .ok_or_else(wrong)?;
    let message = signed_part(object)?;
    verify_canonical_json_bytes(
        &SigningKeyAlgorithm::Ed25519,
        &public,
        &signature,
        message.as_bytes(),
    )
    .map_err(|_| wrong())?;
    Ok(true)
}

/// The IDs of the keys of `user` with a signature on the object, verified or not.
pub(crate) fn signers<'a>(
    object: &'a Value,
    user: &str,
) -> impl Iterator<Item = (&'a String, &'a Value)> {
    let own = object
        .get("signatures")
        .and_then(|all| all.get(user))
        .and_then(Value::as_object);
    own.into_iter().flatten()
}

/// Adds the signatures of `user` on `from` to those on `onto`. Both must have the same signed part.
pub(crate) fn merge(onto: &mut Value, from: &Value, user: &str) {
    let Some(object) = onto.as_object_mut() else {
        return;
    };
    let all = object
        .entry("signatures")
        .or_insert_with(|| Value::Object(Default::default()));
    let Some(all) = all.as_object_mut() else {
        return;
    };
    let own = all
        .entry(user)
        .or_insert_with(|| Value::Object(Default::default()));
    let Some(own) = own.as_object_mut() else {
        return;
    };
    own.extend(signers(from, user).map(|(key_id, signature)| (key_id.clone(), signature.clone())));
}
