//! The access of a device that is signed in: its session on disk, and tokens that are good.
//!
//! There is no encryption here: a token can be had, and a device signed out, whatever has become of
//! its keys.

use std::{path::Path, time::Duration};

use matrix_qr_protocol::error::{Cause, UserError};
use tokio::sync::Mutex;

use crate::{
    discovery,
    end_session::{self, SignOutOutcome},
    homeserver::{Homeserver, HomeserverError},
    http::{Http, Policy},
    oauth::{OAuth, Tokens},
    retry::patiently,
    session::{Revocable, SessionDir, SessionError, SessionLock, StoredSession},
    user_error::ToUserError,
};

mod error;
mod token;

pub(crate) use self::error::{AccessError, SessionEnd};
pub use self::token::{AccessToken, Standing, access_token, standing};

/// How long another process may have the directory that only wants to refresh the token, too.
const SHARED: Duration = Duration::from_secs(30);

/// A session that this process alone uses.
pub(crate) struct Access {
    directory: SessionDir,
    session: Mutex<StoredSession>,
    http: Http,
    homeserver: Homeserver,
    _lock: SessionLock,
}

impl Access {
    /// Contacts nobody.
    pub(crate) fn open(directory: &Path, policy: Policy) -> Result<Self, UserError> {
        let directory = SessionDir::new(directory);
        let lock = directory.lock().map_err(|error| error.to_user_error())?;
        let http = Http::new(policy).map_err(|error| error.to_user_error())?;
        Self::locked(directory, lock, http).map_err(|error| error.to_user_error())
    }

    fn locked(directory: SessionDir, lock: SessionLock, http: Http) -> Result<Self, SessionError> {
        let session = directory.load()?;
        let homeserver = homeserver(&http, &session);
        Ok(Self {
            directory,
            session: Mutex::new(session),
            http,
            homeserver,
            _lock: lock,
        })
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn homeserver(&self) -> &Homeserver {
        &self.homeserver
    }

    pub(crate) async fn session(&self) -> StoredSession {
        self.session.lock().await.clone()
    }

    /// Asks the homeserver whether the access token still holds, and refreshes it where it does
    /// not.
    pub(crate) async fn stay_signed_in(&self) -> Result<(), AccessError> {
        match self.homeserver.whoami().await {
            Err(HomeserverError::Expired) => self.refresh().await,
            other => other.map(drop).map_err(AccessError::from),
        }
    }

    /// The new tokens are on disk before they are used: the old refresh token may already be worth
    /// nothing. If the answer is lost, the same refresh is asked for again: without an answer the
    /// session is lost, whatever the server makes of that.
    async fn refresh(&self) -> Result<(), AccessError> {
        let mut session = self.session.lock().await;
        let Some(refresh_token) = &session.user.refresh_token else {
            return Err(SessionEnd::Expired.into());
        };
        let oauth = self.oauth(&session).await?;
        let tokens = patiently(|| oauth.refresh(refresh_token))
            .await
            .map_err(AccessError::from)?;
        let refreshed = session.clone().refreshed(&tokens);
        self.directory
            .save(&refreshed)
            .map_err(|error| error.to_user_error())?;
        *session = refreshed;
        self.homeserver.replace_token(tokens.access_token).await;
        match self.homeserver.whoami().await {
            Err(HomeserverError::Expired) => Err(SessionEnd::Refused.into()),
            other => other.map(drop).map_err(AccessError::from),
        }
    }

    async fn oauth(&self, session: &StoredSession) -> Result<OAuth, UserError> {
        let find = || discovery::server_metadata(&self.http, &session.homeserver);
        let metadata = patiently(find)
            .await
            .map_err(|error| error.to_user_error())?;
        // The refresh token goes to the server that gave it, and to no other.
        if metadata.issuer != session.issuer {
            let what = format!(
                "the homeserver now names another OAuth server ({})",
                metadata.issuer
            );
            return Err(UserError::new(
                Cause::Homeserver,
                what,
                "Ask its administrator, then sign in again.",
            ));
        }
        Ok(OAuth::resume(
            self.http.clone(),
            metadata,
            session.client_id.clone(),
        ))
    }

    /// Ends the session on the server, and removes it from this machine once it is seen to have
    /// ended.
    pub(crate) async fn sign_out(&self) -> Result<(), UserError> {
        let session = self.session().await;
        let revocable = Revocable::from(&session);
        let keep = |fresh: &Tokens| self.directory.save(&session.clone().refreshed(fresh));
        match end_session::end(&self.http, revocable.clone(), keep).await {
            SignOutOutcome::Ended => self.forget(),
            SignOutOutcome::Void => Err(end_session::void(&revocable)),
            SignOutOutcome::Unknown(why) => Err(end_session::unknown(&revocable, &why)),
        }
    }

    /// Removes the session from this machine, without a word to the server.
    pub(crate) fn forget(&self) -> Result<(), UserError> {
        self.directory.wipe().map_err(|error| error.to_user_error())
    }
}

fn homeserver(http: &Http, session: &StoredSession) -> Homeserver {
    Homeserver::new(
        http.clone(),
        session.homeserver.clone(),
        session.user.access_token.clone(),
    )
}
