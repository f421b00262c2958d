//! Device keys: Client-Server API, "Key management API". Signatures must verify before keys are
//! published.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use serde_json::{Map, Value, json};

use super::{
    cross_signing::impostor,
    one_time_keys::{check_fallback, check_not_replaced, check_one_time_keys, one_time_key_counts},
    request::{Caller, JsonBody, JsonResult},
};
use crate::{
    account::{Account, AccountDevice, DeviceKeys, FallbackKey},
    faults::Fault,
    matrix_error::MatrixError,
    record::RecordedUpload,
    signatures::{Ed25519PublicKey, is_signed_by, merge, signed_part, signers},
    state::SandboxState,
};

/// `POST /_matrix/client/v3/keys/upload`
pub(super) async fn upload(
    State(state): State<Arc<SandboxState>>,
    caller: Caller,
    JsonBody(body): JsonBody,
) -> JsonResult {
    if state.faults.is_set(&Fault::KeysUploadHangs) {
        std::future::pending::<()>().await;
    }
    let mut account = state.account();
    let mut seen = observe(&account, &caller.device_id, &body);
    let done = misbehave(&state).and_then(|()| store(&mut account, &caller.device_id, &body));
    seen.accepted = done.is_ok();
    account.key_uploads.push(seen);
    Ok(Json(json!({ "one_time_key_counts": done? })))
}

fn misbehave(state: &SandboxState) -> Result<(), MatrixError> {
    if state.faults.is_set(&Fault::KeysUploadFails) {
        return Err(MatrixError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "M_UNKNOWN",
            "a requested fault",
        ));
    }
    if state.faults.is_set(&Fault::KeysUploadRefused) {
        return Err(MatrixError::invalid_param("a requested fault"));
    }
    Ok(())
}

/// For the record: what an upload contains, stored or refused.
fn observe(account: &Account, device_id: &str, body: &Value) -> RecordedUpload {
    let keys = body.get("device_keys").filter(|keys| keys.is_object());
    RecordedUpload {
        device_id: device_id.to_owned(),
        accepted: false,
        has_device_keys: keys.is_some(),
        has_device_signature: keys.is_some_and(|keys| own_key(account, device_id, keys).is_ok()),
        has_self_signing_signature: keys.is_some_and(|keys| account.is_cross_signed(keys)),
    }
}

/// Stores everything or nothing: everything is checked first. Returns the counts of one-time keys.
fn store(account: &mut Account, device_id: &str, body: &Value) -> Result<Value, MatrixError> {
    let device_keys = body.get("device_keys").filter(|keys| !keys.is_null());
    let device_keys = device_keys
        .map(|keys| check_device_keys(account, device_id, keys))
        .transpose()?;
    let device = account
        .devices
        .get(device_id)
        .ok_or_else(|| MatrixError::not_found("no such device"))?;
    let signer = device_keys
        .as_ref()
        .or(device.keys.as_ref())
        .map(|keys| keys.ed25519);
    let check =
        |field: &str| check_one_time_keys(&account.user_id, device_id, signer, body.get(field));
    let (one_time_keys, fallback_keys) = (check("one_time_keys")?, check("fallback_keys")?);
    check_not_replaced(device, &one_time_keys)?;
    check_fallback(&fallback_keys)?;

    let user_id = account.user_id.clone();
    let device = account.devices.entry(device_id.to_owned()).or_default();
    let changed = device_keys.is_some();
    if let Some(keys) = device_keys {
        publish(device, keys, &user_id);
    }
    device.one_time_keys.extend(one_time_keys);
    let fallback = fallback_keys.into_iter().next();
    if let Some((id, json)) = fallback {
        device.fallback_key = Some(FallbackKey {
            id,
            json,
            used: false,
        });
    }
    let counts = one_time_key_counts(device);
    if changed {
        account.keys_have_changed();
    }
    Ok(counts)
}

/// The device's own keys. The device must have signed them; all other signatures must come from
/// published keys.
fn check_device_keys(
    account: &Account,
    device_id: &str,
    json: &Value,
) -> Result<DeviceKeys, MatrixError> {
    let ed25519 = own_key(account, device_id, json)?;
    let own_id = format!("ed25519:{device_id}");
    for (key_id, _) in signers(json, &account.user_id).filter(|(key_id, _)| **key_id != own_id) {
        let stranger = || {
            MatrixError::invalid_signature(&format!("signed by {key_id}, which is not published"))
        };
        let key = account.signing_key(key_id).ok_or_else(stranger)?;
        is_signed_by(json, &account.user_id, key_id, key)?;
    }
    let before = account
        .devices
        .get(device_id)
        .and_then(|device| device.keys.as_ref());
    if before.is_some_and(|before| before.json.get("keys") != json.get("keys")) {
        return Err(MatrixError::invalid_param(
            "the identity keys of a device cannot change",
        ));
    }
    Ok(DeviceKeys {
        ed25519,
        json: json.clone(),
    })
}

/// The signing key of these device keys, which must be complete, the caller's own, and signed with
/// that key.
fn own_key(
    account: &Account,
    device_id: &str,
    json: &Value,
) -> Result<Ed25519PublicKey, MatrixError> {
    let field = |name: &str| json.get(name).and_then(Value::as_str);
    if field("user_id") != Some(&account.user_id) || field("device_id") != Some(device_id) {
        return Err(MatrixError::invalid_param(
            "device_keys are not those of the token's device",
        ));
    }
    if !json.get("algorithms").is_some_and(Value::is_array) {
        return Err(MatrixError::bad_json("device_keys have no algorithms"));
    }
    let key = |algorithm: &str| {
        let id = format!("{algorithm}:{device_id}");
        let text = json
            .get("keys")
            .and_then(|keys| keys.get(id))
            .and_then(Value::as_str);
        Ed25519PublicKey::parse(
            text.ok_or_else(|| MatrixError::bad_json("device_keys lack a key"))?,
        )
    };
    key("curve25519")?;
    let ed25519 = key("ed25519")?;
    match is_signed_by(
        json,
        &account.user_id,
        &format!("ed25519:{device_id}"),
        ed25519,
    )? {
        true => Ok(ed25519),
        false => Err(MatrixError::invalid_signature(
            "device_keys without the device's own signature",
        )),
    }
}

/// A repeated upload keeps the signatures that other keys have made over the same device keys.
fn publish(device: &mut AccountDevice, keys: DeviceKeys, user_id: &str) {
    match &mut device.keys {
        Some(before) if signed_part(&before.json).ok() == signed_part(&keys.json).ok() => {
            merge(&mut before.json, &keys.json, user_id);
        }
        keys_before => *keys_before = Some(keys),
    }
}

/// `POST /_matrix/client/v3/keys/query`. No other account exists, so there are no keys of other
/// users.
pub(super) async fn query(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let account = state.account();
    let asked = body.get("device_keys").and_then(Value::as_object);
    let asked = asked.ok_or_else(|| MatrixError::bad_json("device_keys is missing"))?;
    let Some(wanted) = asked.get(&account.user_id) else {
        return Ok(Json(json!({ "device_keys": {}, "failures": {} })));
    };
    let mut answer = Map::new();
    answer.insert("failures".to_owned(), json!({}));
    answer.insert(
        "device_keys".to_owned(),
        json!({ &account.user_id: device_keys(&account, wanted) }),
    );
    let other = state
        .faults
        .is_set(&Fault::WrongIdentity)
        .then(|| impostor(&account.user_id))
        .transpose()?;
    if let Some(identity) = other.as_ref().or(account.identity.as_ref()) {
        let keys = [
            ("master_keys", Some(&identity.master)),
            ("self_signing_keys", identity.self_signing.as_ref()),
            ("user_signing_keys", identity.user_signing.as_ref()),
        ];
        let published = keys
            .into_iter()
            .filter_map(|(name, key)| Some((name, key?)));
        answer.extend(
            published.map(|(name, key)| (name.to_owned(), json!({ &account.user_id: key.json }))),
        );
    }
    Ok(Json(answer.into()))
}

/// An empty list requests the keys of all devices.
fn device_keys(account: &Account, wanted: &Value) -> Value {
    let wanted: Vec<_> = wanted
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let asked = |id: &String| wanted.is_empty() || wanted.contains(&id.as_str());
    let mut found = Map::new();
    for (id, device) in account.devices.iter().filter(|(id, _)| asked(id)) {
        if let Some(mut json) = device.keys.as_ref().map(|keys| keys.json.clone()) {
            if let Some(fields) = json.as_object_mut() {
                let about = json!({ "device_display_name": device.display_name });
                fields.insert("unsigned".to_owned(), about);
            }
            found.insert(id.clone(), json);
        }
    }
    found.into()
}
