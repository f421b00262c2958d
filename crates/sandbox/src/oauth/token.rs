//! The token endpoint (RFC 6749, RFC 8628) and the revocation endpoint (RFC 7009).

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{Html, IntoResponse, Response},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    client::{DEVICE_CODE, REFRESH_TOKEN},
    error::OAuthErrorResponse,
    params::FormParams,
    session::IssuedTokens,
};
use crate::{faults::Fault, guard::BANNER, state::SandboxState};

#[derive(Deserialize)]
pub(super) struct TokenRequest {
    grant_type: String,
    client_id: Option<String>,
    device_code: Option<String>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct RevocationRequest {
    token: String,
    client_id: Option<String>,
}

/// `POST /oauth2/token`
pub(super) async fn token(
    State(state): State<Arc<SandboxState>>,
    FormParams(request): FormParams<TokenRequest>,
) -> Response {
    if request.grant_type == DEVICE_CODE {
        state.authorization_server().count_poll();
    }
    if state.faults.strikes(|fault| match fault {
        Fault::TokenPoll502 { times } => Some(*times),
        _ => None,
    }) {
        let page = format!("<!DOCTYPE html><title>502</title><h1>502 Bad Gateway</h1><p>{BANNER}");
        return (StatusCode::BAD_GATEWAY, Html(page)).into_response();
    }
    grant(&state, &request).await.into_response()
}

async fn grant(
    state: &SandboxState,
    request: &TokenRequest,
) -> Result<Json<Value>, OAuthErrorResponse> {
    let client_id = request.client_id.as_deref();
    let client_id =
        client_id.ok_or_else(|| OAuthErrorResponse::invalid_client("client_id is missing"))?;
    if !state
        .authorization_server()
        .client(client_id)?
        .may_use(&request.grant_type)
    {
        return Err(not_allowed(&request.grant_type));
    }
    let tokens = match request.grant_type.as_str() {
        DEVICE_CODE => {
            by_device_code(
                state,
                required(&request.device_code, "device_code")?,
                client_id,
            )
            .await?
        }
        _ => {
            let token = required(&request.refresh_token, "refresh_token")?;
            state.authorization_server().refresh(
                token,
                client_id,
                state.options.access_token_lifetime,
            )?
        }
    };
    Ok(Json(answer(&tokens)))
}

fn not_allowed(grant_type: &str) -> OAuthErrorResponse {
    match grant_type {
        DEVICE_CODE | REFRESH_TOKEN => {
            OAuthErrorResponse::bad("unauthorized_client", "not registered for this grant")
        }
        _ => OAuthErrorResponse::bad(
            "unsupported_grant_type",
            "only the device grant and refresh",
        ),
    }
}

fn required<'a>(value: &'a Option<String>, name: &str) -> Result<&'a str, OAuthErrorResponse> {
    value
        .as_deref()
        .ok_or_else(|| OAuthErrorResponse::invalid_request(format!("{name} is missing")))
}

/// RFC 8628, "Device Access Token Request". The device exists before the client learns that it
/// does. If the homeserver cannot be reached, the device code stays valid.
async fn by_device_code(
    state: &SandboxState,
    device_code: &str,
    client_id: &str,
) -> Result<IssuedTokens, OAuthErrorResponse> {
    let device = allowed(state, device_code, client_id)?;
    state.announce_device(&device.id, &device.name).await?;
    state
        .authorization_server()
        .collect(device_code, state.options.access_token_lifetime)
}

struct AllowedDevice {
    id: String,
    name: String,
}

/// The device that the person has allowed.
fn allowed(
    state: &SandboxState,
    device_code: &str,
    client_id: &str,
) -> Result<AllowedDevice, OAuthErrorResponse> {
    let mut authorization_server = state.authorization_server();
    let client_name = authorization_server.client(client_id)?.name().to_owned();
    let grant = authorization_server.grant(device_code, client_id)?;
    if state.faults.is_set(&Fault::AuthorizationExpired) {
        return Err(OAuthErrorResponse::expired_token());
    }
    if state.faults.is_set(&Fault::ConsentDenied) {
        grant.deny();
    }
    if state.faults.strikes(|fault| match fault {
        Fault::SlowDown { times } => Some(*times),
        _ => None,
    }) {
        return Err(grant.slow_down());
    }
    grant.poll(Instant::now())?;
    let name = grant.model.as_ref().map_or(client_name.clone(), |model| {
        format!("{client_name} on {model}")
    });
    Ok(AllowedDevice {
        id: grant.scope.device_id.clone(),
        name,
    })
}

fn answer(tokens: &IssuedTokens) -> Value {
    json!({
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.lifetime.as_secs(),
        "refresh_token": tokens.refresh_token,
        "scope": tokens.scope,
    })
}

/// `POST /oauth2/revoke`. RFC 7009, section 2.2: also 200 for a token that is unknown, has expired
/// or was replaced; its session, if any, continues.
pub(super) async fn revoke(
    State(state): State<Arc<SandboxState>>,
    FormParams(request): FormParams<RevocationRequest>,
) -> Result<StatusCode, OAuthErrorResponse> {
    let client_id = request
        .client_id
        .ok_or_else(|| OAuthErrorResponse::invalid_client("client_id is missing"))?;
    state.authorization_server().client(&client_id)?;
    if state.faults.is_set(&Fault::RevocationFails) {
        return Err(OAuthErrorResponse::overloaded());
    }
    if state.faults.is_set(&Fault::RevocationIgnored) {
        return Ok(StatusCode::OK);
    }
    state.end_session(&request.token, Some(&client_id)).await?;
    Ok(StatusCode::OK)
}
