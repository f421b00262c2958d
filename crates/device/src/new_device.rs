//! Signing in as the new device.

use std::path::PathBuf;

use matrix_qr_protocol::{driver, error::Error, qr::ShownBy, revision::Dialect};
use ruma::OwnedUserId;
use url::Url;

use crate::{
    device_name::DeviceName,
    encryption::BackupState,
    host::{HostAdapter, open_session},
    http::{Http, Policy},
    oauth::Client,
    person::{Person, ProgressEvent},
    random::rng,
    session::{SessionDir, SessionLock},
    showing::Showing,
    silence::{explained, unanswered_login},
    start::{Start, unless_cancelled},
    user_error::ToUserError,
};

mod account;
mod duties;
mod given;
mod import;
mod remains;

use self::duties::NewDevice;

/// What a sign-in needs to know.
#[derive(Debug, Clone)]
pub struct SignInOptions {
    /// Where the session and the encryption store will live. It must be empty or not exist.
    pub directory: PathBuf,
    /// Which servers may be spoken to.
    pub policy: Policy,
    /// Which reading of the text this device follows where it is the one to choose.
    pub dialect: Dialect,
    /// Which revision it follows when it shows the code.
    pub showing: Showing,
    /// Who this client is to the authorization server.
    pub client: Client,
    /// The only account that this device may become one of. Without it the person is asked
    /// ([`Person::confirm_account`]).
    pub user: Option<OwnedUserId>,
    /// What the device is to be called.
    pub name: DeviceName,
}

/// A new device that is signed in, verified and on disk.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Whose device it is.
    pub user_id: String,
    /// Which device it is.
    pub device_id: String,
    /// The homeserver's base URL.
    pub homeserver: Url,
    /// Who verified it: the account's public master key in unpadded base64.
    pub master_key: String,
    /// What became of the key backup.
    pub backup: BackupState,
}

/// Signs this machine in as a new device, with the help of one that is signed in already.
///
/// # Errors
///
/// Why it ended. No token, no device and no file is left behind then; where one had to be, the
/// person was told. As long as a token is not seen to be revoked, what it takes to revoke it stays
/// in the directory; the next sign-in there tries it again.
pub async fn sign_in<P: Person>(
    setup: &SignInOptions,
    start: Start,
    person: &P,
) -> Result<SignedIn, Error> {
    let directory = SessionDir::new(&setup.directory);
    let lock = remains::claim(&directory, setup.policy, person).await?;
    let attempt = Box::pin(attempt((setup, &directory), start, person)).await;
    if attempt.is_err() {
        clean_up(&directory, lock, person);
    }
    attempt
}

async fn attempt<P: Person>(
    (setup, directory): (&SignInOptions, &SessionDir),
    start: Start,
    person: &P,
) -> Result<SignedIn, Error> {
    let http = Http::new(setup.policy).map_err(|error| Error::NotSetUp(error.to_user_error()))?;
    person.tell(ProgressEvent::Checking);
    let rendezvous = unless_cancelled(person, async {
        explained(
            person,
            unanswered_login,
            Box::pin(duties::check_homeserver(&http, &start)),
        )
        .await?;
        open_session(&http, (&start, setup.showing), None, person).await
    })
    .await?;
    let location = rendezvous.location().clone();
    let host = HostAdapter::new(
        rendezvous,
        person,
        NewDevice::new(setup, (http, directory), person),
    );
    // Boxed, here and elsewhere: what is in it is deep, and this may run on a small stack.
    let end = host.while_reporting(Box::pin(async {
        match &start {
            Start::Show(_) => {
                driver::show(&host, (location, setup.dialect), ShownBy::New, &mut rng()).await
            }
            Start::Scan(code) => driver::scan(&host, code, (setup.dialect, None), &mut rng()).await,
        }
    }));
    let end = end.await.map_err(|error| host.explained(error));
    host.device.close(end).await
}

/// What was written until the end is removed, but for what it takes to revoke a token that still
/// lives; what cannot be is named.
fn clean_up<P: Person>(directory: &SessionDir, lock: SessionLock, person: &P) {
    let wiped = directory.wipe_failed();
    drop(lock);
    if let Err(error) = wiped {
        person.tell(ProgressEvent::LeftBehind(&error.to_string()));
    }
}
