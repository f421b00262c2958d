//! The device's side of OAuth 2.0: a client ID, the device authorization grant, refresh and
//! revocation.
//!
//! MSC4108, section "Login via OIDC Device Authorization Grant"; RFC 8628, RFC 7591 (MSC2966), RFC
//! 7009 (MSC4254).

use http::HeaderValue;
use oauth2::basic::BasicClient;
use oauth2::{ClientId, RefreshToken, TokenUrl};

use crate::device_name::DeviceName;
use crate::discovery::ServerMetadata;
use crate::http::Http;
use crate::secret::Secret;

mod device_grant;
mod device_id;
mod error;
mod exchange;
mod polling;
mod registration;
mod revocation;
mod tokens;
mod under_way;

pub use device_grant::Authorization;
pub use device_id::new_device_id;
pub use error::OAuthError;
use exchange::{Exchanging, Wire, exchange};
pub use polling::TokenOutcome;
pub use registration::{Client, ClientMetadata};
pub use tokens::Tokens;

/// A client that an OAuth server knows.
#[derive(Debug, Clone)]
pub struct OAuth {
    http: Http,
    metadata: ServerMetadata,
    client_id: String,
    /// A person gave the client ID: whether it is good is not known.
    given: bool,
    /// For the device authorization request alone.
    user_agent: Option<HeaderValue>,
}

impl OAuth {
    /// Becomes a client of the server: with an ID that it gave out before, or by registering (RFC
    /// 7591).
    ///
    /// # Errors
    ///
    /// [`OAuthError::NoRegistration`] when it must register and cannot; else as [`OAuthError`]
    /// says.
    pub async fn connect(
        http: Http,
        metadata: ServerMetadata,
        client: &Client,
    ) -> Result<Self, OAuthError> {
        let (client_id, given) = match client {
            Client::Registered(id) => (id.clone(), true),
            Client::Dynamic(client) => (
                registration::register(&http, &metadata, client).await?,
                false,
            ),
        };
        Ok(Self {
            given,
            ..Self::resume(http, metadata, client_id)
        })
    }

    /// Is the client again that an earlier process was, to refresh or to revoke.
    pub fn resume(http: Http, metadata: ServerMetadata, client_id: String) -> Self {
        Self {
            http,
            metadata,
            client_id,
            given: false,
            user_agent: None,
        }
    }

    /// Lets the server know, when it asks a person for their consent, what the device is called. No
    /// other request says it.
    #[must_use]
    pub fn on_device(self, name: &DeviceName) -> Self {
        Self {
            user_agent: Some(name.user_agent()),
            ..self
        }
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
    /// [`OAuthError::Discovery`] without the grant, [`OAuthError::UnknownClient`] when it is the
    /// client ID that is refused, [`OAuthError::Refused`] when the server says no.
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
        polling::await_token(&client, authorization, &send).await
    }

    /// The tokens of a poll that was under way when [`Self::await_token`] was dropped, if it brings
    /// any. Nobody will use them: they are to be revoked.
    pub async fn late_tokens(&self, authorization: &Authorization) -> Option<Tokens> {
        authorization.under_way.late().await
    }

    /// Exchanges a refresh token for new tokens (RFC 6749, section 6). The old ones may be void
    /// from then on: store these.
    ///
    /// # Errors
    ///
    /// [`OAuthError::Refused`] with `invalid_grant` when the session has ended; else as
    /// [`OAuthError`] says. It is not tried again here: a server may take a second use of the same
    /// token for a theft.
    pub async fn refresh(&self, refresh_token: &Secret) -> Result<Tokens, OAuthError> {
        let token = RefreshToken::new(refresh_token.expose().to_owned());
        let client = self.client().set_token_uri(self.token_uri());
        let answer = client
            .exchange_refresh_token(&token)
            .request_async(&Wire {
                http: &self.http,
                user_agent: None,
            })
            .await;
        let fresh = Tokens::read(
            &answer.map_err(|error| OAuthError::of("refreshing the session", error))?,
        )?;
        // RFC 6749, section 6: a server that does not rotate sends none.
        let refresh_token = fresh.refresh_token.or_else(|| Some(refresh_token.clone()));
        Ok(Tokens {
            refresh_token,
            ..fresh
        })
    }

    /// Ends the tokens: the refresh token first, because it could make new ones (RFC 7009). Tried a
    /// few times.
    ///
    /// # Errors
    ///
    /// [`OAuthError::NoRevocation`] when the server has no such endpoint; else the first failure.
    /// Both are always tried.
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
