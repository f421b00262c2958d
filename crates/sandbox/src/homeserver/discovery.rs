//! Discovery, without a token: Client-Server API, "Server discovery", and MSC2965.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header::ACCESS_CONTROL_ALLOW_ORIGIN},
};
use serde_json::{Value, json};

use super::request::JsonResult;
use crate::{
    faults::Fault, matrix_error::MatrixError, oauth::metadata::metadata, state::SandboxState,
};

/// Nobody listens on this port.
const OTHER_ISSUER: &str = "http://127.0.0.1:1/";

/// "Web Browser Clients". Only public documents allow other origins: no website needs the rest of a
/// sandbox.
type PublicDocument = ([(HeaderName, &'static str); 1], Json<Value>);

fn public(document: Value) -> PublicDocument {
    ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(document))
}

/// `GET /.well-known/matrix/client`
pub(super) async fn well_known(State(state): State<Arc<SandboxState>>) -> PublicDocument {
    let base_url = state.homeserver.as_str().trim_end_matches('/');
    public(json!({ "m.homeserver": { "base_url": base_url } }))
}

/// `GET /_matrix/client/versions`, with MSC4108's unstable feature.
pub(super) async fn versions() -> PublicDocument {
    let versions: Vec<_> = (1..=15).map(|minor| format!("v1.{minor}")).collect();
    public(json!({ "versions": versions, "unstable_features": { "org.matrix.msc4108": true } }))
}

/// `GET /_matrix/client/v1/auth_metadata`, and its unstable form.
pub(super) async fn auth_metadata(State(state): State<Arc<SandboxState>>) -> JsonResult {
    match metadata(&state) {
        Some(mut document) => {
            if let (true, Some(fields)) = (
                state.faults.is_set(&Fault::OtherIssuer),
                document.as_object_mut(),
            ) {
                fields.insert("issuer".to_owned(), OTHER_ISSUER.into());
            }
            Ok(Json(document))
        }
        None => Err(MatrixError::unrecognized()),
    }
}

/// `GET /_matrix/client/v1/auth_issuer`, and its unstable form. The first revision of MSC4108 uses
/// it.
pub(super) async fn auth_issuer(State(state): State<Arc<SandboxState>>) -> JsonResult {
    if state.faults.is_set(&Fault::NoOauth) {
        return Err(MatrixError::unrecognized());
    }
    Ok(Json(json!({ "issuer": state.issuer })))
}
