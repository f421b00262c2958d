//! The caller's identity, the account's devices, and logout: Client-Server API, "Account
//! management", "Device management", "Logout".

use std::{future, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::request::{Caller, JsonBody, JsonResult};
use crate::{
    account::AccountDevice, faults::Fault, matrix_error::MatrixError, state::SandboxState,
};

/// `GET /_matrix/client/v3/account/whoami`
pub(super) async fn whoami(State(state): State<Arc<SandboxState>>, caller: Caller) -> Json<Value> {
    let device_id = match state.faults.is_set(&Fault::WrongDevice) {
        true => "SOMEOTHERDEVICE",
        false => &caller.device_id,
    };
    Json(json!({ "user_id": state.user_id, "device_id": device_id, "is_guest": false }))
}

/// `GET /_matrix/client/v3/devices`
pub(super) async fn list(State(state): State<Arc<SandboxState>>, _caller: Caller) -> JsonResult {
    misbehave(&state).await?;
    let account = state.account();
    let devices: Vec<_> = account
        .devices
        .iter()
        .map(|(id, device)| describe(id, device))
        .collect();
    Ok(Json(json!({ "devices": devices })))
}

/// `GET /_matrix/client/v3/devices/{deviceId}`
pub(super) async fn one(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path(device_id): Path<String>,
) -> JsonResult {
    misbehave(&state).await?;
    let account = state.account();
    match account.devices.get(&device_id) {
        _ if state.faults.is_set(&Fault::DeviceMissingAfterSuccess) => Err(no_such_device()),
        Some(device) => Ok(Json(describe(&device_id, device))),
        None if state.faults.is_set(&Fault::DeviceIdTaken) => {
            Ok(Json(json!({ "device_id": device_id })))
        }
        None => Err(no_such_device()),
    }
}

/// `PUT /_matrix/client/v3/devices/{deviceId}`
pub(super) async fn name(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path(device_id): Path<String>,
    JsonBody(body): JsonBody,
) -> JsonResult {
    if state.faults.is_set(&Fault::DeviceNameRefused) {
        return Err(MatrixError::forbidden("a requested fault"));
    }
    let mut account = state.account();
    let device = account
        .devices
        .get_mut(&device_id)
        .ok_or_else(no_such_device)?;
    if let Some(name) = body.get("display_name").and_then(Value::as_str) {
        device.display_name = name.to_owned();
    }
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/logout` ends the sign-in that the token belongs to.
pub(super) async fn logout(State(state): State<Arc<SandboxState>>, caller: Caller) -> JsonResult {
    let ended = state.end_session(&caller.access_token, None).await;
    ended.map_err(|_| MatrixError::unknown_token("the session ended meanwhile", false))?;
    Ok(Json(json!({})))
}

async fn misbehave(state: &SandboxState) -> Result<(), MatrixError> {
    if state.faults.is_set(&Fault::DevicesHang) {
        future::pending::<()>().await;
    }
    if state.faults.is_set(&Fault::DevicesError) {
        return Err(MatrixError::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "M_UNKNOWN",
            "a requested fault",
        ));
    }
    Ok(())
}

fn describe(id: &str, device: &AccountDevice) -> Value {
    json!({ "device_id": id, "display_name": device.display_name })
}

fn no_such_device() -> MatrixError {
    MatrixError::not_found("no such device")
}
