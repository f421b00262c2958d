//! A lost connection is not a failure: what may pass is tried again for a while.

use std::{future::Future, time::Duration};

use crate::{discovery::DiscoveryError, homeserver::HomeserverError, oauth::OAuthError};

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

/// An error that knows whether it may pass.
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
    for pause in pauses {
        match call().await {
            Err(error) if error.may_pass() => tokio::time::sleep(*pause).await,
            done => return done,
        }
    }
    call().await
}
