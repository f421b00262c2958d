//! Signing a device out: a complete session, or what an interrupted sign-in left.

use std::path::Path;

use matrix_qr_protocol::error::UserError;
use url::Url;

use crate::{
    access::Access,
    end_session::{SignOutOutcome, end, unknown},
    http::{Http, Policy},
    oauth::Tokens,
    session::{Revocable, SessionDir, SessionError, SessionLock, io_error, place},
};

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
    /// Whether its sign-in was interrupted: then the device was never used.
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
                let remains = remains?;
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

/// Otherwise the command is at fault, and nothing is known about the session.
fn may_be_asked(policy: Policy, homeserver: &Url) -> Result<(), UserError> {
    Ok(policy.check(homeserver)?)
}

/// Removes what is kept of a session from this machine, without contacting any server. The device
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
    let _lock: SessionLock = lock?;
    // What cannot be read can still be removed.
    let revocable = match interrupted {
        true => directory.load_pending().unwrap_or_default(),
        false => directory.load().ok().as_ref().map(Revocable::from),
    };
    directory.wipe()?;
    Ok(Subject::of(revocable.as_ref(), interrupted))
}

impl Subject {
    fn of(revocable: Option<&Revocable>, interrupted: bool) -> Self {
        let user = revocable.map(|revocable| &revocable.user);
        let user_id = user.and_then(|user| user.user_id.as_ref());
        Self {
            user_id: user_id.map(ToString::to_string),
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
        let http = Http::new(policy).map_err(|error| io_error(directory.path(), error))?;
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

    /// The tokens were never anywhere except in this directory, and each refresh of them was kept:
    /// if they are void, their session has ended.
    pub(crate) async fn clear(self) -> Result<(), UserError> {
        if let Some(revocable) = &self.revocable {
            let refreshed = |fresh: &Tokens| revocable.clone().refreshed(fresh);
            let keep = |fresh: &Tokens| self.directory.save_pending(&refreshed(fresh));
            if let SignOutOutcome::Unknown(why) = end(&self.http, revocable.clone(), keep).await {
                return Err(unknown(revocable, &why));
            }
        }
        Ok(self.directory.wipe()?)
    }
}
