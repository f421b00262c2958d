//! One-time keys, each of which is handed out once, and fallback keys: Client-Server API, "Key
//! management API".

use std::{collections::BTreeMap, sync::Arc};

use axum::{Json, extract::State};
use serde_json::{Map, Value, json};

use super::request::{Caller, JsonBody, JsonResult};
use crate::{
    account::AccountDevice,
    matrix_error::MatrixError,
    signatures::{Ed25519PublicKey, is_signed_by},
    state::SandboxState,
};

pub(super) const ONE_TIME_ALGORITHM: &str = "signed_curve25519";

/// `POST /_matrix/client/v3/keys/claim`
pub(super) async fn claim(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let asked = body.get("one_time_keys").and_then(Value::as_object);
    let asked = asked.ok_or_else(|| MatrixError::bad_json("one_time_keys is missing"))?;
    let mut account = state.account();
    let wanted = asked.get(&account.user_id).and_then(Value::as_object);
    let mut given = Map::new();
    for (device_id, algorithm) in wanted.into_iter().flatten() {
        let device = account
            .devices
            .get_mut(device_id)
            .filter(|_| algorithm == ONE_TIME_ALGORITHM);
        if let Some((id, key)) = device.and_then(take_key) {
            given.insert(device_id.clone(), json!({ id: key }));
        }
    }
    Ok(Json(
        json!({ "one_time_keys": { &account.user_id: given }, "failures": {} }),
    ))
}

/// A one-time key while there are any; then the fallback key, which stays.
fn take_key(device: &mut AccountDevice) -> Option<(String, Value)> {
    device.one_time_keys.pop_first().or_else(|| {
        let fallback = device.fallback_key.as_mut()?;
        fallback.used = true;
        Some((fallback.id.clone(), fallback.json.clone()))
    })
}

/// One-time and fallback keys: `signed_curve25519`, each signed by the device.
pub(super) fn check_one_time_keys(
    user_id: &str,
    device_id: &str,
    signer: Option<Ed25519PublicKey>,
    keys: Option<&Value>,
) -> Result<BTreeMap<String, Value>, MatrixError> {
    let signer_id = format!("ed25519:{device_id}");
    let mut checked = BTreeMap::new();
    for (id, key) in keys.and_then(Value::as_object).into_iter().flatten() {
        if id
            .split_once(':')
            .is_none_or(|(algorithm, _)| algorithm != ONE_TIME_ALGORITHM)
        {
            return Err(MatrixError::invalid_param(
                "one-time keys must be signed_curve25519",
            ));
        }
        let text = key.get("key").and_then(Value::as_str);
        Ed25519PublicKey::parse(
            text.ok_or_else(|| MatrixError::bad_json("a one-time key has no key"))?,
        )?;
        let signer = signer
            .ok_or_else(|| MatrixError::invalid_param("one-time keys before the device's keys"))?;
        if !is_signed_by(key, user_id, &signer_id, signer)? {
            return Err(MatrixError::invalid_signature(
                "a one-time key without the device's signature",
            ));
        }
        checked.insert(id.clone(), key.clone());
    }
    Ok(checked)
}

/// An ID that exists already is a repeated request, unless its key is another one.
pub(super) fn check_not_replaced(
    device: &AccountDevice,
    keys: &BTreeMap<String, Value>,
) -> Result<(), MatrixError> {
    let other = |(id, key): (&String, &Value)| {
        device
            .one_time_keys
            .get(id)
            .is_some_and(|before| before.get("key") != key.get("key"))
    };
    match keys.iter().any(other) {
        true => Err(MatrixError::invalid_param(
            "a one-time key with that id already exists",
        )),
        false => Ok(()),
    }
}

pub(super) fn check_fallback(keys: &BTreeMap<String, Value>) -> Result<(), MatrixError> {
    let marked = keys
        .values()
        .all(|key| key.get("fallback") == Some(&Value::Bool(true)));
    match marked && keys.len() <= 1 {
        true => Ok(()),
        false => Err(MatrixError::invalid_param(
            "fallback keys: one for each algorithm, with fallback: true",
        )),
    }
}

pub(super) fn one_time_key_counts(device: &AccountDevice) -> Value {
    json!({ ONE_TIME_ALGORITHM: device.one_time_keys.len() })
}
