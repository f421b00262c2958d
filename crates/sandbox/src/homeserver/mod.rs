//! The homeserver: the part of the Client-Server API that devices use, for one account. All it
//! knows of OAuth is how to introspect a token, and where the authorization server is.

mod account_data;
mod backup;
mod backup_keys;
mod cross_signing;
mod devices;
mod discovery;
mod keys;
mod one_time_keys;
mod request;
mod rooms;
mod sync;
mod to_device;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, Request, State},
    http::Method,
    middleware::{self, Next},
    response::Response,
    routing::{get, post, put},
};

use crate::{faults::LateServer, late, matrix_error::MatrixError, state::SandboxState};

const BODY_LIMIT: usize = 1024 * 1024;

pub(crate) fn router(state: Arc<SandboxState>) -> Router {
    Router::new()
        .merge(discovery_routes())
        .merge(key_routes())
        .merge(backup_routes())
        .merge(room_routes())
        .route("/_matrix/client/v3/account/whoami", get(devices::whoami))
        .route("/_matrix/client/v3/devices", get(devices::list))
        .route(
            "/_matrix/client/v3/devices/{device}",
            get(devices::one).put(devices::name),
        )
        .route("/_matrix/client/v3/logout", post(devices::logout))
        .fallback(async || MatrixError::unrecognized())
        .method_not_allowed_fallback(async || MatrixError::method_not_allowed())
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(state.clone(), around))
        .layer(middleware::from_fn_with_state(
            (LateServer::Homeserver, state.clone()),
            late::answer,
        ))
        .with_state(state)
}

fn discovery_routes() -> Router<Arc<SandboxState>> {
    Router::new()
        .route("/.well-known/matrix/client", get(discovery::well_known))
        .route("/_matrix/client/versions", get(discovery::versions))
        .route(
            "/_matrix/client/v1/auth_metadata",
            get(discovery::auth_metadata),
        )
        .route(
            "/_matrix/client/unstable/org.matrix.msc2965/auth_metadata",
            get(discovery::auth_metadata),
        )
        .route(
            "/_matrix/client/v1/auth_issuer",
            get(discovery::auth_issuer),
        )
        .route(
            "/_matrix/client/unstable/org.matrix.msc2965/auth_issuer",
            get(discovery::auth_issuer),
        )
}

fn key_routes() -> Router<Arc<SandboxState>> {
    Router::new()
        .route("/_matrix/client/v3/keys/upload", post(keys::upload))
        .route("/_matrix/client/v3/keys/query", post(keys::query))
        .route("/_matrix/client/v3/keys/claim", post(one_time_keys::claim))
        .route(
            "/_matrix/client/v3/keys/device_signing/upload",
            post(cross_signing::upload),
        )
        .route(
            "/_matrix/client/v3/keys/signatures/upload",
            post(cross_signing::upload_signatures),
        )
}

fn backup_routes() -> Router<Arc<SandboxState>> {
    let keys = "/_matrix/client/v3/room_keys/keys";
    let version = "/_matrix/client/v3/room_keys/version";
    Router::new()
        .route(version, get(backup::current).post(backup::create))
        .route(
            &format!("{version}/{{version}}"),
            get(backup::get_version).put(backup::put_version),
        )
        .route(keys, get(backup_keys::get_all).put(backup_keys::put_all))
        .route(
            &format!("{keys}/{{room}}"),
            get(backup_keys::get_room).put(backup_keys::put_room),
        )
        .route(
            &format!("{keys}/{{room}}/{{session}}"),
            get(backup_keys::get_session).put(backup_keys::put_session),
        )
}

fn room_routes() -> Router<Arc<SandboxState>> {
    Router::new()
        .route("/_matrix/client/v3/createRoom", post(rooms::create))
        .route("/_matrix/client/v3/joined_rooms", get(rooms::joined))
        .route(
            "/_matrix/client/v3/rooms/{room}/send/{type}/{txn}",
            put(rooms::send),
        )
        .route(
            "/_matrix/client/v3/rooms/{room}/messages",
            get(rooms::messages),
        )
        .route(
            "/_matrix/client/v3/rooms/{room}/state",
            get(rooms::get_state),
        )
        .route(
            "/_matrix/client/v3/rooms/{room}/joined_members",
            get(rooms::joined_members),
        )
        .route("/_matrix/client/v3/sync", get(sync::sync))
        .route(
            "/_matrix/client/v3/sendToDevice/{type}/{txn}",
            put(to_device::send),
        )
        .route(
            "/_matrix/client/v3/user/{user}/account_data/{type}",
            get(account_data::get).put(account_data::put),
        )
}

/// Wakes all waiting `/sync` requests after each write.
async fn around(State(state): State<Arc<SandboxState>>, request: Request, next: Next) -> Response {
    let writes = request.method() != Method::GET;
    let response = next.run(request).await;
    if writes {
        state.changed.send_replace(());
    }
    response
}
