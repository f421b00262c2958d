//! Errors of the Client-Server API, as the homeserver answers them.

use axum::{
    Json,
    http::StatusCode,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

/// An error of the Client-Server API: "Standard error response".
#[derive(Debug)]
pub(crate) struct MatrixError {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl MatrixError {
    pub(crate) fn new(status: StatusCode, errcode: &str, error: &str) -> Self {
        Self {
            status,
            body: json!({ "errcode": errcode, "error": error }),
        }
    }

    pub(crate) fn unrecognized() -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "M_UNRECOGNIZED",
            "the sandbox does not have this endpoint",
        )
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "M_UNRECOGNIZED",
            "this endpoint does not have this method",
        )
    }

    pub(crate) fn bad_request(errcode: &str, error: &str) -> Self {
        Self::new(StatusCode::BAD_REQUEST, errcode, error)
    }

    pub(crate) fn bad_json(error: &str) -> Self {
        Self::bad_request("M_BAD_JSON", error)
    }

    pub(crate) fn invalid_param(error: &str) -> Self {
        Self::bad_request("M_INVALID_PARAM", error)
    }

    pub(crate) fn invalid_signature(error: &str) -> Self {
        Self::bad_request("M_INVALID_SIGNATURE", error)
    }

    pub(crate) fn forbidden(error: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "M_FORBIDDEN", error)
    }

    pub(crate) fn not_found(error: &str) -> Self {
        Self::new(StatusCode::NOT_FOUND, "M_NOT_FOUND", error)
    }

    pub(crate) fn unknown_token(error: &str, soft_logout: bool) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "M_UNKNOWN_TOKEN", error)
            .with("soft_logout", soft_logout.into())
    }

    pub(crate) fn with(mut self, key: &str, value: Value) -> Self {
        if let Some(fields) = self.body.as_object_mut() {
            fields.insert(key.to_owned(), value);
        }
        self
    }
}

impl From<getrandom::Error> for MatrixError {
    fn from(_: getrandom::Error) -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "M_UNKNOWN",
            "the operating system provides no random bytes",
        )
    }
}

impl IntoResponse for MatrixError {
    fn into_response(self) -> Response {
        (self.status, Json(self.body)).into_response()
    }
}
