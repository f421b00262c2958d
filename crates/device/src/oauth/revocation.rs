//! RFC 7009: the end of a session at the OAuth server.

use std::time::Duration;

use url::Url;
use url::form_urlencoded::Serializer;

use super::registration::host;
use super::{OAuth, OAuthError, Tokens};
use crate::http::{Bounds, HttpError, Request};
use crate::secret::Secret;

const WHAT: &str = "revoking a token";
/// Mostly done while something else has failed already: not for long.
const BOUNDS: Bounds = Bounds {
    bytes: 64 << 10,
    time: Duration::from_secs(5),
};
const ATTEMPTS: u32 = 3;
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn revoke(oauth: &OAuth, tokens: &Tokens) -> Result<(), OAuthError> {
    let issuer = &oauth.metadata.issuer;
    let endpoint = oauth.metadata.revocation_endpoint.as_ref();
    let endpoint = endpoint.ok_or_else(|| OAuthError::NoRevocation { host: host(issuer) })?;
    let refresh = match &tokens.refresh_token {
        Some(token) => patiently(oauth, endpoint, ("refresh_token", token)).await,
        None => Ok(()),
    };
    let access = patiently(oauth, endpoint, ("access_token", &tokens.access_token)).await;
    refresh.and(access)
}

async fn patiently(
    oauth: &OAuth,
    endpoint: &Url,
    token: (&str, &Secret),
) -> Result<(), OAuthError> {
    let mut pause = PAUSE;
    for _ in 1..ATTEMPTS {
        match once(oauth, endpoint, token).await {
            Err(error) if error.is_transient() => tokio::time::sleep(pause).await,
            outcome => return outcome,
        }
        pause *= 2;
    }
    once(oauth, endpoint, token).await
}

/// Section 2.2: 200, whatever is in the body, also for a token that was void already.
async fn once(oauth: &OAuth, endpoint: &Url, token: (&str, &Secret)) -> Result<(), OAuthError> {
    let response = oauth
        .http
        .send_within(request(oauth, endpoint, token)?, BOUNDS)
        .await?;
    match response.status().as_u16() {
        200..=299 => Ok(()),
        status @ (429 | 500..) => Err(OAuthError::Unavailable {
            host: host(endpoint),
            status,
        }),
        status => Err(OAuthError::refused(WHAT, &format!("status {status}"), None)),
    }
}

fn request(
    oauth: &OAuth,
    endpoint: &Url,
    (hint, token): (&str, &Secret),
) -> Result<Request, HttpError> {
    let mut form = Serializer::new(String::new());
    form.append_pair("token", token.expose());
    form.append_pair("token_type_hint", hint);
    form.append_pair("client_id", &oauth.client_id);
    http::Request::post(endpoint.as_str())
        .header("content-type", "application/x-www-form-urlencoded")
        .header("accept", "application/json")
        .body(form.finish().into_bytes())
        .map_err(|_| HttpError::BadRequest)
}
