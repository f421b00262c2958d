//! One sign-in on the server, with its tokens, and what a token is good for.

use std::time::{Duration, Instant};

/// One sign-in: a client, as a device, with the tokens that live.
pub(super) struct OAuthSession {
    pub(super) client_id: String,
    pub(super) device_id: String,
    pub(super) scope: String,
    pub(super) refresh_token: String,
    /// The refresh token before. It can be used again as long as nobody has used what it was
    /// exchanged for: the answer may have been lost. Deployed servers allow that, too.
    pub(super) refreshed_with: Option<String>,
    pub(super) access_token: String,
    pub(super) expires: Instant,
    /// Whether the access token has been used.
    pub(super) used: bool,
    /// The access token before. It is void; a token that was ours is told apart from one that never
    /// was.
    pub(super) access_token_before: Option<String>,
}

/// Freshly issued, to be handed to the client.
pub(crate) struct IssuedTokens {
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) lifetime: Duration,
    pub(crate) scope: String,
    pub(crate) client_id: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Introspection {
    /// `left` is how long it will be that.
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

    /// Whether it can be refreshed with this token.
    pub(super) fn takes(&self, refresh_token: &str) -> bool {
        let again = || !self.used && self.refreshed_with.as_deref() == Some(refresh_token);
        self.refresh_token == refresh_token || again()
    }

    /// Whether it is, or was a moment ago, this session's access token.
    pub(super) fn knows(&self, access_token: &str) -> bool {
        self.access_token == access_token
            || self.access_token_before.as_deref() == Some(access_token)
    }

    /// Whether this token, of either kind, is good for anything.
    pub(super) fn holds(&self, token: &str, now: Instant) -> bool {
        self.refresh_token == token || (self.access_token == token && self.expires > now)
    }
}
