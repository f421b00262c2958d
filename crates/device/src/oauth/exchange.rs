//! One exchange with an OAuth server.

use std::{pin::Pin, time::Duration};

use http::{
    HeaderValue,
    header::{CONTENT_TYPE, USER_AGENT},
};
use oauth2::AsyncHttpClient;

use super::error::OAuthError;
use crate::http::{Bounds, Http, HttpRequest, HttpResponse};

/// Answers of an OAuth server are small; its work may take a moment.
const BOUNDS: Bounds = Bounds {
    bytes: 64 << 10,
    time: Duration::from_secs(20),
};

/// An exchange under way. Boxed: a future of the oauth2 crate around an unnamed one could not cross
/// threads.
pub(super) type Exchanging<'a> =
    Pin<Box<dyn Future<Output = Result<HttpResponse, OAuthError>> + Send + 'a>>;

/// The HTTP client of the oauth2 crate; with another `User-Agent` where there is one.
pub(super) struct Wire<'a> {
    pub(super) http: &'a Http,
    pub(super) user_agent: Option<&'a HeaderValue>,
}

impl<'c> AsyncHttpClient<'c> for Wire<'_> {
    type Error = OAuthError;
    type Future = Exchanging<'c>;

    fn call(&'c self, mut request: HttpRequest) -> Self::Future {
        if let Some(user_agent) = self.user_agent {
            request.headers_mut().insert(USER_AGENT, user_agent.clone());
        }
        Box::pin(exchange(self.http, request))
    }
}

/// One exchange of JSON, whatever the answer calls it: an answer that is refused for its name could
/// be the one with the token. What does not come from the OAuth server itself (a proxy's page, a
/// 5xx) is told apart.
pub(super) async fn exchange(
    http: &Http,
    request: HttpRequest,
) -> Result<HttpResponse, OAuthError> {
    let host = request.uri().host().unwrap_or_default().to_owned();
    let mut response = http.send_within(request, BOUNDS).await?;
    let status = response.status();
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(response.body()).is_ok();
    if status.is_server_error() || status.as_u16() == 429 || !is_json {
        return Err(OAuthError::Unavailable {
            host,
            status: status.as_u16(),
        });
    }
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, json);
    Ok(response)
}
