//! What a client may know before it has a token: Client-Server API "Server discovery", MSC2965.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    http::{HeaderName, header::ACCESS_CONTROL_ALLOW_ORIGIN},
};
use serde_json::{Value, json};

use super::{Answer, unrecognized};
use crate::{faults::Fault, oauth::metadata::metadata, state::Shared};

/// Nobody listens on this port.
const OTHER_ISSUER: &str = "http://127.0.0.1:1/";

/// "Web Browser Clients". Only for what anybody may know: no page of the web has business with the
/// rest of a sandbox.
type ForAll = ([(HeaderName, &'static str); 1], Json<Value>);

fn for_all(document: Value) -> ForAll {
    ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], Json(document))
}

/// `GET /.well-known/matrix/client`
pub(super) async fn well_known(State(shared): State<Arc<Shared>>) -> ForAll {
    let base_url = shared.homeserver.as_str().trim_end_matches('/');
    for_all(json!({ "m.homeserver": { "base_url": base_url } }))
}

/// `GET /_matrix/client/versions`, with MSC4108's unstable feature.
pub(super) async fn versions() -> ForAll {
    let versions: Vec<_> = (1..=15).map(|minor| format!("v1.{minor}")).collect();
    for_all(json!({ "versions": versions, "unstable_features": { "org.matrix.msc4108": true } }))
}

/// `GET /_matrix/client/v1/auth_metadata`, and its unstable form.
pub(super) async fn auth_metadata(State(shared): State<Arc<Shared>>) -> Answer {
    match metadata(&shared) {
        Some(mut document) => {
            if let (true, Some(fields)) = (
                shared.faults.is_set(&Fault::OtherIssuer),
                document.as_object_mut(),
            ) {
                fields.insert("issuer".to_owned(), OTHER_ISSUER.into());
            }
            Ok(Json(document))
        }
        None => Err(unrecognized().await),
    }
}

/// `GET /_matrix/client/v1/auth_issuer`, and its unstable form: what MSC4108 as first written uses.
pub(super) async fn auth_issuer(State(shared): State<Arc<Shared>>) -> Answer {
    if shared.faults.is_set(&Fault::NoOauth) {
        return Err(unrecognized().await);
    }
    Ok(Json(json!({ "issuer": shared.issuer })))
}
