//! The authorization server: OAuth 2.0 as Matrix uses it (MSC2964, MSC2965, MSC2966, MSC2967), with
//! the device authorization grant (RFC 8628, MSC4341) as its only way to sign in. Knows nothing of
//! keys, rooms and backups.

mod account;
pub(crate) mod authority;
mod consent;
mod device_grant;
mod introspect;
pub(crate) mod metadata;
mod page;
pub(crate) mod register;
pub(crate) mod scope;
mod token;

use std::sync::Arc;

use axum::{
    Form, Json, Router,
    extract::{DefaultBodyLimit, FromRequest, Request},
    http::{HeaderValue, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::{state::Shared, synapse::SynapseError};

const BODY_LIMIT: usize = 64 * 1024;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
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
        .with_state(shared)
}

/// Tokens, codes and consent are for one reader. RFC 6749, "Successful Response".
async fn never_stored(mut response: Response) -> Response {
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
        .headers_mut()
        .insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// An error in the form of RFC 6749, "Error Response".
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OAuthError {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl OAuthError {
    fn bad(error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            description: description.into(),
        }
    }

    fn invalid_request(description: impl Into<String>) -> Self {
        Self::bad("invalid_request", description)
    }

    fn invalid_client(description: &str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            ..Self::bad("invalid_client", description)
        }
    }

    fn invalid_grant(description: &str) -> Self {
        Self::bad("invalid_grant", description)
    }

    fn authorization_pending() -> Self {
        Self::bad("authorization_pending", "the person has not decided yet")
    }

    fn slow_down() -> Self {
        Self::bad(
            "slow_down",
            "polled sooner than the interval: add 5 seconds to it",
        )
    }

    fn access_denied() -> Self {
        Self::bad("access_denied", "the person did not allow the sign-in")
    }

    fn expired_token() -> Self {
        Self::bad("expired_token", "the device_code has expired: begin again")
    }

    fn overloaded() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..Self::bad(
                "temporarily_unavailable",
                "the sandbox has no room for more of these",
            )
        }
    }
}

impl From<getrandom::Error> for OAuthError {
    fn from(_: getrandom::Error) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::bad("server_error", "the operating system gives no random bytes")
        }
    }
}

/// RFC 7009, "Error Response": nothing has changed, and it can be tried again.
impl From<SynapseError> for OAuthError {
    fn from(error: SynapseError) -> Self {
        tracing::warn!(%error, "the homeserver could not be told");
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..Self::bad("temporarily_unavailable", error.to_string())
        }
    }
}

impl IntoResponse for OAuthError {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        (self.status, Json(body)).into_response()
    }
}

/// Form parameters; a missing, repeated or malformed one is the protocol's own error.
struct Params<T>(T);

impl<T: DeserializeOwned> FromRequest<Arc<Shared>> for Params<T> {
    type Rejection = OAuthError;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, OAuthError> {
        let form = Form::from_request(request, shared).await;
        form.map(|Form(params)| Self(params))
            .map_err(|bad| OAuthError::invalid_request(bad.body_text()))
    }
}
