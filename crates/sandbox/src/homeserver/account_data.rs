//! Account data: Client-Server API, "Client config".

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::json;

use super::request::{Caller, JsonBody, JsonResult};
use crate::{matrix_error::MatrixError, state::SandboxState};

/// `GET /_matrix/client/v3/user/{userId}/account_data/{type}`
pub(super) async fn get(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path((user, kind)): Path<(String, String)>,
) -> JsonResult {
    check_own(&state, &user)?;
    let account = state.account();
    let content = account
        .account_data
        .get(&kind)
        .map(|(_, content)| Json(content.clone()));
    content.ok_or_else(|| MatrixError::not_found("no account data of that type"))
}

/// `PUT /_matrix/client/v3/user/{userId}/account_data/{type}`
pub(super) async fn put(
    State(state): State<Arc<SandboxState>>,
    _caller: Caller,
    Path((user, kind)): Path<(String, String)>,
    JsonBody(content): JsonBody,
) -> JsonResult {
    check_own(&state, &user)?;
    let mut account = state.account();
    let position = account.next_position();
    account.account_data.insert(kind, (position, content));
    Ok(Json(json!({})))
}

fn check_own(state: &SandboxState, user: &str) -> Result<(), MatrixError> {
    if user == state.user_id {
        Ok(())
    } else {
        Err(MatrixError::forbidden("the account data of another user"))
    }
}
