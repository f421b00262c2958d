//! The tokens of a session.

use std::time::Duration;

use oauth2::{TokenResponse, basic::BasicTokenResponse};

use super::error::OAuthError;
use crate::secret::Secret;

const WHAT: &str = "getting a token";

/// What an OAuth server grants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tokens {
    /// For the `Authorization` header of Matrix requests.
    pub access_token: Secret,
    /// For new tokens, once the access token has expired.
    pub refresh_token: Option<Secret>,
    /// How long the access token is valid, from when it was given.
    pub expires_in: Option<Duration>,
}

impl Tokens {
    /// RFC 6750: a bearer token, of characters that a header can carry.
    pub(super) fn read(answer: &BasicTokenResponse) -> Result<Self, OAuthError> {
        let malformed = |why| Err(OAuthError::Malformed { what: WHAT, why });
        let access_token = answer.access_token().secret();
        if !answer.token_type().as_ref().eq_ignore_ascii_case("bearer") {
            return malformed("it is not a bearer token");
        }
        if access_token.is_empty() || !access_token.bytes().all(|b| b.is_ascii_graphic()) {
            return malformed("the access token has invalid characters");
        }
        let refresh_token = answer.refresh_token();
        Ok(Self {
            access_token: Secret::new(access_token.as_str()),
            refresh_token: refresh_token.map(|token| Secret::new(token.secret().as_str())),
            expires_in: answer.expires_in(),
        })
    }
}
