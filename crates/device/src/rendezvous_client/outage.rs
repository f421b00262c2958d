//! What is wrong with the way to the server, as long as it is.

use std::future::pending;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::error::RendezvousError;

/// The trouble of the moment, if there is any.
pub(super) struct Outages(watch::Sender<Option<Outage>>);

struct Outage {
    since: Instant,
    last: RendezvousError,
}

impl Outages {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(None))
    }

    /// Something did not work, or has not worked yet.
    pub(super) fn note(&self, last: RendezvousError) {
        self.0.send_modify(|now| {
            let since = now
                .as_ref()
                .map_or_else(Instant::now, |trouble| trouble.since);
            *now = Some(Outage { since, last });
        });
    }

    /// Something worked.
    pub(super) fn over(&self) {
        self.0.send_if_modified(|now| now.take().is_some());
    }

    pub(super) fn last(&self) -> Option<RendezvousError> {
        self.0.borrow().as_ref().map(|trouble| trouble.last.clone())
    }

    /// Tells of each trouble that lasts so long, once. Never ends.
    pub(super) async fn report(&self, long: Duration, tell: impl Fn(RendezvousError)) {
        let mut now = self.0.subscribe();
        loop {
            let began = now
                .wait_for(Option::is_some)
                .await
                .map(|trouble| since(&trouble));
            let Ok(began) = began else {
                return pending().await;
            };
            let over = |now: &Option<Outage>| since(now) != began;
            if timeout(long, now.wait_for(over)).await.is_ok() {
                continue;
            }
            self.last().map(&tell);
            let _ = now.wait_for(over).await;
        }
    }
}

fn since(trouble: &Option<Outage>) -> Option<Instant> {
    trouble.as_ref().map(|trouble| trouble.since)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::sleep;

    use super::*;

    const LONG: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_trouble_that_lasts_is_told_once_and_one_that_passes_is_not() {
        let (troubles, told) = (Outages::new(), Mutex::new(Vec::new()));
        let report = troubles.report(LONG, |error| {
            told.lock().unwrap_or_else(|e| e.into_inner()).push(error)
        });
        let script = async {
            for last in [RendezvousError::Expired, RendezvousError::Gone] {
                troubles.note(last);
                sleep(LONG / 3).await;
            }
            troubles.over();
            assert_eq!(troubles.last(), None);
            sleep(LONG).await;
            for _ in 0..5 {
                troubles.note(RendezvousError::AlreadyUsed);
                sleep(LONG * 2 / 3).await;
            }
            troubles.over();
            troubles.note(RendezvousError::Contradiction);
            sleep(LONG * 2).await;
        };
        tokio::select! {
            () = report => {}
            () = script => {}
        }
        let told = told.into_inner().unwrap_or_default();
        assert_eq!(
            told,
            [RendezvousError::AlreadyUsed, RendezvousError::Contradiction]
        );
    }
}
