//! Tells a person who has waited for a while what the program is waiting for.

use std::{future::Future, pin::pin, time::Duration};

use matrix_qr_protocol::error::{Cause, UserError};
use tokio::time::timeout;

use crate::person::{Person, ProgressEvent};

/// How long a person waits before that is reported.
pub(crate) const SILENCE: Duration = Duration::from_secs(3);

/// Does the work, and reports what is slow if it takes long.
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

/// What a sign-in waits for while a question of its login is not answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// Somebody reads, types or decides.
    Person,
    /// For a device authorization.
    Authorization,
    /// Whether the new device's ID is free.
    FreeId,
    /// Until the homeserver lists the new device, and has said which keys the account has.
    Appearance,
    /// Until the holder of this device's keys has handed over the secrets.
    Secrets,
    /// Until the new device has signed itself, and is done.
    Verification,
    /// Until the new device's keys are uploaded.
    Upload,
}

impl Wait {
    /// What the person is told when it takes long. Nothing while a person decides.
    pub(crate) fn slow(self) -> Option<UserError> {
        let what = match self {
            Self::Person => return None,
            Self::Authorization => return Some(unanswered_login()),
            Self::Secrets => {
                let what = "the store of this device's keys has not handed them over yet";
                return Some(waiting(Cause::Here, what));
            }
            Self::FreeId => "the homeserver has not yet said whether the new device's ID is free",
            Self::Appearance => {
                "the homeserver has not yet listed the new device, or not yet said which keys the account has"
            }
            Self::Verification => "the new device has not signed itself yet, or is not done yet",
            Self::Upload => {
                "the homeserver has not yet accepted this device's keys, or not yet said which keys the account has"
            }
        };
        Some(waiting(Cause::Homeserver, what))
    }
}

/// Before a sign-in, and at its beginning.
pub(crate) fn unanswered_login() -> UserError {
    waiting(
        Cause::Homeserver,
        "the homeserver or its authorization server has not answered yet",
    )
}

/// The same for the rendezvous server.
pub(crate) fn unanswered_rendezvous() -> UserError {
    waiting(
        Cause::RendezvousServer,
        "the rendezvous server has not answered yet",
    )
}

fn waiting(cause: Cause, what: &str) -> UserError {
    UserError::new(cause, what, "Waiting a little longer.")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::{future::pending, sync::Mutex};

    use matrix_qr_protocol::channel::CheckCode;
    use tokio::time::sleep;

    use super::*;
    use crate::{consent_link::ConsentLink, person::Opening};

    #[derive(Default)]
    struct Listener(Mutex<Vec<String>>);

    impl Person for Listener {
        fn tell(&self, event: ProgressEvent<'_>) {
            if let ProgressEvent::Problem(user_error) = event {
                self.0.lock().unwrap().push(user_error.what.clone());
            }
        }

        async fn confirm_own_device(&self) -> bool {
            true
        }

        async fn confirm_account(&self, _: &ruma::UserId) -> bool {
            true
        }

        async fn enter_check_code(&self) -> CheckCode {
            pending().await
        }

        async fn open_link(&self, _: &ConsentLink) -> Opening {
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
        assert_eq!(Wait::Person.slow(), None);
        assert!(Wait::Secrets.slow().is_some());
    }
}
