//! A sign-in on the server, its tokens, and what introspection says about them.

use std::time::{Duration, Instant};

/// One sign-in: a client, as a device, with its current tokens.
pub(super) struct OAuthSession {
    pub(super) client_id: String,
    pub(super) device_id: String,
    pub(super) scope: String,
    pub(super) refresh_token: String,
    /// The previous refresh token. It can be used again until the client uses the new access token:
    /// the response may have been lost. Deployed servers allow that, too.
    pub(super) refreshed_with: Option<String>,
    pub(super) access_token: String,
    pub(super) expires: Instant,
    /// Whether the access token has been used.
    pub(super) used: bool,
    /// The previous access token. It is invalid, but it counts as expired, not as unknown.
    pub(super) access_token_before: Option<String>,
}

/// Newly issued tokens for the client.
pub(crate) struct IssuedTokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) lifetime: Duration,
    pub(crate) scope: String,
    pub(crate) client_id: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Introspection {
    /// Valid for the time `left`.
    Active {
        device_id: String,
        scope: String,
        left: Duration,
    },
    Expired,
    Unknown,
}

impl OAuthSession {
    pub(super) fn tokens(&self, lifetime: Duration) -> IssuedTokens {
        IssuedTokens {
            access_token: self.access_token.clone(),
            refresh_token: self.refresh_token.clone(),
            lifetime,
            scope: self.scope.clone(),
            client_id: self.client_id.clone(),
        }
    }

    /// Whether the session can be refreshed with this token.
    pub(super) fn takes(&self, refresh_token: &str) -> bool {
        let again = || !self.used && self.refreshed_with.as_deref() == Some(refresh_token);
        self.refresh_token == refresh_token || again()
    }

    /// Whether it is the current or the previous access token of this session.
    pub(super) fn knows(&self, access_token: &str) -> bool {
        self.access_token == access_token
            || self.access_token_before.as_deref() == Some(access_token)
    }

    /// Whether this token, of either kind, is valid.
    pub(super) fn holds(&self, token: &str, now: Instant) -> bool {
        self.refresh_token == token || (self.access_token == token && self.expires > now)
    }
}
