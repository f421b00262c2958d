//! The device's side of OAuth 2.0: a client ID, the device authorization grant, refresh and revocation.
//!
//! MSC4108, section "Login via OIDC Device Authorization Grant"; RFC 8628, RFC 7591 (MSC2966), RFC 7009 (MSC4254).

use std::pin::Pin;
use std::time::Duration;

use oauth2::basic::BasicClient;
use oauth2::{AsyncHttpClient, ClientId, RefreshToken, TokenUrl};

use crate::discovery::ServerMetadata;
use crate::http::{Bounds, Http, Request, Response};
use crate::secret::Secret;

mod device_grant;
mod device_id;
mod error;
mod registration;
mod revocation;
mod tokens;
mod under_way;

pub use device_grant::{Authorization, TokenOutcome};
pub use device_id::new_device_id;
pub use error::OAuthError;
pub use registration::{Client, ClientMetadata};
pub use tokens::Tokens;

/// Answers of an OAuth server are small; its work may take a moment.
const BOUNDS: Bounds = Bounds { bytes: 64 << 10, time: Duration::from_secs(20) };

/// A client that an OAuth server knows.
#[derive(Debug, Clone)]
pub struct OAuth {
    http: Http,
    metadata: ServerMetadata,
    client_id: String,
}

impl OAuth {
    /// Becomes a client of the server: with an ID that it gave out before, or by registering (RFC 7591).
    ///
    /// # Errors
    ///
    /// [`OAuthError::NoRegistration`] when it must register and cannot; else as [`OAuthError`] says.
    pub async fn connect(http: Http, metadata: ServerMetadata, client: &Client) -> Result<Self, OAuthError> {
        let client_id = match client {
            Client::Registered(id) => id.clone(),
            Client::Dynamic(client) => registration::register(&http, &metadata, client).await?,
        };
        Ok(Self::resume(http, metadata, client_id))
    }

    /// Is the client again that an earlier process was, to refresh or to revoke.
    pub fn resume(http: Http, metadata: ServerMetadata, client_id: String) -> Self {
        Self { http, metadata, client_id }
    }

    /// The client's ID, to be kept with the session.
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The server's metadata, as it was discovered.
    pub fn metadata(&self) -> &ServerMetadata {
        &self.metadata
    }

    /// Asks for the codes with which a person can let this device in (RFC 8628, section 3.1).
    ///
    /// # Errors
    ///
    /// [`OAuthError::Discovery`] without the grant, [`OAuthError::Refused`] when the server says no.
    pub async fn authorize_device(&self, device_id: &str) -> Result<Authorization, OAuthError> {
        device_grant::authorize(self, device_id).await
    }

    /// Polls until the person has decided or the codes expire (RFC 8628, section 3.4).
    ///
    /// Can be dropped at any moment, and called again as long as no outcome came.
    pub async fn await_token(&self, authorization: &Authorization) -> TokenOutcome {
        let client = self.client().set_token_uri(self.token_uri());
        let send = |request| {
            let http = self.http.clone();
            let poll = async move { exchange(&http, request).await };
            Box::pin(authorization.under_way.run(poll)) as Exchanging<'_>
        };
        device_grant::await_token(&client, authorization, &send).await
    }

    /// The tokens of a poll that was under way when [`Self::await_token`] was dropped, if it brings any. Nobody will use them: they
    /// are to be revoked.
    pub async fn late_tokens(&self, authorization: &Authorization) -> Option<Tokens> {
        authorization.under_way.late().await
    }

    /// Exchanges a refresh token for new tokens (RFC 6749, section 6). The old ones may be void from then on: store these.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Refused`] with `invalid_grant` when the session has ended; else as [`OAuthError`] says. It is not
    /// tried again here: a server may take a second use of the same token for a theft.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<Tokens, OAuthError> {
        let token = RefreshToken::new(refresh_token.expose().to_owned());
        let client = self.client().set_token_uri(self.token_uri());
        let answer = client.exchange_refresh_token(&token).request_async(&Wire(&self.http)).await;
        let fresh = Tokens::read(&answer.map_err(|error| OAuthError::of("refreshing the session", error))?)?;
        // RFC 6749, section 6: a server that does not rotate sends none.
        let refresh_token = fresh.refresh_token.or_else(|| Some(refresh_token.clone()));
        Ok(Tokens { refresh_token, ..fresh })
    }

    /// Ends the tokens: the refresh token first, because it could make new ones (RFC 7009). Tried a few times.
    ///
    /// # Errors
    ///
    /// [`OAuthError::NoRevocation`] when the server has no such endpoint; else the first failure. Both are always tried.
    pub async fn revoke(&self, tokens: &Tokens) -> Result<(), OAuthError> {
        revocation::revoke(self, tokens).await
    }

    fn client(&self) -> BasicClient {
        BasicClient::new(ClientId::new(self.client_id.clone()))
    }

    fn token_uri(&self) -> TokenUrl {
        TokenUrl::from_url(self.metadata.token_endpoint.clone())
    }
}

/// An exchange under way. Boxed: a future of the oauth2 crate around an unnamed one could not cross threads.
type Exchanging<'a> = Pin<Box<dyn Future<Output = Result<Response, OAuthError>> + Send + 'a>>;

/// The HTTP client of the oauth2 crate.
struct Wire<'a>(&'a Http);

impl<'c> AsyncHttpClient<'c> for Wire<'_> {
    type Error = OAuthError;
    type Future = Exchanging<'c>;

    fn call(&'c self, request: Request) -> Self::Future {
        Box::pin(exchange(self.0, request))
    }
}

/// One exchange of JSON. What does not come from the OAuth server itself (a proxy's page, a 5xx) is told apart.
async fn exchange(http: &Http, request: Request) -> Result<Response, OAuthError> {
    let host = request.uri().host().unwrap_or_default().to_owned();
    let response = http.send_within(request, BOUNDS).await?;
    let status = response.status();
    let is_json = serde_json::from_slice::<serde::de::IgnoredAny>(response.body()).is_ok();
    if status.is_server_error() || status.as_u16() == 429 || !is_json {
        return Err(OAuthError::Unavailable { host, status: status.as_u16() });
    }
    Ok(response)
}
