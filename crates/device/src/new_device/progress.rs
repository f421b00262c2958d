//! The progress of a new device: what it requested, what it received, and which part of that
//! is stored on disk.

use std::sync::Arc;

use ruma::{OwnedDeviceId, OwnedUserId};
use url::Url;

use super::options::SignedIn;
use crate::{
    oauth::{DeviceAuthorization, OAuth, Tokens},
    session::{Revocable, RevocableUser, StoredSession, UserSession, expiry},
};

/// The progress of a new device.
#[derive(Clone)]
pub(super) enum SignInProgress {
    /// No authorization was requested.
    Begun,
    /// The person decides.
    Asked(Arc<PendingAuthorization>),
    /// There are tokens, and so there is something to revoke.
    Granted(Arc<GrantedTokens>),
    /// They are for the right account.
    Accepted(Arc<AcceptedAccount>),
    /// The session is on disk.
    SignedIn(Arc<AcceptedAccount>, Box<SignedIn>),
}

/// An authorization that was requested.
pub(super) struct PendingAuthorization {
    pub(super) base: Url,
    pub(super) oauth: OAuth,
    pub(super) authorization: DeviceAuthorization,
    pub(super) device_id: OwnedDeviceId,
}

/// An authorization that was granted.
pub(super) struct GrantedTokens {
    pub(super) asked: Arc<PendingAuthorization>,
    pub(super) tokens: Tokens,
    /// When the access token expires, in seconds since 1970.
    pub(super) expires_at: Option<u64>,
}

/// The account that it was given for.
pub(super) struct AcceptedAccount {
    pub(super) grant: Arc<GrantedTokens>,
    pub(super) user_id: OwnedUserId,
}

impl GrantedTokens {
    pub(super) fn new(asked: Arc<PendingAuthorization>, tokens: Tokens) -> Self {
        Self {
            asked,
            expires_at: expiry(&tokens),
            tokens,
        }
    }

    /// What is needed to revoke it.
    pub(super) fn revocable(&self, user_id: Option<&OwnedUserId>) -> Revocable {
        let asked = &self.asked;
        Revocable {
            homeserver: asked.base.clone(),
            issuer: asked.oauth.metadata().issuer.clone(),
            account_management_uri: asked.oauth.metadata().account_management_uri.clone(),
            client_id: asked.oauth.client_id().to_owned(),
            user: RevocableUser {
                user_id: user_id.cloned(),
                device_id: asked.device_id.clone(),
                access_token: self.tokens.access_token.clone(),
                refresh_token: self.tokens.refresh_token.clone(),
            },
        }
    }
}

impl AcceptedAccount {
    /// What goes to disk at the end.
    pub(super) fn session(&self) -> StoredSession {
        let revocable = self.grant.revocable(Some(&self.user_id));
        StoredSession {
            homeserver: revocable.homeserver,
            issuer: revocable.issuer,
            account_management_uri: revocable.account_management_uri,
            client_id: revocable.client_id,
            expires_at: self.grant.expires_at,
            user: UserSession {
                user_id: self.user_id.clone(),
                device_id: revocable.user.device_id,
                access_token: revocable.user.access_token,
                refresh_token: revocable.user.refresh_token,
            },
        }
    }
}
