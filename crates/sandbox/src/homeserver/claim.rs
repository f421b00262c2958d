//! One-time keys, each given away once: Client-Server API, "Key management API".

use std::sync::Arc;

use axum::{Json, extract::State};
use serde_json::{Map, Value, json};

use super::{Answer, Body, Caller, Refusal, keys::ONE_TIME_ALGORITHM};
use crate::{account::Device, state::Shared};

/// `POST /_matrix/client/v3/keys/claim`
pub(super) async fn claim(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Body(body): Body,
) -> Answer {
    let asked = body.get("one_time_keys").and_then(Value::as_object);
    let asked = asked.ok_or_else(|| Refusal::bad_json("one_time_keys is missing"))?;
    let mut account = shared.account();
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

/// A one-time key while there are some; then the fallback key, which stays.
fn take_key(device: &mut Device) -> Option<(String, Value)> {
    device.one_time_keys.pop_first().or_else(|| {
        let fallback = device.fallback_key.as_mut()?;
        fallback.used = true;
        Some((fallback.id.clone(), fallback.json.clone()))
    })
}
