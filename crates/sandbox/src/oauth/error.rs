//! Errors of the authorization server.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::synapse::SynapseError;

/// An error in the form of RFC 6749, "Error Response".
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct OAuthErrorResponse {
    status: StatusCode,
    error: &'static str,
    description: String,
}

impl OAuthErrorResponse {
    pub(crate) fn bad(error: &'static str, description: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            description: description.into(),
        }
    }

    pub(crate) fn invalid_request(description: impl Into<String>) -> Self {
        Self::bad("invalid_request", description)
    }

    pub(crate) fn invalid_client(description: &str) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            ..Self::bad("invalid_client", description)
        }
    }

    pub(crate) fn invalid_grant(description: &str) -> Self {
        Self::bad("invalid_grant", description)
    }

    pub(crate) fn authorization_pending() -> Self {
        Self::bad("authorization_pending", "the person has not decided yet")
    }

    pub(crate) fn slow_down() -> Self {
        Self::bad(
            "slow_down",
            "polled sooner than the interval: add 5 seconds to it",
        )
    }

    pub(crate) fn access_denied() -> Self {
        Self::bad("access_denied", "the person did not allow the sign-in")
    }

    pub(crate) fn expired_token() -> Self {
        Self::bad("expired_token", "the device_code has expired: start again")
    }

    pub(crate) fn overloaded() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..Self::bad(
                "temporarily_unavailable",
                "the sandbox has no room for more of these",
            )
        }
    }
}

impl From<getrandom::Error> for OAuthErrorResponse {
    fn from(_: getrandom::Error) -> Self {
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            ..Self::bad(
                "server_error",
                "the operating system provides no random bytes",
            )
        }
    }
}

/// RFC 7009, "Error Response": nothing has changed, and the client can try again.
impl From<SynapseError> for OAuthErrorResponse {
    fn from(error: SynapseError) -> Self {
        tracing::warn!(%error, "the homeserver could not be reached");
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..Self::bad("temporarily_unavailable", error.to_string())
        }
    }
}

impl IntoResponse for OAuthErrorResponse {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        (self.status, Json(body)).into_response()
    }
}
