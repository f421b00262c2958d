//! Messages between devices: Client-Server API, "Send-to-Device messaging". They wait in the
//! recipient's inbox.

use std::sync::Arc;

use axum::{
    Json,
    extract::{OriginalUri, Path, State},
};
use serde_json::{Value, json};

use super::request::{Caller, JsonBody, JsonResult};
use crate::{account::Account, matrix_error::MatrixError, state::SandboxState};

/// A device that never syncs must not fill the memory: the oldest messages are dropped.
const LARGEST_INBOX: usize = 1000;

/// `PUT /_matrix/client/v3/sendToDevice/{eventType}/{txnId}`. A repeated transaction changes
/// nothing.
pub(super) async fn send(
    State(state): State<Arc<SandboxState>>,
    caller: Caller,
    Path((kind, _)): Path<(String, String)>,
    OriginalUri(uri): OriginalUri,
    JsonBody(body): JsonBody,
) -> JsonResult {
    let messages = body.get("messages").and_then(Value::as_object);
    let messages = messages.ok_or_else(|| MatrixError::bad_json("messages is missing"))?;
    let mut account = state.account();
    let transaction = (caller.device_id, uri.path().to_owned());
    if account
        .transactions
        .insert(transaction, json!({}))
        .is_some()
    {
        return Ok(Json(json!({})));
    }
    let for_us = messages.get(&account.user_id).and_then(Value::as_object);
    for (device_id, content) in for_us.into_iter().flatten() {
        let event = json!({ "type": kind, "sender": account.user_id, "content": content });
        deliver(&mut account, device_id, &event);
    }
    Ok(Json(json!({})))
}

/// To one device, or to all with `*`.
fn deliver(account: &mut Account, device_id: &str, event: &Value) {
    let position = account.next_position();
    for (_, device) in account
        .devices
        .iter_mut()
        .filter(|(id, _)| device_id == "*" || device_id == **id)
    {
        device.inbox.push_back((position, event.clone()));
        if device.inbox.len() > LARGEST_INBOX {
            device.inbox.pop_front();
        }
    }
}
