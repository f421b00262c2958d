//! An access token for another program, and whether the session is still valid. Concurrent callers
//! cause one refresh.

use std::{path::Path, time::Duration};

use matrix_qr_protocol::error::{Cause, UserError};

use crate::{
    access::{Access, AccessError, accepted},
    client_server_api::{Effort, HomeserverError},
    facts::Facts,
    http::{Http, Policy},
    secret::Secret,
    session::{SessionDir, StoredSession},
};

/// How long to wait for another process that has the directory: mostly it refreshes the token, too.
const SHARED: Duration = Duration::from_secs(30);

/// An access token that the homeserver accepts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessToken {
    /// For the `Authorization` header.
    pub token: Secret,
    /// When it expires, in seconds since 1970, if the server said it.
    pub expires_at: Option<u64>,
    /// How long that is from now.
    pub expires_in: Option<Duration>,
    /// Whose it is, and for which homeserver.
    pub facts: Facts,
}

/// What is known of a session that is on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The homeserver accepts its token, or a refreshed one.
    SignedIn,
    /// This is unknown: the homeserver could not be asked.
    Unknown(UserError),
}

/// The session's access token, good for at least this long; refreshed where it is not. If the
/// server does not say how long its tokens live, a refreshed one is assumed to live long enough.
///
/// # Errors
///
/// There is no session, it has ended, a server failed, or its tokens live shorter than that.
pub async fn access_token(
    directory: &Path,
    policy: Policy,
    good_for: Duration,
) -> Result<AccessToken, UserError> {
    let directory = SessionDir::new(directory);
    let http = Http::new(policy)?;
    let session = directory.load()?;
    // Without the lock: reading disturbs no other process.
    if is_good(&http, &session, good_for).await? {
        return Ok(handed_out(&session));
    }
    let lock = directory.lock_within(SHARED).await?;
    let access = Access::locked(directory, lock, http)?;
    Ok(access.token(good_for).await?)
}

/// Whether the homeserver still takes this session.
///
/// # Errors
///
/// There is none, or it has ended.
pub async fn standing(directory: &Path, policy: Policy) -> Result<Standing, UserError> {
    let directory = SessionDir::new(directory);
    let session = directory.load()?;
    match seen(&directory, &session, policy).await {
        Ok(()) => Ok(Standing::SignedIn),
        Err(AccessError::SessionEnd(end)) => Err(end.into()),
        Err(AccessError::Other(error)) => Ok(Standing::Unknown(error)),
    }
}

async fn seen(
    directory: &SessionDir,
    session: &StoredSession,
    policy: Policy,
) -> Result<(), AccessError> {
    let http = Http::new(policy).map_err(UserError::from)?;
    match accepted(session, &http, Effort::BRIEF).await {
        Err(HomeserverError::Expired) => {
            Access::open(directory.path(), policy)?
                .stay_signed_in()
                .await
        }
        other => other.map_err(AccessError::from),
    }
}

impl Access {
    /// Another process may have refreshed it while this one waited for the lock.
    async fn token(&self, good_for: Duration) -> Result<AccessToken, AccessError> {
        let session = self.session().await;
        if !is_good(self.http(), &session, good_for).await? {
            match session.user.refresh_token {
                Some(_) => self.refresh(&session.user.access_token).await?,
                None => self.stay_signed_in().await?,
            }
        }
        let session = self.session().await;
        match session.time_left() {
            Some(left) if left < good_for => Err(too_short(left, good_for).into()),
            _ => Ok(handed_out(&session)),
        }
    }
}

async fn is_good(
    http: &Http,
    session: &StoredSession,
    good_for: Duration,
) -> Result<bool, AccessError> {
    if session.time_left().is_none_or(|left| left < good_for) {
        return Ok(false);
    }
    match accepted(session, http, Effort::REPEATABLE).await {
        Err(HomeserverError::Expired) => Ok(false),
        other => other.map(|()| true).map_err(AccessError::from),
    }
}

fn handed_out(session: &StoredSession) -> AccessToken {
    AccessToken {
        token: session.user.access_token.clone(),
        expires_at: session.expires_at,
        expires_in: session.time_left(),
        facts: Facts::of(session),
    }
}

fn too_short(left: Duration, asked: Duration) -> UserError {
    let (left, asked) = (left.as_secs(), asked.as_secs());
    UserError::new(
        Cause::AuthorizationServer,
        format!("the server's access tokens are valid for {left} s, but {asked} s were requested"),
        "Request a shorter time with --for, and request tokens more often.",
    )
}
