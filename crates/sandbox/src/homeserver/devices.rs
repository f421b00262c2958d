//! Who am I, which devices are there, and goodbye: Client-Server API "Account management", "Device
//! management", "Logout".

use std::{future, sync::Arc};

use axum::{
    Json,
    extract::{Path, State},
    http::StatusCode,
};
use serde_json::{Value, json};

use super::{Answer, Body, Caller, Refusal};
use crate::{account::Device, faults::Fault, state::Shared};

/// `GET /_matrix/client/v3/account/whoami`
pub(super) async fn whoami(State(shared): State<Arc<Shared>>, caller: Caller) -> Json<Value> {
    let device_id = match shared.faults.is_set(&Fault::WrongDevice) {
        true => "SOMEOTHERDEVICE",
        false => &caller.device_id,
    };
    Json(json!({ "user_id": shared.user_id, "device_id": device_id, "is_guest": false }))
}

/// `GET /_matrix/client/v3/devices`
pub(super) async fn list(State(shared): State<Arc<Shared>>, _caller: Caller) -> Answer {
    misbehave(&shared).await?;
    let account = shared.account();
    let devices: Vec<_> = account
        .devices
        .iter()
        .map(|(id, device)| describe(id, device))
        .collect();
    Ok(Json(json!({ "devices": devices })))
}

/// `GET /_matrix/client/v3/devices/{deviceId}`
pub(super) async fn one(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Path(device_id): Path<String>,
) -> Answer {
    misbehave(&shared).await?;
    let account = shared.account();
    match account.devices.get(&device_id) {
        _ if shared.faults.is_set(&Fault::DeviceMissingAfterSuccess) => Err(no_such_device()),
        Some(device) => Ok(Json(describe(&device_id, device))),
        None if shared.faults.is_set(&Fault::DeviceIdTaken) => {
            Ok(Json(json!({ "device_id": device_id })))
        }
        None => Err(no_such_device()),
    }
}

/// `PUT /_matrix/client/v3/devices/{deviceId}`
pub(super) async fn name(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Path(device_id): Path<String>,
    Body(body): Body,
) -> Answer {
    if shared.faults.is_set(&Fault::DeviceNameRefused) {
        return Err(Refusal::forbidden("a fault that was asked for"));
    }
    let mut account = shared.account();
    let device = account
        .devices
        .get_mut(&device_id)
        .ok_or_else(no_such_device)?;
    if let Some(name) = body.get("display_name").and_then(Value::as_str) {
        device.display_name = name.to_owned();
    }
    Ok(Json(json!({})))
}

/// `POST /_matrix/client/v3/logout`: ends the sign-in that the token belongs to.
pub(super) async fn logout(State(shared): State<Arc<Shared>>, caller: Caller) -> Answer {
    let ended = shared.end_session(&caller.access_token, None).await;
    ended.map_err(|_| Refusal::unknown_token("the session ended meanwhile", false))?;
    Ok(Json(json!({})))
}

async fn misbehave(shared: &Shared) -> Result<(), Refusal> {
    if shared.faults.is_set(&Fault::DevicesHang) {
        future::pending::<()>().await;
    }
    if shared.faults.is_set(&Fault::DevicesError) {
        return Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "M_UNKNOWN",
            "a fault that was asked for",
        ));
    }
    Ok(())
}

fn describe(id: &str, device: &Device) -> Value {
    json!({ "device_id": id, "display_name": device.display_name })
}

fn no_such_device() -> Refusal {
    Refusal::not_found("no such device")
}
