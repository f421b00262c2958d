//! The cross-signing identity and signatures made with it: Client-Server API, "Cross-signing".

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use ruma::{
    CanonicalJsonObject,
    signatures::{Ed25519KeyPair, sign_json},
};
use serde_json::{Map, Value, json};

use super::request::{Caller, JsonBody, JsonResult};
use crate::{
    account::{Account, CrossSigningIdentity, PublishedKey},
    matrix_error::MatrixError,
    signatures::{Ed25519PublicKey, is_signed_by, merge, signed_part, signers},
    state::SandboxState,
};

/// `POST /_matrix/client/v3/keys/device_signing/upload`. The first upload needs no user-interactive
/// authentication. The sandbox has no such authentication, so keys cannot be replaced.
pub(super) async fn upload(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let mut account = state.account();
    let user_id = account.user_id.clone();
    let parse = |field: &str, usage: &str| {
        let json = body.get(field).filter(|json| !json.is_null());
        json.map(|json| parse_key(json, &user_id, usage))
            .transpose()
    };
    let (master, self_signing, user_signing) = (
        parse("master_key", "master")?,
        parse("self_signing_key", "self_signing")?,
        parse("user_signing_key", "user_signing")?,
    );
    let before = account.identity.as_ref();
    let master = keep(before.map(|identity| &identity.master), master)?;
    let master = master.ok_or_else(|| MatrixError::invalid_param("there is no master key yet"))?;
    for key in [&self_signing, &user_signing].into_iter().flatten() {
        if !is_signed_by(&key.json, &user_id, &master.id, master.key)? {
            return Err(MatrixError::invalid_signature(
                "a cross-signing key without the master key's signature",
            ));
        }
    }
    check_known_signers(&account, &master.json, &master.id)?;
    let self_signing = keep(
        before.and_then(|identity| identity.self_signing.as_ref()),
        self_signing,
    )?;
    let user_signing = keep(
        before.and_then(|identity| identity.user_signing.as_ref()),
        user_signing,
    )?;
    account.identity = Some(CrossSigningIdentity {
        master,
        self_signing,
        user_signing,
    });
    account.keys_have_changed();
    Ok(Json(json!({})))
}

/// The current key if the new one is absent or equal; the new key if there is none yet. Another key
/// is refused.
fn keep(
    before: Option<&PublishedKey>,
    new: Option<PublishedKey>,
) -> Result<Option<PublishedKey>, MatrixError> {
    match (before, new) {
        (Some(before), Some(new)) if before.key != new.key => Err(MatrixError::forbidden(
            "the identity cannot be replaced: the sandbox has no way to confirm it",
        )),
        (Some(before), _) => Ok(Some(before.clone())),
        (None, new) => Ok(new),
    }
}

fn parse_key(json: &Value, user_id: &str, usage: &str) -> Result<PublishedKey, MatrixError> {
    if json.get("user_id").and_then(Value::as_str) != Some(user_id) {
        return Err(MatrixError::invalid_param(
            "a cross-signing key of another user",
        ));
    }
    let usages = json.get("usage").and_then(Value::as_array);
    if !usages.is_some_and(|usages| usages.iter().any(|this| this == usage)) {
        return Err(MatrixError::invalid_param(
            "a cross-signing key without its usage",
        ));
    }
    let mut keys = json
        .get("keys")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let (Some((id, key)), None) = (keys.next(), keys.next()) else {
        return Err(MatrixError::invalid_param(
            "a cross-signing key is exactly one key",
        ));
    };
    let text = key
        .as_str()
        .filter(|text| id.strip_prefix("ed25519:") == Some(text));
    let text = text.ok_or_else(|| {
        MatrixError::invalid_param("a cross-signing key is not named after itself")
    })?;
    signed_part(json)?;
    Ok(PublishedKey {
        id: id.clone(),
        key: Ed25519PublicKey::parse(text)?,
        json: json.clone(),
    })
}

/// Every signature of the account on `object`, except that of the key `itself`, must come from a
/// published key and verify.
fn check_known_signers(account: &Account, object: &Value, itself: &str) -> Result<(), MatrixError> {
    for (key_id, _) in signers(object, &account.user_id).filter(|(key_id, _)| *key_id != itself) {
        let stranger = || {
            MatrixError::invalid_signature(&format!("signed by {key_id}, which is not published"))
        };
        let key = account.signing_key(key_id).ok_or_else(stranger)?;
        is_signed_by(object, &account.user_id, key_id, key)?;
    }
    Ok(())
}

/// `POST /_matrix/client/v3/keys/signatures/upload`. Each signed object fails on its own.
pub(super) async fn upload_signatures(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let mut account = state.account();
    let mut failures = Map::new();
    for (user, objects) in body.as_object().into_iter().flatten() {
        let mut failed = Map::new();
        for (id, object) in objects.as_object().into_iter().flatten() {
            if let Err(error) = add_signatures(&mut account, user, id, object) {
                failed.insert(id.clone(), error.body);
            }
        }
        if !failed.is_empty() {
            failures.insert(user.clone(), failed.into());
        }
    }
    account.keys_have_changed();
    Ok(Json(json!({ "failures": failures })))
}

fn add_signatures(
    account: &mut Account,
    user: &str,
    id: &str,
    object: &Value,
) -> Result<(), MatrixError> {
    let user_id = account.user_id.clone();
    let published = match user == user_id {
        true => published(account, id),
        false => None,
    };
    let published = published.ok_or_else(|| MatrixError::not_found("no such device or key"))?;
    if signed_part(published)? != signed_part(object)? {
        return Err(MatrixError::invalid_signature(
            "the signed object is not the published one",
        ));
    }
    check_known_signers(account, object, "")?;
    if let Some(published) = self::published(account, id) {
        merge(published, object, &user_id);
    }
    Ok(())
}

/// A device's keys by the device ID, or a cross-signing key by its public key.
fn published<'a>(account: &'a mut Account, id: &str) -> Option<&'a mut Value> {
    if let Some(device) = account.devices.get_mut(id) {
        return device.keys.as_mut().map(|keys| &mut keys.json);
    }
    let identity = account.identity.as_mut()?;
    let keys = [
        Some(&mut identity.master),
        identity.self_signing.as_mut(),
        identity.user_signing.as_mut(),
    ];
    let mut keys = keys.into_iter().flatten();
    keys.find(|key| key.id.strip_prefix("ed25519:") == Some(id))
        .map(|key| &mut key.json)
}

/// Another identity for the same user, complete and properly signed: what a malicious homeserver
/// would publish.
pub(super) fn impostor(user_id: &str) -> Result<CrossSigningIdentity, MatrixError> {
    let master = forged_pair(1)?;
    let key = |seed: u8, usage: &str| {
        let public = STANDARD_NO_PAD.encode(forged_pair(seed)?.public_key());
        let id = format!("ed25519:{public}");
        let json = json!({ "user_id": user_id, "usage": [usage], "keys": { &id: public } });
        let mut signed: CanonicalJsonObject =
            serde_json::from_value(json).map_err(|_| forgery_failed())?;
        if usage != "master" {
            sign_json(user_id, &master, &mut signed).map_err(|_| forgery_failed())?;
        }
        let json = serde_json::to_value(signed).map_err(|_| forgery_failed())?;
        parse_key(&json, user_id, usage)
    };
    Ok(CrossSigningIdentity {
        master: key(1, "master")?,
        self_signing: Some(key(2, "self_signing")?),
        user_signing: Some(key(3, "user_signing")?),
    })
}

/// A key pair that is not secret, named after its public key.
fn forged_pair(seed: u8) -> Result<Ed25519KeyPair, MatrixError> {
    // PKCS #8 (RFC 8410) with a fixed private key.
    let mut document = vec![
        0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20,
    ];
    document.extend([seed; 32]);
    let pair =
        |name: String| Ed25519KeyPair::from_der(&document, name).map_err(|_| forgery_failed());
    let public = STANDARD_NO_PAD.encode(pair(String::new())?.public_key());
    pair(public)
}

fn forgery_failed() -> MatrixError {
    MatrixError::new(
        StatusCode::INTERNAL_SERVER_ERROR,
        "M_UNKNOWN",
        "the other identity could not be made",
    )
}
