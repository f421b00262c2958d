//! The parameters of a request to the authorization server.

use std::sync::Arc;

use axum::{
    Form,
    extract::{FromRequest, Request},
};
use serde::de::DeserializeOwned;

use super::error::OAuthErrorResponse;
use crate::state::SandboxState;

/// Form parameters. A missing, repeated or malformed one is an `invalid_request`.
pub(super) struct FormParams<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<SandboxState>> for FormParams<T> {
    type Rejection = OAuthErrorResponse;

    async fn from_request(
        request: Request,
        state: &Arc<SandboxState>,
    ) -> Result<Self, OAuthErrorResponse> {
        let form = Form::from_request(request, state).await;
        form.map(|Form(params)| Self(params))
            .map_err(|bad| OAuthErrorResponse::invalid_request(bad.body_text()))
    }
}
