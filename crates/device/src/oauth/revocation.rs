//! RFC 7009: the end of a session at the OAuth server.

use std::time::Duration;

use url::{Url, form_urlencoded::Serializer};

use super::{client::OAuth, error::OAuthError, tokens::Tokens};
use crate::{
    http::{Bounds, HttpError, HttpRequest, host},
    retry::briefly,
    secret::Secret,
};

const WHAT: &str = "revoking a token";
/// Mostly done while something else has failed already: not for long.
const BOUNDS: Bounds = Bounds {
    bytes: 64 << 10,
    time: Duration::from_secs(5),
};

impl OAuth {
    /// Ends the tokens: the refresh token first, because it could make new ones (RFC 7009). Tried a
    /// few times.
    ///
    /// # Errors
    ///
    /// [`OAuthError::NoRevocation`] when the server has no such endpoint; else the first failure.
    /// Both are always tried.
    pub async fn revoke(&self, tokens: &Tokens) -> Result<(), OAuthError> {
        let host = host(&self.metadata.issuer);
        let endpoint = self.metadata.revocation_endpoint.as_ref();
        let endpoint = endpoint.ok_or(OAuthError::NoRevocation { host })?;
        let refresh = match &tokens.refresh_token {
            Some(token) => briefly(|| self.revoke_one(endpoint, "refresh_token", token)).await,
            None => Ok(()),
        };
        let access = &tokens.access_token;
        refresh.and(briefly(|| self.revoke_one(endpoint, "access_token", access)).await)
    }

    /// Section 2.2: 200, whatever is in the body, also for a token that was void already.
    async fn revoke_one(
        &self,
        endpoint: &Url,
        hint: &str,
        token: &Secret,
    ) -> Result<(), OAuthError> {
        let request = self.revocation(endpoint, hint, token)?;
        let response = self.http.send_within(request, BOUNDS).await?;
        match response.status().as_u16() {
            200..=299 => Ok(()),
            status @ (429 | 500..) => Err(OAuthError::Unavailable {
                host: host(endpoint),
                status,
            }),
            status => Err(OAuthError::refused(WHAT, &format!("status {status}"), None)),
        }
    }

    fn revocation(
        &self,
        endpoint: &Url,
        hint: &str,
        token: &Secret,
    ) -> Result<HttpRequest, HttpError> {
        let mut form = Serializer::new(String::new());
        form.append_pair("token", token.expose());
        form.append_pair("token_type_hint", hint);
        form.append_pair("client_id", &self.client_id);
        http::Request::post(endpoint.as_str())
            .header("content-type", "application/x-www-form-urlencoded")
            .header("accept", "application/json")
            .body(form.finish().into_bytes())
            .map_err(|_| HttpError::BadRequest)
    }
}
