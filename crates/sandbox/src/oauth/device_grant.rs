//! The device authorization request: RFC 8628, "Device Authorization Request" and "Response".

use std::{sync::Arc, time::Instant};

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, header::USER_AGENT},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    client::DEVICE_CODE, error::OAuthErrorResponse, grant::Grant, params::FormParams, scope::Scope,
};
use crate::{faults::Fault, state::SandboxState};

#[derive(Deserialize)]
pub(super) struct DeviceAuthorizationRequest {
    client_id: String,
    scope: String,
}

/// `POST /oauth2/device`
pub(super) async fn authorize(
    State(state): State<Arc<SandboxState>>,
    headers: HeaderMap,
    FormParams(request): FormParams<DeviceAuthorizationRequest>,
) -> Result<Json<Value>, OAuthErrorResponse> {
    let answer = {
        let mut authorization_server = state.authorization_server();
        if !authorization_server
            .client(&request.client_id)?
            .may_use(DEVICE_CODE)
        {
            return Err(OAuthErrorResponse::bad(
                "unauthorized_client",
                "registered without the device grant",
            ));
        }
        if state.faults.is_set(&Fault::DeviceGrantDisabled) {
            return Err(OAuthErrorResponse::bad(
                "unauthorized_client",
                "the device grant is disabled here",
            ));
        }
        let scope = Scope::parse(&request.scope)
            .map_err(|why| OAuthErrorResponse::bad("invalid_scope", why))?;
        if scope.is_stable && state.faults.is_set(&Fault::InvalidScopeOnce) {
            return Err(OAuthErrorResponse::bad("invalid_scope", "an unknown scope"));
        }
        let expires = Instant::now() + state.options.grant_lifetime;
        let grant = authorization_server.begin(
            request.client_id,
            scope,
            expires,
            state.options.token_interval,
        )?;
        grant.model = headers
            .get(USER_AGENT)
            .and_then(|agent| model(agent.to_str().ok()?));
        response(&state, grant)
    };
    state.changed.send_replace(());
    Ok(Json(answer))
}

/// The device's name, as matrix-authentication-service extracts it: `PROGRAM/VERSION (MODEL;
/// SYSTEM)`.
fn model(user_agent: &str) -> Option<String> {
    let (_, comment) = user_agent.split_once(" (")?;
    let (model, _) = comment.strip_suffix(')')?.split_once(';')?;
    Some(model.trim().to_owned()).filter(|model| !model.is_empty())
}

fn response(state: &SandboxState, grant: &Grant) -> Value {
    let uri = verification_uri(state);
    let mut answer = json!({
        "device_code": grant.device_code,
        "user_code": grant.user_code,
        "verification_uri": uri,
        "expires_in": state.options.grant_lifetime.as_secs(),
        // Whole seconds, never less than what the server enforces.
        "interval": state.options.token_interval.as_secs_f64().ceil() as u64,
    });
    if let (true, Some(fields)) = (state.options.auto_fill_code, answer.as_object_mut()) {
        let complete = format!("{uri}?code={}", grant.user_code);
        fields.insert("verification_uri_complete".to_owned(), complete.into());
    }
    answer
}

fn verification_uri(state: &SandboxState) -> String {
    if state.faults.is_set(&Fault::VerificationUriScript) {
        "javascript:alert(document.domain)//".to_owned()
    } else if state.faults.is_set(&Fault::VerificationUriNotHttps) {
        "http://not-https.example/link".to_owned()
    } else if state.faults.is_set(&Fault::VerificationUriElsewhere) {
        "https://id.elsewhere.example/link".to_owned()
    } else {
        format!("{}link", state.issuer)
    }
}
