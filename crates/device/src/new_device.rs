//! Signing in as the new device.

use std::{future::ready, pin::pin, sync::Arc};

use matrix_qr_protocol::{driver, error::Error};

use crate::{
    host::{HostAdapter, open_session},
    http::Http,
    keys::KeyHolder,
    person::{Person, ProgressEvent},
    random::rng,
    session::{SessionDir, SessionLock},
    silence::{explained, unanswered_login},
    start::{Start, open_while, unless_cancelled},
    user_error::ToUserError,
};

mod account;
mod duties;
mod import;
mod oauth_server;
mod options;
mod progress;
mod remains;
mod take_back;

pub use self::options::{SignInOptions, SignedIn};
use self::{
    duties::NewDevice,
    oauth_server::{OAuthServer, check_start},
};

/// Signs this machine in as a new device, with the help of one that is already signed in. `keys`
/// makes the device's keys, and keeps them with the account's secrets; the session is stored in the
/// directory.
///
/// # Errors
///
/// Why it ended. No token, no device and no file is left behind then; where one had to be, that was
/// reported to the person. Until a token is confirmed as revoked, what is needed to revoke it stays
/// in the directory, and the next sign-in there tries again.
pub async fn sign_in<P: Person, K: KeyHolder>(
    options: &SignInOptions,
    start: Start,
    person: &P,
    keys: Arc<K>,
) -> Result<SignedIn, Error> {
    let directory = SessionDir::new(&options.directory);
    let lock = remains::claim(&directory, options.policy, person).await?;
    let attempt = Box::pin(attempt(options, &directory, start, person, keys)).await;
    if attempt.is_err() {
        clean_up(&directory, lock, person);
    }
    attempt
}

async fn attempt<P: Person, K: KeyHolder>(
    options: &SignInOptions,
    directory: &SessionDir,
    start: Start,
    person: &P,
    keys: Arc<K>,
) -> Result<SignedIn, Error> {
    let http = Http::new(options.policy).map_err(|error| Error::NotSetUp(error.to_user_error()))?;
    person.tell(ProgressEvent::Checking);
    let server = OAuthServer::expected(&http, options, &start);
    let mut early = pin!(OAuthServer::prepare(server.as_ref()));
    let checked = Box::pin(check_start(&http, &start));
    unless_cancelled(person, explained(person, unanswered_login, checked)).await?;
    let session = |base| open_session(&http, &start, base, options.showing, None, person);
    let rendezvous = match (&start, &server) {
        (Start::Show(_), Some(server)) => {
            let base = Box::pin(async { Ok(server.base().await?) });
            let base = explained(person, unanswered_login, base);
            let base = unless_cancelled(person, base).await?;
            let check = async { Ok(server.metadata().await?) };
            let check = explained(person, unanswered_login, Box::pin(check));
            open_while(check, session(Some(base)), &start, person)
                .await?
                .1
        }
        _ => tokio::select! {
            opened = open_while(ready(Ok(())), session(None), &start, person) => opened?.1,
            never = &mut early => match never {},
        },
    };
    let location = rendezvous.location().clone();
    let device = NewDevice::new(options, http, server.as_ref(), directory, person, keys);
    let host = HostAdapter::new(rendezvous, person, device);
    // Boxed, here and elsewhere: what is in it is deep, and this may run on a small stack.
    let end = host.while_reporting(Box::pin(async {
        let (dialect, rng) = (options.dialect, &mut rng());
        match &start {
            Start::Show(_) => driver::show_as_new_device(&host, location, dialect, rng).await,
            Start::Scan(code) => driver::scan_as_new_device(&host, code, dialect, rng).await,
        }
    }));
    let end = tokio::select! {
        end = end => end,
        never = &mut early => match never {},
    };
    let end = end.map_err(|error| host.explained(error));
    host.device.close(end).await
}

/// Removes what was written, except for what it takes to revoke a token that is still valid. What
/// cannot be removed is reported.
fn clean_up<P: Person>(directory: &SessionDir, lock: SessionLock, person: &P) {
    let wiped = directory.wipe_failed();
    drop(lock);
    if let Err(error) = wiped {
        person.tell(ProgressEvent::LeftBehind(&error.to_string()));
    }
}
