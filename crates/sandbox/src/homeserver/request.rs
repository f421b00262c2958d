//! What the handlers share: the caller, the body of a request, and the form of a response.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Bytes,
    extract::{FromRequest, FromRequestParts, Request},
    http::{StatusCode, header::AUTHORIZATION, request::Parts},
};
use serde_json::Value;

use crate::{
    faults::Fault,
    matrix_error::MatrixError,
    oauth::{scope::allows_api, session::Introspection},
    state::SandboxState,
};

const BODY_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) type JsonResult = Result<Json<Value>, MatrixError>;

/// The device whose active access token came with the request.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) device_id: String,
    pub(super) access_token: String,
}

impl Caller {
    fn of(access_token: String, introspection: Introspection) -> Result<Self, MatrixError> {
        match introspection {
            Introspection::Active { scope, .. } if !allows_api(&scope) => Err(
                MatrixError::forbidden("the token has no scope for the Client-Server API"),
            ),
            Introspection::Active { device_id, .. } => Ok(Self {
                device_id,
                access_token,
            }),
            Introspection::Expired => Err(MatrixError::unknown_token(
                "the access token has expired: refresh it",
                true,
            )),
            Introspection::Unknown => Err(MatrixError::unknown_token(
                "the access token is unknown or revoked",
                false,
            )),
        }
    }
}

impl FromRequestParts<Arc<SandboxState>> for Caller {
    type Rejection = MatrixError;

    async fn from_request_parts(
        parts: &mut Parts,
        state: &Arc<SandboxState>,
    ) -> Result<Self, MatrixError> {
        let header = parts
            .headers
            .get(AUTHORIZATION)
            .and_then(|value| value.to_str().ok());
        let token = header.and_then(|value| value.strip_prefix("Bearer "));
        let missing = || {
            MatrixError::new(
                StatusCode::UNAUTHORIZED,
                "M_MISSING_TOKEN",
                "no access token",
            )
        };
        let token = token.ok_or_else(missing)?.to_owned();
        let introspection = state.introspect(&token);
        if state.faults.is_set(&Fault::AccountLocked) {
            // As Synapse answers when its authorization server says that the token is not active.
            return Err(MatrixError::unknown_token("Token is not active", false));
        }
        Self::of(token, introspection)
    }
}

/// A JSON object with bounded size and receive time, whatever its content type.
pub(super) struct JsonBody(pub(super) Value);

impl FromRequest<Arc<SandboxState>> for JsonBody {
    type Rejection = MatrixError;

    async fn from_request(
        request: Request,
        state: &Arc<SandboxState>,
    ) -> Result<Self, MatrixError> {
        let bytes = tokio::time::timeout(BODY_TIMEOUT, Bytes::from_request(request, state)).await;
        let late = |_| {
            MatrixError::new(
                StatusCode::REQUEST_TIMEOUT,
                "M_UNKNOWN",
                "the body did not arrive in time",
            )
        };
        let bytes = bytes.map_err(late)?.map_err(|bad| match bad.status() {
            StatusCode::PAYLOAD_TOO_LARGE => MatrixError::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "M_TOO_LARGE",
                "the body is over 1 MiB",
            ),
            _ => MatrixError::bad_request("M_NOT_JSON", "the body could not be read"),
        })?;
        let not_json = |_| MatrixError::bad_request("M_NOT_JSON", "the body is not JSON");
        let value: Value = serde_json::from_slice(&bytes).map_err(not_json)?;
        if value.is_object() {
            Ok(Self(value))
        } else {
            Err(MatrixError::bad_json("the body is not an object"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(introspection: Introspection) -> Option<(StatusCode, Value)> {
        Caller::of(String::new(), introspection)
            .err()
            .map(|error| (error.status, error.body))
    }

    #[test]
    fn a_token_without_the_api_scope_is_forbidden() {
        let active = |scope: &str| Introspection::Active {
            device_id: String::new(),
            scope: scope.to_owned(),
            left: Duration::ZERO,
        };
        assert!(refused(active("urn:matrix:client:api:*")).is_none());
        let error = refused(active("openid urn:matrix:client:device:ABCDEFGHIJ"));
        assert!(error.is_some_and(|(status, _)| status == StatusCode::FORBIDDEN));
    }
}
