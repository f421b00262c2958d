//! Token introspection (RFC 7662), as Synapse asks it of its authorization server. Only with the
//! secret that the two share.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{OAuthError, Params, authority::Introspection};
use crate::state::Shared;

#[derive(Deserialize)]
pub(super) struct Request {
    token: String,
}

/// `POST /oauth2/introspect`. Who asks comes first: what was asked is nobody else's business.
pub(super) async fn introspect(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
    request: Result<Params<Request>, OAuthError>,
) -> Response {
    if !is_synapse(&shared, &headers) {
        let bearer = [(header::WWW_AUTHENTICATE, "Bearer")];
        let error =
            OAuthError::invalid_client("only the homeserver may ask, with the shared secret");
        return (StatusCode::UNAUTHORIZED, bearer, error).into_response();
    }
    match request {
        Ok(Params(request)) => Json(answer(&shared, &request.token)).into_response(),
        Err(error) => error.into_response(),
    }
}

fn is_synapse(shared: &Shared, headers: &HeaderMap) -> bool {
    let header = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok());
    let secret = header.and_then(|value| value.strip_prefix("Bearer "));
    let synapse = shared
        .synapse
        .as_ref()
        .map(|provisioning| &provisioning.synapse);
    secret
        .zip(synapse)
        .is_some_and(|(secret, synapse)| synapse.knows(secret))
}

/// An expired token and one that never was are the same to who asks: RFC 7662, "Introspection
/// Response".
fn answer(shared: &Shared, token: &str) -> Value {
    let Introspection::Active {
        device_id,
        scope,
        left,
    } = shared.introspect(token)
    else {
        return json!({ "active": false });
    };
    json!({
        "active": true,
        "token_type": "access_token",
        "scope": scope,
        "username": shared.options.localpart,
        "sub": shared.user_id,
        "device_id": device_id,
        // Synapse keeps this answer for two minutes, and goes by it: never more than is left.
        "expires_in": left.as_secs(),
    })
}
