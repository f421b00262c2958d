//! The access of a signed-in device: its session on disk, and valid tokens.
//!
//! Nothing here needs the encryption keys: a token can be fetched, and a device signed out, even if
//! the keys are lost or damaged.

use std::{path::Path, sync::Arc};

use matrix_qr_protocol::error::UserError;
use tokio::sync::Mutex;

use crate::{
    client_server_api::{Effort, Homeserver, HomeserverError},
    end_session::{self, SignOutOutcome},
    http::{Http, Policy},
    oauth::Tokens,
    secret::Secret,
    session::{Revocable, SessionDir, SessionError, SessionLock, StoredSession},
};

mod error;
mod kept;

pub(crate) use self::error::{AccessError, SessionEnd};
use self::kept::{Kept, renewal, renewed};

/// A session that this process alone uses, and its homeserver.
pub(crate) struct Access {
    directory: SessionDir,
    kept: Arc<Mutex<Kept>>,
    http: Http,
    homeserver: Homeserver,
}

impl Access {
    /// Contacts nobody.
    pub(crate) fn open(directory: &Path, policy: Policy) -> Result<Self, UserError> {
        let directory = SessionDir::new(directory);
        let lock = directory.lock()?;
        Ok(Self::locked(directory, lock, Http::new(policy)?)?)
    }

    /// The same, with what the caller has already.
    pub(crate) fn locked(
        directory: SessionDir,
        lock: SessionLock,
        http: Http,
    ) -> Result<Self, SessionError> {
        let session = directory.load()?;
        let plain = with_token_of(&session, &http);
        let kept = Kept {
            directory: directory.clone(),
            http: http.clone(),
            session,
            _lock: lock,
        };
        let kept = Arc::new(Mutex::new(kept));
        let homeserver = plain.renewing(renewal(&kept));
        Ok(Self {
            directory,
            kept,
            http,
            homeserver,
        })
    }

    pub(crate) fn http(&self) -> &Http {
        &self.http
    }

    pub(crate) fn homeserver(&self) -> &Homeserver {
        &self.homeserver
    }

    pub(crate) async fn session(&self) -> StoredSession {
        self.kept.lock().await.session.clone()
    }

    /// Asks the homeserver whether the access token is still valid, and refreshes it if it is
    /// not.
    pub(crate) async fn stay_signed_in(&self) -> Result<(), AccessError> {
        let session = self.session().await;
        match accepted(&session, &self.http, Effort::REPEATABLE).await {
            Err(HomeserverError::Expired) => self.refresh(&session.user.access_token).await,
            other => other.map_err(AccessError::from),
        }
    }

    /// Replaces this token, and checks that the homeserver accepts the new one.
    pub(crate) async fn refresh(&self, refused: &Secret) -> Result<(), AccessError> {
        let token = renewed(self.kept.clone(), refused).await?;
        self.homeserver.replace_token(token).await;
        match accepted(&self.session().await, &self.http, Effort::REPEATABLE).await {
            Err(HomeserverError::Expired) => Err(SessionEnd::Refused.into()),
            other => other.map_err(AccessError::from),
        }
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

    /// Removes the session from this machine, without contacting the server.
    pub(crate) fn forget(&self) -> Result<(), UserError> {
        Ok(self.directory.wipe()?)
    }
}

/// Whether the homeserver accepts the session's token, as that of this device.
pub(crate) async fn accepted(
    session: &StoredSession,
    http: &Http,
    effort: Effort,
) -> Result<(), HomeserverError> {
    let who = with_token_of(session, http).whoami_within(effort).await?;
    let user = &session.user;
    if (&who.user_id, &who.device_id) == (&user.user_id, &user.device_id) {
        Ok(())
    } else {
        let what = "this session's token is for another account or device";
        Err(HomeserverError::malformed(what))
    }
}

/// The homeserver, with the session's token as it is.
fn with_token_of(session: &StoredSession, http: &Http) -> Homeserver {
    let (base, token) = (
        session.homeserver.clone(),
        session.user.access_token.clone(),
    );
    Homeserver::new(http.clone(), base, token)
}
