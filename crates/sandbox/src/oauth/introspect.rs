//! Token introspection (RFC 7662) for Synapse, which must know the shared secret.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{error::OAuthErrorResponse, params::FormParams, session::Introspection};
use crate::state::SandboxState;

#[derive(Deserialize)]
pub(super) struct IntrospectionRequest {
    token: String,
}

/// `POST /oauth2/introspect`. The caller is checked before the request.
pub(super) async fn introspect(
    State(state): State<Arc<SandboxState>>,
    headers: HeaderMap,
    request: Result<FormParams<IntrospectionRequest>, OAuthErrorResponse>,
) -> Response {
    if !is_synapse(&state, &headers) {
        let bearer = [(header::WWW_AUTHENTICATE, "Bearer")];
        let error = OAuthErrorResponse::invalid_client(
            "only the homeserver may introspect tokens, with the shared secret",
        );
        return (StatusCode::UNAUTHORIZED, bearer, error).into_response();
    }
    match request {
        Ok(FormParams(request)) => Json(answer(&state, &request.token)).into_response(),
        Err(error) => error.into_response(),
    }
}

fn is_synapse(state: &SandboxState, headers: &HeaderMap) -> bool {
    let header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let secret = header.and_then(|value| value.strip_prefix("Bearer "));
    let synapse = state.synapse.as_ref().map(|client| &client.synapse);
    secret
        .zip(synapse)
        .is_some_and(|(secret, synapse)| synapse.has_secret(secret))
}

/// Expired and unknown tokens have the same response: RFC 7662, "Introspection Response".
fn answer(state: &SandboxState, token: &str) -> Value {
    let Introspection::Active {
        device_id,
        scope,
        left,
    } = state.introspect(token)
    else {
        return json!({ "active": false });
    };
    json!({
        "active": true,
        "token_type": "access_token",
        "scope": scope,
        "username": state.options.localpart,
        "sub": state.user_id,
        "device_id": device_id,
        // Synapse caches this response for two minutes and relies on it: never more than the time
        // left.
        "expires_in": left.as_secs(),
    })
}
