//! What of a session is on disk: as it is when it is complete, and as much as it takes to end it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use ruma::{OwnedDeviceId, OwnedUserId};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{oauth::Tokens, secret::Secret};

/// A signed-in session: everything that a later process needs, next to the encryption store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredSession {
    /// The base URL of the Client-Server API.
    pub homeserver: Url,
    /// The OAuth server.
    pub issuer: Url,
    /// Where its owner can see and remove the devices of the account, if the server said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_management_uri: Option<Url>,
    /// Who this client is to the OAuth server.
    pub client_id: String,
    /// When the access token expires, in seconds since 1970, if the server said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The session itself.
    pub user: UserSession,
}

/// The part of a [`StoredSession`] that is matrix-sdk's `UserSession`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserSession {
    /// Whose session it is.
    pub user_id: OwnedUserId,
    /// Which device it is.
    pub device_id: OwnedDeviceId,
    /// For the `Authorization` header.
    pub access_token: Secret,
    /// For new tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
}

impl StoredSession {
    /// The same session after a refresh that has just been answered. A refresh token that was not
    /// replaced stays.
    #[must_use]
    pub fn refreshed(mut self, tokens: &Tokens) -> Self {
        self.expires_at = expiry(tokens);
        self.user.access_token = tokens.access_token.clone();
        self.user.refresh_token = tokens.refresh_token.clone().or(self.user.refresh_token);
        self
    }

    /// How long the access token still lives at least, if that is known.
    pub fn time_left(&self) -> Option<Duration> {
        self.time_left_at(since_1970())
    }

    /// Not in whole seconds: one that lives for 9.1 s is not good for 10 s.
    pub(super) fn time_left_at(&self, now: Duration) -> Option<Duration> {
        Some(Duration::from_secs(self.expires_at?).saturating_sub(now))
    }
}

/// When tokens that have just been given expire, to the second and never too late.
pub(crate) fn expiry(tokens: &Tokens) -> Option<u64> {
    Some(since_1970().saturating_add(tokens.expires_in?).as_secs())
}

fn since_1970() -> Duration {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
}

/// What is needed to end a session on the server. It reads from a [`StoredSession`]'s JSON, too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocable {
    /// The base URL of the Client-Server API.
    pub homeserver: Url,
    /// The OAuth server that gave the tokens.
    pub issuer: Url,
    /// Where its owner can see and remove the devices of the account, if the server said it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_management_uri: Option<Url>,
    /// Who this client is to the OAuth server.
    pub client_id: String,
    /// The device and its tokens.
    pub user: RevocableUser,
}

/// The device of a [`Revocable`], and its tokens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocableUser {
    /// Whose device it is, once that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_id: Option<OwnedUserId>,
    /// Which device it is.
    pub device_id: OwnedDeviceId,
    /// For the `Authorization` header.
    pub access_token: Secret,
    /// For new tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<Secret>,
}

impl Revocable {
    /// The same after a refresh. A refresh token that was not replaced stays.
    #[must_use]
    pub fn refreshed(mut self, tokens: &Tokens) -> Self {
        self.user.access_token = tokens.access_token.clone();
        self.user.refresh_token = tokens.refresh_token.clone().or(self.user.refresh_token);
        self
    }

    /// Its tokens.
    pub fn tokens(&self) -> Tokens {
        let RevocableUser {
            access_token,
            refresh_token,
            ..
        } = self.user.clone();
        Tokens {
            access_token,
            refresh_token,
            expires_in: None,
        }
    }

    /// The device, as a person would call it.
    pub fn device(&self) -> String {
        match &self.user.user_id {
            Some(user_id) => format!("the device {} of {user_id}", self.user.device_id),
            None => format!("the device {} of your account", self.user.device_id),
        }
    }

    /// Where its owner can remove the device by hand.
    pub fn place(&self) -> String {
        place(self.account_management_uri.as_ref())
    }
}

/// Where a person can remove a device by hand, as the end of a sentence.
pub(crate) fn place(account_management_uri: Option<&Url>) -> String {
    match account_management_uri {
        Some(url) => format!("in your account at {url}"),
        None => "in your account's settings, for example from another device".to_owned(),
    }
}

impl From<&StoredSession> for Revocable {
    fn from(session: &StoredSession) -> Self {
        let UserSession {
            user_id,
            device_id,
            access_token,
            refresh_token,
        } = session.user.clone();
        Self {
            homeserver: session.homeserver.clone(),
            issuer: session.issuer.clone(),
            account_management_uri: session.account_management_uri.clone(),
            client_id: session.client_id.clone(),
            user: RevocableUser {
                user_id: Some(user_id),
                device_id,
                access_token,
                refresh_token,
            },
        }
    }
}
