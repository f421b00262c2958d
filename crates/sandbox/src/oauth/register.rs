//! Dynamic client registration: RFC 7591.

use std::sync::Arc;

use axum::{
    Json,
    extract::{State, rejection::JsonRejection},
    http::StatusCode,
};
use serde_json::Value;

use super::{
    client::{RegisteredClient, RegistrationRequest, invalid},
    error::OAuthErrorResponse,
};
use crate::state::SandboxState;

/// `POST /oauth2/registration`
pub(super) async fn register(
    State(state): State<Arc<SandboxState>>,
    body: Result<Json<RegistrationRequest>, JsonRejection>,
) -> Result<(StatusCode, Json<Value>), OAuthErrorResponse> {
    let Json(registration) = body.map_err(|bad| invalid(bad.body_text()))?;
    let client = RegisteredClient::parse(registration)?;
    let mut answer = client.to_json();
    let client_id = state.authorization_server().register(client)?;
    if let Some(fields) = answer.as_object_mut() {
        fields.insert("client_id".to_owned(), client_id.into());
    }
    Ok((StatusCode::CREATED, Json(answer)))
}
