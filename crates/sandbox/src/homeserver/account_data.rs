//! Account data: Client-Server API, "Client config".

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
};
use serde_json::json;

use super::{Answer, Body, Caller, Refusal};
use crate::state::Shared;

/// `GET /_matrix/client/v3/user/{userId}/account_data/{type}`
pub(super) async fn get(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Path((user, kind)): Path<(String, String)>,
) -> Answer {
    check_own(&shared, &user)?;
    let account = shared.account();
    let content = account
        .account_data
        .get(&kind)
        .map(|(_, content)| Json(content.clone()));
    content.ok_or_else(|| Refusal::not_found("no account data of that type"))
}

/// `PUT /_matrix/client/v3/user/{userId}/account_data/{type}`
pub(super) async fn put(
    State(shared): State<Arc<Shared>>,
    _caller: Caller,
    Path((user, kind)): Path<(String, String)>,
    Body(content): Body,
) -> Answer {
    check_own(&shared, &user)?;
    let mut account = shared.account();
    let position = account.next_position();
    account.account_data.insert(kind, (position, content));
    Ok(Json(json!({})))
}

fn check_own(shared: &Shared, user: &str) -> Result<(), Refusal> {
    if user == shared.user_id {
        Ok(())
    } else {
        Err(Refusal::forbidden("the account data of another user"))
    }
}
