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
    OAuthError, Params,
    authority::Tokens,
    register::{DEVICE_CODE, REFRESH_TOKEN},
};
use crate::{faults::Fault, guard::BANNER, state::Shared};

#[derive(Deserialize)]
pub(super) struct Request {
    grant_type: String,
    client_id: Option<String>,
    device_code: Option<String>,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Revocation {
    token: String,
    client_id: Option<String>,
}

/// `POST /oauth2/token`
pub(super) async fn token(
    State(shared): State<Arc<Shared>>,
    Params(request): Params<Request>,
) -> Response {
    if request.grant_type == DEVICE_CODE {
        shared.authority().count_poll();
    }
    if shared.faults.strikes(|fault| match fault {
        Fault::TokenPoll502 { times } => Some(*times),
        _ => None,
    }) {
        let page = format!("<!DOCTYPE html><title>502</title><h1>502 Bad Gateway</h1><p>{BANNER}");
        return (StatusCode::BAD_GATEWAY, Html(page)).into_response();
    }
    grant(&shared, &request).await.into_response()
}

async fn grant(shared: &Shared, request: &Request) -> Result<Json<Value>, OAuthError> {
    let client_id = request.client_id.as_deref();
    let client_id = client_id.ok_or_else(|| OAuthError::invalid_client("client_id is missing"))?;
    if !shared
        .authority()
        .client(client_id)?
        .may_use(&request.grant_type)
    {
        return Err(not_allowed(&request.grant_type));
    }
    let tokens = match request.grant_type.as_str() {
        DEVICE_CODE => {
            by_device_code(
                shared,
                required(&request.device_code, "device_code")?,
                client_id,
            )
            .await?
        }
        _ => {
            let token = required(&request.refresh_token, "refresh_token")?;
            shared
                .authority()
                .refresh(token, client_id, shared.options.access_token_lifetime)?
        }
    };
    Ok(Json(answer(&tokens)))
}

fn not_allowed(grant_type: &str) -> OAuthError {
    match grant_type {
        DEVICE_CODE | REFRESH_TOKEN => {
            OAuthError::bad("unauthorized_client", "not registered for this grant")
        }
        _ => OAuthError::bad(
            "unsupported_grant_type",
            "only the device grant and refresh",
        ),
    }
}

fn required<'a>(value: &'a Option<String>, name: &str) -> Result<&'a str, OAuthError> {
    value
        .as_deref()
        .ok_or_else(|| OAuthError::invalid_request(format!("{name} is missing")))
}

/// RFC 8628, "Device Access Token Request". The device exists before the client can tell anybody
/// that it does; where the homeserver cannot be told of it, the code is not used up.
async fn by_device_code(
    shared: &Shared,
    device_code: &str,
    client_id: &str,
) -> Result<Tokens, OAuthError> {
    let (device_id, client_name) = allowed(shared, device_code, client_id)?;
    shared.device_comes(&device_id, &client_name).await?;
    shared
        .authority()
        .collect(device_code, shared.options.access_token_lifetime)
}

/// The device that the person allowed, and what it is to be called.
fn allowed(
    shared: &Shared,
    device_code: &str,
    client_id: &str,
) -> Result<(String, String), OAuthError> {
    let mut authority = shared.authority();
    let client_name = authority.client(client_id)?.name().to_owned();
    let grant = authority.grant(device_code, client_id)?;
    if shared.faults.is_set(&Fault::AuthorizationExpired) {
        return Err(OAuthError::expired_token());
    }
    if shared.faults.is_set(&Fault::ConsentDenied) {
        grant.deny();
    }
    if shared.faults.strikes(|fault| match fault {
        Fault::SlowDown { times } => Some(*times),
        _ => None,
    }) {
        return Err(grant.slow_down());
    }
    grant.poll(Instant::now())?;
    let name = grant.model.as_ref().map_or(client_name.clone(), |model| {
        format!("{client_name} on {model}")
    });
    Ok((grant.scope.device_id.clone(), name))
}

fn answer(tokens: &Tokens) -> Value {
    json!({
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": tokens.lifetime.as_secs(),
        "refresh_token": tokens.refresh_token,
        "scope": tokens.scope,
    })
}

/// `POST /oauth2/revoke`. RFC 7009, section 2.2: 200 as well for a token that is unknown, has
/// expired or was replaced; its session, if there is one, goes on.
pub(super) async fn revoke(
    State(shared): State<Arc<Shared>>,
    Params(request): Params<Revocation>,
) -> Result<StatusCode, OAuthError> {
    let client_id = request
        .client_id
        .ok_or_else(|| OAuthError::invalid_client("client_id is missing"))?;
    shared.authority().client(&client_id)?;
    if shared.faults.is_set(&Fault::RevocationFails) {
        return Err(OAuthError::overloaded());
    }
    if shared.faults.is_set(&Fault::RevocationIgnored) {
        return Ok(StatusCode::OK);
    }
    shared.end_session(&request.token, Some(&client_id)).await?;
    Ok(StatusCode::OK)
}
