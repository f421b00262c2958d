//! The authorization server: OAuth 2.0 as Matrix uses it (MSC2964, MSC2965, MSC2966, MSC2967), with
//! the device authorization grant (RFC 8628, MSC4341) as its only way to sign in. It knows nothing
//! about keys, rooms and backups.

mod account;
pub(crate) mod authorization_server;
pub(crate) mod client;
mod consent;
mod device_grant;
pub(crate) mod error;
pub(crate) mod grant;
mod introspect;
pub(crate) mod metadata;
mod page;
mod params;
mod register;
pub(crate) mod scope;
pub(crate) mod session;
mod token;

use std::sync::Arc;

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::{HeaderValue, header},
    middleware,
    response::Response,
    routing::{get, post},
};

use crate::{faults::LateServer, late, state::SandboxState};

const BODY_LIMIT: usize = 64 * 1024;

pub(crate) fn router(state: Arc<SandboxState>) -> Router {
    Router::new()
        .route("/.well-known/openid-configuration", get(metadata::document))
        .route(
            "/.well-known/oauth-authorization-server",
            get(metadata::document),
        )
        .route("/oauth2/registration", post(register::register))
        .route("/oauth2/device", post(device_grant::authorize))
        .route("/oauth2/token", post(token::token))
        .route("/oauth2/revoke", post(token::revoke))
        .route("/oauth2/introspect", post(introspect::introspect))
        .route("/account", get(account::show).post(account::remove))
        .route("/authorize", get(consent::no_code_grant))
        .route("/link", get(consent::show).post(consent::decide))
        .route("/style.css", get(page::style))
        .layer(middleware::map_response(never_stored))
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn_with_state(
            (LateServer::Authorization, state.clone()),
            late::answer,
        ))
        .with_state(state)
}

/// Tokens, codes and consent pages must not be cached. RFC 6749, "Successful Response".
async fn never_stored(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
        .headers_mut()
        .insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}
