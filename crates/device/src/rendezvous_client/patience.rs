//! How long, and how often, the first exchange is tried.

use std::time::Duration;

use tokio::time::{sleep, timeout};
use url::Url;

use super::error::RendezvousError;
use super::pace::Backoff;
use super::wire::unanswered;

/// How long it may take until a session is created or joined, whatever is tried on the way.
const LONGEST: Duration = Duration::from_secs(30);
/// How often the first exchange is tried when connections fail.
const ATTEMPTS: u32 = 5;
/// The longest `Retry-After` that is accepted before a session exists.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// Reports a server that never answers as such, before the person gives up on this program.
pub(super) async fn in_time<T>(
    server: &Url,
    work: impl Future<Output = Result<T, RendezvousError>>,
) -> Result<T, RendezvousError> {
    timeout(LONGEST, work)
        .await
        .unwrap_or_else(|_| Err(unanswered(server)))
}

pub(super) async fn patiently<T, F: Future<Output = Result<T, RendezvousError>>>(
    step: impl Fn() -> F,
) -> Result<T, RendezvousError> {
    let mut patience = Patience::new();
    loop {
        match step().await {
            Ok(done) => return Ok(done),
            Err(error) => patience.pause(error).await?,
        }
    }
}

/// Tries a few times, as long as the network fails, or the server for a moment.
pub(super) struct Patience {
    left: u32,
    backoff: Backoff,
}

impl Patience {
    pub(super) fn new() -> Self {
        Self {
            left: ATTEMPTS - 1,
            backoff: Backoff::new(),
        }
    }

    /// Waits before the next try, or gives the error back when there is none.
    pub(super) async fn pause(&mut self, error: RendezvousError) -> Result<(), RendezvousError> {
        let pause = self.backoff.pause(&error);
        if self.left == 0 || !error.is_transient() || pause > LONGEST_PAUSE {
            return Err(error);
        }
        self.left -= 1;
        sleep(pause).await;
        Ok(())
    }
}
