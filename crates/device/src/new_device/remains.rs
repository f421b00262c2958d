//! A sign-in that was killed leaves its directory behind: the next one first signs its device out.

use matrix_qr_protocol::error::Error;

use crate::{
    http::Policy,
    person::{Person, ProgressEvent},
    session::{SessionDir, SessionError, SessionLock},
    sign_out::Remains,
    start::unless_cancelled,
    user_error::ToUserError,
};

/// Locks a directory that is empty, or that holds what an interrupted sign-in left.
pub(super) async fn claim<P: Person>(
    directory: &SessionDir,
    policy: Policy,
    person: &P,
) -> Result<SessionLock, Error> {
    match directory.create() {
        Err(SessionError::Interrupted { .. }) => {
            clear(directory, policy, person).await?;
            directory.create()
        }
        created => created,
    }
    .map_err(|error| Error::NotSetUp(error.to_user_error()))
}

async fn clear<P: Person>(directory: &SessionDir, policy: Policy, person: &P) -> Result<(), Error> {
    let remains =
        Remains::take(directory, policy).map_err(|error| Error::NotSetUp(error.to_user_error()))?;
    let device_id = remains.subject().device_id;
    let cleared = async { remains.clear().await.map_err(Error::NotSetUp) };
    unless_cancelled(person, cleared).await?;
    person.tell(ProgressEvent::Cleared {
        device_id: device_id.as_deref(),
    });
    Ok(())
}
