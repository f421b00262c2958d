//! A client of an OAuth server, and the session that it refreshes.

use http::HeaderValue;
use oauth2::{ClientId, EndpointNotSet, EndpointSet, RefreshToken, TokenUrl, basic::BasicClient};

use super::{
    error::OAuthError,
    exchange::Wire,
    registration::{Client, register},
    tokens::Tokens,
};
use crate::{device_name::DeviceName, discovery::ServerMetadata, http::Http, secret::Secret};

/// The oauth2 crate's client, with a token endpoint.
pub(super) type TokenClient =
    BasicClient<EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointNotSet, EndpointSet>;

/// A client that an OAuth server knows.
#[derive(Debug, Clone)]
pub struct OAuth {
    pub(super) http: Http,
    pub(super) metadata: ServerMetadata,
    pub(super) client_id: String,
    /// A person gave the client ID: whether it is good is not known.
    pub(super) given: bool,
    /// For the device authorization request alone.
    pub(super) user_agent: Option<HeaderValue>,
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
            Client::Dynamic(client) => (register(&http, &metadata, client).await?, false),
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
        let client = self.client();
        let wire = Wire {
            http: &self.http,
            user_agent: None,
        };
        let answer = client
            .exchange_refresh_token(&token)
            .request_async(&wire)
            .await;
        let answer = answer.map_err(|error| OAuthError::of("refreshing the session", error))?;
        let fresh = Tokens::read(&answer)?;
        // RFC 6749, section 6: a server that does not rotate sends none.
        let refresh_token = fresh.refresh_token.or_else(|| Some(refresh_token.clone()));
        Ok(Tokens {
            refresh_token,
            ..fresh
        })
    }

    /// Knows the token endpoint alone.
    pub(super) fn client(&self) -> TokenClient {
        BasicClient::new(ClientId::new(self.client_id.clone()))
            .set_token_uri(TokenUrl::from_url(self.metadata.token_endpoint.clone()))
    }
}
