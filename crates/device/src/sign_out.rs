//! The end of a session on the server, and how far it can be seen.
//!
//! RFC 7009, section 2.2: a server answers 200 for a token that it does not know, too. So a
//! revocation says nothing by itself. The tokens are first refreshed, which shows that they are
//! those of a session that lives; then revoked; then tried.

use std::{path::Path, time::Duration};

use matrix_qr_protocol::error::{Cause, UserError};
use tokio::time::{sleep, timeout};
use url::Url;

use crate::{
    access::Access,
    discovery::{self, DiscoveryError, ServerMetadata},
    homeserver::{Effort, Homeserver, HomeserverError},
    http::{Http, Policy},
    oauth::{OAuth, Tokens},
    retry::briefly,
    session::{Revocable, SessionDir, SessionError, SessionLock, place},
    user_error::ToUserError,
};

/// What became of a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SignOutOutcome {
    /// It lived, and it has ended.
    Ended,
    /// Its tokens were worth nothing before: it ended earlier, or others have its newer tokens.
    Void,
    /// It may live on, because of this.
    Unknown(String),
}

/// How long it may take to find the server that gave the tokens, where connections hang.
const FIND: Duration = Duration::from_secs(20);
/// How long a homeserver may go on to take a token that was revoked: it may have to be told first.
const UNTIL_REFUSED: [Duration; 3] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// A session, or the remains of an interrupted sign-in, about to be signed out.
pub struct SignOut(Kept);

enum Kept {
    Session {
        access: Box<Access>,
        subject: Subject,
    },
    Remains(Box<Remains>),
}

/// Whose device is signed out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The account, if it is known.
    pub user_id: Option<String>,
    /// The device, if it is known.
    pub device_id: Option<String>,
    /// Whether its sign-in was interrupted: it never came to be used.
    pub interrupted: bool,
    /// Where it can be removed by hand, as the end of a sentence.
    pub place: String,
}

impl SignOut {
    /// Takes the directory. Contacts nobody.
    ///
    /// # Errors
    ///
    /// There is nothing to sign out, another process has it, or it cannot be read.
    pub async fn prepare(directory: &Path, policy: Policy) -> Result<Self, UserError> {
        match Remains::take(&SessionDir::new(directory), policy) {
            Err(SessionError::None { .. }) => {}
            remains => {
                let remains = remains.map_err(|error| error.to_user_error())?;
                let session = remains.revocable.as_ref();
                session.map_or(Ok(()), |session| may_be_asked(policy, &session.homeserver))?;
                return Ok(Self(Kept::Remains(Box::new(remains))));
            }
        }
        let access = Box::new(Access::open(directory, policy)?);
        let session = Revocable::from(&access.session().await);
        may_be_asked(policy, &session.homeserver)?;
        let subject = Subject::of(Some(&session), false);
        Ok(Self(Kept::Session { access, subject }))
    }

    /// Whose device it is.
    pub fn subject(&self) -> Subject {
        match &self.0 {
            Kept::Session { subject, .. } => subject.clone(),
            Kept::Remains(remains) => remains.subject(),
        }
    }

    /// Ends the session on the server, and removes it from this machine once it is seen to have
    /// ended.
    ///
    /// # Errors
    ///
    /// That could not be seen: nothing was removed.
    pub async fn everywhere(self) -> Result<(), UserError> {
        match self.0 {
            Kept::Session { access, .. } => access.sign_out().await,
            Kept::Remains(remains) => remains.clear().await,
        }
    }
}

/// Else it is this command that is at fault, and nothing is known of the session.
fn may_be_asked(policy: Policy, homeserver: &Url) -> Result<(), UserError> {
    policy
        .check(homeserver)
        .map_err(|error| error.to_user_error())
}

/// Removes what is kept of a session from this machine, without a word to any server. The device
/// stays in the account until somebody removes it there.
///
/// # Errors
///
/// There is nothing of ours, another process has it, or something could not be removed.
pub fn sign_out_here(directory: &Path) -> Result<Subject, UserError> {
    let directory = SessionDir::new(directory);
    let (lock, interrupted) = match directory.lock_remains() {
        Err(SessionError::None { .. }) => (directory.lock(), false),
        lock => (lock, true),
    };
    let _lock: SessionLock = lock.map_err(|error| error.to_user_error())?;
    // What cannot be read can still be removed.
    let revocable = match interrupted {
        true => directory.load_pending().unwrap_or_default(),
        false => directory.load().ok().as_ref().map(Revocable::from),
    };
    directory.wipe().map_err(|error| error.to_user_error())?;
    Ok(Subject::of(revocable.as_ref(), interrupted))
}

impl Subject {
    fn of(revocable: Option<&Revocable>, interrupted: bool) -> Self {
        let user = revocable.map(|revocable| &revocable.user);
        Self {
            user_id: user
                .and_then(|user| user.user_id.as_ref())
                .map(ToString::to_string),
            device_id: user.map(|user| user.device_id.to_string()),
            interrupted,
            place: revocable.map_or_else(|| place(None), Revocable::place),
        }
    }
}

/// What an interrupted sign-in left, or a sign-out that was interrupted after the server's part.
pub(crate) struct Remains {
    directory: SessionDir,
    http: Http,
    revocable: Option<Revocable>,
    _lock: SessionLock,
}

impl Remains {
    pub(crate) fn take(directory: &SessionDir, policy: Policy) -> Result<Self, SessionError> {
        let lock = directory.lock_remains()?;
        let http = Http::new(policy).map_err(|error| SessionError::Io {
            path: directory.path().to_owned(),
            why: error.to_string(),
        })?;
        let revocable = directory.load_pending()?;
        Ok(Self {
            directory: directory.clone(),
            http,
            revocable,
            _lock: lock,
        })
    }

    pub(crate) fn subject(&self) -> Subject {
        Subject::of(self.revocable.as_ref(), true)
    }

    /// Nobody but this directory ever had the tokens, and each refresh of them was kept: where they
    /// are void, their session has ended.
    pub(crate) async fn clear(self) -> Result<(), UserError> {
        if let Some(revocable) = &self.revocable {
            let keep = |fresh: &Tokens| {
                self.directory
                    .save_pending(&revocable.clone().refreshed(fresh))
            };
            if let SignOutOutcome::Unknown(why) = end(&self.http, revocable.clone(), keep).await {
                return Err(unknown(revocable, &why));
            }
        }
        self.directory.wipe().map_err(|error| error.to_user_error())
    }
}

/// The server says nothing about it.
pub(crate) fn void(session: &Revocable) -> UserError {
    UserError::new(
        Cause::AuthorizationServer,
        format!(
            "{} may still be signed in: the tokens that are kept here are worth nothing, because the session has ended or a copy \
             of its directory is in use elsewhere",
            session.device()
        ),
        format!(
            "Look whether it is listed {}, and remove it there. Then clear it here with `matrix-qr logout --local`.",
            session.place()
        ),
    )
}

pub(crate) fn unknown(session: &Revocable, why: &str) -> UserError {
    UserError::new(
        Cause::AuthorizationServer,
        format!("{} may still be signed in: {why}", session.device()),
        format!(
            "Its tokens are kept: run `matrix-qr logout` again later. Or remove it {}, and clear it here with `matrix-qr logout \
             --local`.",
            session.place()
        ),
    )
}

/// Ends a session. Each set of fresh tokens is given to `keep` before it is used: who is
/// interrupted can go on with them.
pub(crate) async fn end(
    http: &Http,
    session: Revocable,
    keep: impl Fn(&Tokens) -> Result<(), SessionError>,
) -> SignOutOutcome {
    match timeout(FIND, briefly(|| authorization_server(http, &session))).await {
        Ok(Ok(metadata)) => {
            let oauth = OAuth::resume(http.clone(), metadata, session.client_id.clone());
            end_at(&oauth, http, session, keep).await
        }
        Ok(Err(error)) => SignOutOutcome::Unknown(reason(&error.to_string())),
        Err(_) => SignOutOutcome::Unknown("its servers did not answer in time".to_owned()),
    }
}

/// What an error says has its advice behind a semicolon; there is another advice here.
fn reason(text: &str) -> String {
    text.split_once("; ")
        .map_or(text, |(what, _)| what)
        .to_owned()
}

/// The one that gave the tokens. Where the homeserver does not name it (any more), or does not
/// answer, it is asked itself.
async fn authorization_server(
    http: &Http,
    session: &Revocable,
) -> Result<ServerMetadata, DiscoveryError> {
    match discovery::server_metadata(http, &session.homeserver).await {
        Ok(metadata) if metadata.issuer == session.issuer => Ok(metadata),
        _ => discovery::issuer_metadata(http, &session.issuer).await,
    }
}

/// The same, where the server is known.
pub(crate) async fn end_at(
    oauth: &OAuth,
    http: &Http,
    session: Revocable,
    keep: impl Fn(&Tokens) -> Result<(), SessionError>,
) -> SignOutOutcome {
    let (session, fresh) = match refreshed(oauth, &session).await {
        Some(tokens) => {
            if let Err(error) = keep(&tokens) {
                tracing::debug!(%error, "the refreshed tokens are not kept");
            }
            (session.refreshed(&tokens), true)
        }
        None => (session, false),
    };
    let token = session.user.access_token.clone();
    let homeserver = Homeserver::new(http.clone(), session.homeserver.clone(), token);
    let lived = fresh || homeserver.whoami_within(Effort::BRIEF).await.is_ok();
    if let Err(error) = oauth.revoke(&session.tokens()).await {
        return SignOutOutcome::Unknown(reason(&error.to_string()));
    }
    match refusal(&homeserver, oauth, &session).await {
        Ok(()) if lived => SignOutOutcome::Ended,
        Ok(()) => SignOutOutcome::Void,
        Err(why) => SignOutOutcome::Unknown(why),
    }
}

/// A homeserver may remember for minutes that a token was good. It has not seen a fresh one.
async fn refreshed(oauth: &OAuth, session: &Revocable) -> Option<Tokens> {
    let refresh_token = session.user.refresh_token.as_ref()?;
    briefly(|| oauth.refresh(refresh_token)).await.ok()
}

/// Sees the token refused, by the homeserver; where that cannot be asked, by the server that gave
/// it.
async fn refusal(
    homeserver: &Homeserver,
    oauth: &OAuth,
    session: &Revocable,
) -> Result<(), String> {
    for pause in UNTIL_REFUSED {
        match homeserver.whoami_within(Effort::BRIEF).await {
            Err(HomeserverError::Expired) => return Ok(()),
            Ok(_) => sleep(pause).await,
            Err(error) => {
                return refused_at_issuer(oauth, session, &reason(&error.to_string())).await;
            }
        }
    }
    Err("the homeserver still takes its token after it was revoked".to_owned())
}

async fn refused_at_issuer(oauth: &OAuth, session: &Revocable, why: &str) -> Result<(), String> {
    let Some(refresh_token) = &session.user.refresh_token else {
        return Err(why.to_owned());
    };
    match briefly(|| oauth.refresh(refresh_token)).await {
        Err(error) if error.is_invalid_grant() => Ok(()),
        Ok(_) => Err("its tokens can still be refreshed after they were revoked".to_owned()),
        Err(_) => Err(why.to_owned()),
    }
}
