//! Server metadata: RFC 8414 as MSC2965 and MSC4341 use it.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use url::Url;

use super::{
    client::{DEVICE_CODE, REFRESH_TOKEN},
    scope,
};
use crate::{faults::Fault, state::SandboxState};

const CODE: &str = "authorization_code";

/// `GET /.well-known/openid-configuration`, which the first revision of MSC4108 uses, and the same
/// document at the path of RFC 8414.
pub(crate) async fn document(State(state): State<Arc<SandboxState>>) -> Response {
    let disabled = state.faults.is_set(&Fault::DeviceGrantDisabled);
    match metadata(&state).map(|document| {
        if disabled {
            without_device_grant(document)
        } else {
            document
        }
    }) {
        Some(document) => Json(document).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// The document, unless a fault turns OAuth off.
pub(crate) fn metadata(state: &SandboxState) -> Option<Value> {
    if state.faults.is_set(&Fault::NoOauth) {
        return None;
    }
    let mut document = honest(&state.issuer);
    if state.faults.is_set(&Fault::NoDeviceGrant) {
        document = without_device_grant(document);
    }
    if state.faults.is_set(&Fault::NoRegistration) {
        document.as_object_mut()?.remove("registration_endpoint");
    }
    Some(document)
}

fn without_device_grant(mut document: Value) -> Value {
    if let Some(fields) = document.as_object_mut() {
        fields.remove("device_authorization_endpoint");
        fields.insert(
            "grant_types_supported".to_owned(),
            json!([CODE, REFRESH_TOKEN]),
        );
    }
    document
}

fn honest(issuer: &Url) -> Value {
    let at = |path: &str| format!("{issuer}{path}");
    json!({
        "issuer": issuer,
        // Matrix requires every server to offer the code grant, and matrix-sdk 0.19.1 refuses
        // metadata without it. The endpoint is a page that says that only the device grant works
        // here.
        "authorization_endpoint": at("authorize"),
        "token_endpoint": at("oauth2/token"),
        "registration_endpoint": at("oauth2/registration"),
        "revocation_endpoint": at("oauth2/revoke"),
        "device_authorization_endpoint": at("oauth2/device"),
        "account_management_uri": at("account"),
        "grant_types_supported": [CODE, DEVICE_CODE, REFRESH_TOKEN],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "fragment"],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none"],
        "scopes_supported": scope::SUPPORTED,
    })
}
