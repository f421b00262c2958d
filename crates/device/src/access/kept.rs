//! The session of a device that is signed in, on disk and in memory, and other tokens in place of
//! those that have ended.

use std::sync::Arc;

use matrix_qr_protocol::error::{Cause, UserError};
use tokio::sync::Mutex;

use super::error::{AccessError, SessionEnd};
use crate::{
    client_server_api::Renew,
    discovery,
    http::Http,
    oauth::OAuth,
    retry::patiently,
    secret::Secret,
    session::{SessionDir, SessionLock, StoredSession},
    user_error::{ToUserError, out_of_order},
};

/// A session that this process alone uses.
pub(super) struct Kept {
    pub(super) directory: SessionDir,
    pub(super) http: Http,
    pub(super) session: StoredSession,
    pub(super) _lock: SessionLock,
}

/// An access token in place of one that was refused. Of those who want one at once, the first
/// refreshes, and the others get the same.
pub(super) async fn renewed(
    kept: Arc<Mutex<Kept>>,
    refused: &Secret,
) -> Result<Secret, AccessError> {
    let mut kept = kept.lock_owned().await;
    let current = &kept.session.user.access_token;
    if current != refused {
        return Ok(current.clone());
    }
    // In a task of its own: the caller may stop waiting, but the answer must still be
    // stored.
    tokio::spawn(async move { kept.refresh().await })
        .await
        .unwrap_or_else(|_| Err(out_of_order().into()))
}

/// The same, for a homeserver's calls: they fail as they would have without it, and the log says
/// why there is no other token.
pub(super) fn renewal(kept: &Arc<Mutex<Kept>>) -> Renew {
    let kept = kept.clone();
    Box::new(move |refused| {
        let kept = kept.clone();
        Box::pin(async move {
            let untold = |error| tracing::info!(why = %UserError::from(error).what, "the access token is not renewed");
            renewed(kept, &refused).await.map_err(untold).ok()
        })
    })
}

impl Kept {
    /// The new tokens are on disk before they are used: the old refresh token may already be worth
    /// nothing. If the answer is lost, the same refresh is requested again: without an answer the
    /// session is lost, so a repeated refresh cannot make it worse.
    async fn refresh(&mut self) -> Result<Secret, AccessError> {
        let Some(refresh_token) = &self.session.user.refresh_token else {
            return Err(SessionEnd::Expired.into());
        };
        let oauth = self.oauth().await?;
        let tokens = patiently(|| oauth.refresh(refresh_token)).await?;
        let refreshed = self.session.clone().refreshed(&tokens);
        self.directory
            .save(&refreshed)
            .map_err(|error| error.to_user_error())?;
        self.session = refreshed;
        Ok(tokens.access_token)
    }

    async fn oauth(&self) -> Result<OAuth, UserError> {
        let find = || discovery::server_metadata(&self.http, &self.session.homeserver);
        let metadata = patiently(find).await?;
        // The refresh token goes to the server that gave it, and to no other.
        if metadata.issuer != self.session.issuer {
            let issuer = metadata.issuer;
            return Err(UserError::new(
                Cause::Homeserver,
                format!("the homeserver now names another OAuth server ({issuer})"),
                "Ask its administrator, then sign in again.",
            ));
        }
        let client_id = self.session.client_id.clone();
        Ok(OAuth::resume(self.http.clone(), metadata, client_id))
    }
}
