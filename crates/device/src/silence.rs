//! Nobody waits for long without knowing for what.

use std::{future::Future, pin::pin, time::Duration};

use matrix_qr_protocol::{
    error::{Cause, UserError},
    login::Ask,
};
use tokio::time::timeout;

use crate::person::{Person, ProgressEvent};

/// How long a person waits without a word.
pub(crate) const SILENCE: Duration = Duration::from_secs(3);

/// Does the work, and says what is slow when it is.
pub(crate) async fn explained<P: Person, T>(
    person: &P,
    slow: impl FnOnce() -> UserError,
    work: impl Future<Output = T>,
) -> T {
    let mut work = pin!(work);
    match timeout(SILENCE, &mut work).await {
        Ok(done) => done,
        Err(_) => {
            person.tell(ProgressEvent::Problem(&slow()));
            work.await
        }
    }
}

/// What is slow while this is asked. Nothing is where a person reads and decides.
pub(crate) fn slow(ask: &Ask) -> Option<UserError> {
    let what = match ask {
        Ask::AwaitToken | Ask::OpenUri(_) | Ask::CheckCode => return None,
        Ask::RequestAuthorization(_) => return Some(unanswered_login()),
        Ask::FindDevice(_) => "the homeserver has not said yet whether the new device's ID is free",
        Ask::AwaitDevice(_) => "the homeserver does not show the new device yet",
        Ask::ExportSecrets => "the homeserver has not said yet which keys the account has",
        Ask::AwaitVerified(_) => "the new device has not signed itself yet",
        Ask::ImportSecrets(_) => "the homeserver has not taken this device's keys yet",
    };
    Some(waiting(Cause::Homeserver, what))
}

/// Before a sign-in, and at its beginning.
pub(crate) fn unanswered_login() -> UserError {
    waiting(
        Cause::Homeserver,
        "the homeserver or its authorization server has not answered yet",
    )
}

/// The same of the server where the devices meet.
pub(crate) fn unanswered_rendezvous() -> UserError {
    waiting(
        Cause::RendezvousServer,
        "the rendezvous server has not answered yet",
    )
}

fn waiting(cause: Cause, what: &str) -> UserError {
    UserError::new(cause, what, "It is given a little more time.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{future::pending, sync::Mutex};

    use matrix_qr_protocol::channel::CheckCode;
    use tokio::time::sleep;
    use url::Url;

    use super::*;
    use crate::person::Opening;

    #[derive(Default)]
    struct Listener(Mutex<Vec<String>>);

    impl Person for Listener {
        fn tell(&self, event: ProgressEvent<'_>) {
            if let ProgressEvent::Problem(error) = event {
                self.0.lock().unwrap().push(error.what.clone());
            }
        }

        async fn confirm_account(&self, _: &ruma::UserId) -> bool {
            true
        }

        async fn enter_check_code(&self) -> CheckCode {
            pending().await
        }

        async fn open_link(&self, _: &Url) -> Opening {
            pending().await
        }

        async fn cancelled(&self) {
            pending().await
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_takes_longer_than_a_person_waits_is_explained_once() {
        for (takes, told) in [(SILENCE / 2, 0), (SILENCE * 5, 1)] {
            let person = Listener::default();
            explained(&person, unanswered_rendezvous, sleep(takes)).await;
            assert_eq!(person.0.into_inner().unwrap().len(), told, "{takes:?}");
        }
    }

    #[test]
    fn nobody_is_told_that_a_person_is_slow() {
        assert_eq!(slow(&Ask::AwaitToken), None);
        assert!(slow(&Ask::ExportSecrets).is_some());
    }
}
