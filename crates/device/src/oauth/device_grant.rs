//! RFC 8628, the device authorization grant: the codes.

use std::{fmt, sync::Arc, time::Duration};

use matrix_qr_protocol::login::message::VerificationLink;
use oauth2::{
    DeviceAuthorizationUrl, RequestTokenError, Scope, StandardDeviceAuthorizationResponse,
    basic::{BasicErrorResponse, BasicErrorResponseType},
};
use tokio::time::Instant;
use url::Url;

use super::{client::OAuth, error::OAuthError, exchange::Wire, under_way::UnderWay};
use crate::http::{Policy, host};

const WHAT: &str = "requesting authorization";

/// MSC2967's scopes, and what they were called before.
const STABLE: &str = "urn:matrix:client";
const UNSTABLE: &str = "urn:matrix:org.matrix.msc2967.client";

/// What is taken as a code for a person, in bytes.
const MAX_USER_CODE: usize = 64;
/// The longest URI, in bytes: two of them, sealed, must fit into one payload of 4096 bytes.
const MAX_URI: usize = 1024;
/// No authorization waits longer than this, whatever the server says.
pub(super) const MAX_LIFETIME: Duration = Duration::from_secs(24 * 60 * 60);
/// The shortest time between two polls, whatever the server says.
pub(super) const MIN_INTERVAL: Duration = Duration::from_secs(1);

/// The codes with which a person can let this device in (RFC 8628, section 3.2).
#[derive(Clone)]
pub struct DeviceAuthorization {
    pub(super) answer: StandardDeviceAuthorizationResponse,
    link: VerificationLink,
    pub(super) given_at: Instant,
    pub(super) under_way: Arc<UnderWay>,
}

impl DeviceAuthorization {
    /// For the person, to compare or to type in: at most 64 characters of ASCII that can be shown.
    pub fn user_code(&self) -> &str {
        self.answer.user_code().secret()
    }

    /// The page for the decision, and the same with the code filled in, when the server offers
    /// that. Both have passed the policy.
    pub fn link(&self) -> &VerificationLink {
        &self.link
    }

    /// How long the codes live, from when they were given; a day at most.
    pub fn expires_in(&self) -> Duration {
        self.answer.expires_in().min(MAX_LIFETIME)
    }

    /// The least time between two polls; a second at least.
    pub fn interval(&self) -> Duration {
        self.answer.interval().max(MIN_INTERVAL)
    }

    pub(super) fn read(
        answer: StandardDeviceAuthorizationResponse,
        policy: Policy,
    ) -> Result<Self, OAuthError> {
        let malformed = |why| OAuthError::Malformed { what: WHAT, why };
        let code = answer.user_code().secret();
        let shown = |byte: u8| byte.is_ascii_graphic() || byte == b' ';
        if !(1..=MAX_USER_CODE).contains(&code.len()) || !code.bytes().all(shown) {
            return Err(malformed("its user code cannot be shown"));
        }
        let link = link(&answer, policy).map_err(malformed)?;
        Ok(Self {
            given_at: Instant::now(),
            answer,
            link,
            under_way: Arc::default(),
        })
    }
}

/// The two URIs, in the form in which they are sent: a parser makes them longer.
fn link(
    answer: &StandardDeviceAuthorizationResponse,
    policy: Policy,
) -> Result<VerificationLink, &'static str> {
    let usable = |uri: &str| {
        let url = Url::parse(uri).map_err(|_| "its verification URI is not a URL")?;
        if url.as_str().len() > MAX_URI {
            return Err("its verification URI is too long");
        }
        if !policy.permits(&url) {
            return Err("its verification URI is not an https link");
        }
        Ok(url)
    };
    let complete = answer.verification_uri_complete();
    Ok(VerificationLink {
        verification_uri: usable(answer.verification_uri())?,
        verification_uri_complete: complete.map(|uri| usable(uri.secret())).transpose()?,
    })
}

impl fmt::Debug for DeviceAuthorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (lifetime, interval) = (self.expires_in(), self.interval());
        write!(
            f,
            "DeviceAuthorization {{ [redacted], expires_in: {lifetime:?}, interval: {interval:?} }}"
        )
    }
}

type Answer<T, E> = Result<T, RequestTokenError<OAuthError, E>>;

impl OAuth {
    /// Asks for the codes with which a person can let this device in (RFC 8628, section 3.1).
    ///
    /// # Errors
    ///
    /// [`OAuthError::Discovery`] without the grant, [`OAuthError::UnknownClient`] when it is the
    /// client ID that is refused, [`OAuthError::Refused`] when the server says no.
    pub async fn authorize_device(
        &self,
        device_id: &str,
    ) -> Result<DeviceAuthorization, OAuthError> {
        // A server of before MSC2967 was final knows only the unstable scopes, and says so with
        // `invalid_scope`.
        let answer = match self.request_codes(STABLE, device_id).await {
            Err(RequestTokenError::ServerResponse(said))
                if *said.error() == BasicErrorResponseType::InvalidScope =>
            {
                self.request_codes(UNSTABLE, device_id).await
            }
            answer => answer,
        };
        let answer = answer.map_err(|error| self.unknown_client(OAuthError::of(WHAT, error)));
        DeviceAuthorization::read(answer?, self.http.policy())
    }

    async fn request_codes(
        &self,
        prefix: &str,
        device_id: &str,
    ) -> Answer<StandardDeviceAuthorizationResponse, BasicErrorResponse> {
        let endpoint = self.metadata.device_grant().cloned();
        let endpoint = endpoint.map_err(|error| RequestTokenError::Request(error.into()))?;
        let url = DeviceAuthorizationUrl::from_url(endpoint);
        let client = self.client().set_device_authorization_url(url);
        let request = client
            .exchange_device_code()
            .add_scopes(self.scopes(prefix, device_id));
        let wire = Wire {
            http: &self.http,
            user_agent: self.user_agent.as_ref(),
        };
        request.request_async(&wire).await
    }

    /// MSC2967: full access, as this device. `openid` only for a server that asks for it to be
    /// asked for.
    fn scopes(&self, prefix: &str, device_id: &str) -> Vec<Scope> {
        let mut advertised = self.metadata.scopes_supported.iter().flatten();
        let openid = advertised
            .any(|scope| scope == "openid")
            .then(|| "openid".to_owned());
        let matrix = [
            format!("{prefix}:api:*"),
            format!("{prefix}:device:{device_id}"),
        ];
        openid.into_iter().chain(matrix).map(Scope::new).collect()
    }

    /// RFC 6749, section 5.2: the two codes that are about the client and not about the request.
    fn unknown_client(&self, error: OAuthError) -> OAuthError {
        match error {
            OAuthError::Refused { error, .. }
                if self.given
                    && matches!(error.as_str(), "invalid_client" | "unauthorized_client") =>
            {
                OAuthError::UnknownClient {
                    host: host(&self.metadata.issuer),
                    error,
                }
            }
            error => error,
        }
    }
}
