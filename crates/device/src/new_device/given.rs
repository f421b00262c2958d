//! What a new device has asked for and been given, and what of it goes to disk.

use std::sync::OnceLock;

use ruma::{OwnedDeviceId, OwnedUserId};
use url::Url;

use crate::{
    oauth::{Authorization, OAuth, Tokens},
    session::{Revocable, RevocableUser, StoredSession, UserSession, expiry},
};

/// An authorization that was asked for.
pub(super) struct Asked {
    pub(super) base: Url,
    pub(super) oauth: OAuth,
    pub(super) authorization: Authorization,
    pub(super) device_id: OwnedDeviceId,
}

/// An authorization that was given.
pub(super) struct Account {
    pub(super) tokens: Tokens,
    /// When the access token expires.
    expires_at: Option<u64>,
    pub(super) user_id: OnceLock<OwnedUserId>,
}

impl Account {
    pub(super) fn new(tokens: Tokens) -> Self {
        Self {
            expires_at: expiry(&tokens),
            tokens,
            user_id: OnceLock::new(),
        }
    }
}

impl Asked {
    /// What it takes to take it back.
    pub(super) fn revocable(&self, account: &Account) -> Revocable {
        Revocable {
            homeserver: self.base.clone(),
            issuer: self.oauth.metadata().issuer.clone(),
            account_management_uri: self.oauth.metadata().account_management_uri.clone(),
            client_id: self.oauth.client_id().to_owned(),
            user: RevocableUser {
                user_id: account.user_id.get().cloned(),
                device_id: self.device_id.clone(),
                access_token: account.tokens.access_token.clone(),
                refresh_token: account.tokens.refresh_token.clone(),
            },
        }
    }

    pub(super) fn session(&self, account: &Account, user_id: &OwnedUserId) -> StoredSession {
        StoredSession {
            homeserver: self.base.clone(),
            issuer: self.oauth.metadata().issuer.clone(),
            account_management_uri: self.oauth.metadata().account_management_uri.clone(),
            client_id: self.oauth.client_id().to_owned(),
            expires_at: account.expires_at,
            user: UserSession {
                user_id: user_id.clone(),
                device_id: self.device_id.clone(),
                access_token: account.tokens.access_token.clone(),
                refresh_token: account.tokens.refresh_token.clone(),
            },
        }
    }
}
