//! A lost connection is not a failure: what may be temporary is retried for a while.

use std::{future::Future, time::Duration};

use tokio::time::{Instant, sleep, timeout_at};

use crate::{client_server_api::HomeserverError, discovery::DiscoveryError, oauth::OAuthError};

/// The pauses between the attempts: about 15 seconds in all. The session's own end cuts them short.
const PAUSES: [Duration; 6] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(4),
    Duration::from_secs(8),
];

/// The pauses where something else has failed already, or a person waits for the end.
const SHORT_PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(1)];
/// After this time no new attempt starts, and a running one is abandoned.
const LONGEST: Duration = Duration::from_secs(30);

/// An error that says whether it may be temporary.
pub(crate) trait Transient {
    fn may_pass(&self) -> bool;
}

impl Transient for DiscoveryError {
    fn may_pass(&self) -> bool {
        self.is_transient()
    }
}

impl Transient for OAuthError {
    fn may_pass(&self) -> bool {
        self.is_transient()
    }
}

impl Transient for HomeserverError {
    fn may_pass(&self) -> bool {
        self.is_transient()
    }
}

/// Calls until it succeeds, fails for good, or the pauses are used up.
pub(crate) async fn patiently<T, E: Transient, F>(call: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    with_pauses(&PAUSES, call).await
}

/// The same, and not for long.
pub(crate) async fn briefly<T, E: Transient, F>(call: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    with_pauses(&SHORT_PAUSES, call).await
}

async fn with_pauses<T, E: Transient, F>(pauses: &[Duration], call: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let end = Instant::now() + LONGEST;
    let mut outcome = call().await;
    for pause in pauses {
        if !matches!(&outcome, Err(error) if error.may_pass()) {
            break;
        }
        let again = async {
            sleep(*pause).await;
            call().await
        };
        match timeout_at(end, again).await {
            Ok(done) => outcome = done,
            Err(_) => break,
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::HttpError;

    fn unreachable() -> HomeserverError {
        HttpError::Unreachable {
            host: "m.example".to_owned(),
            why: "it did not answer in time".to_owned(),
        }
        .into()
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_never_answers_is_given_up_after_half_a_minute() {
        for seconds in [1, 7, 29] {
            let began = Instant::now();
            let outcome: Result<(), _> = patiently(|| async move {
                sleep(Duration::from_secs(seconds)).await;
                Err(unreachable())
            })
            .await;
            assert_eq!(outcome, Err(unreachable()));
            assert!(
                began.elapsed() <= Duration::from_secs(30),
                "{seconds}: {:?}",
                began.elapsed()
            );
        }
    }
}
