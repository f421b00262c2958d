//! What is wrong with the connection to the server, as long as it is.

use std::{future::pending, time::Duration};

use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::error::RendezvousError;

/// The current problem, if there is one.
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
            let since = since(now).unwrap_or_else(Instant::now);
            *now = Some(Outage { since, last });
        });
    }

    /// Something worked.
    pub(super) fn over(&self) {
        self.0.send_if_modified(|now| now.take().is_some());
    }

    pub(super) fn last(&self) -> Option<RendezvousError> {
        self.0.borrow().as_ref().map(|outage| outage.last.clone())
    }

    /// Reports each problem that lasts as long as `long`, once. Never ends.
    pub(super) async fn report(&self, long: Duration, report: impl Fn(RendezvousError)) {
        let mut now = self.0.subscribe();
        loop {
            let Ok(began) = now
                .wait_for(Option::is_some)
                .await
                .map(|outage| since(&outage))
            else {
                return pending().await;
            };
            let over = |now: &Option<Outage>| since(now) != began;
            if timeout(long, now.wait_for(over)).await.is_ok() {
                continue;
            }
            self.last().map(&report);
            let _ = now.wait_for(over).await;
        }
    }
}

fn since(outage: &Option<Outage>) -> Option<Instant> {
    outage.as_ref().map(|outage| outage.since)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use tokio::time::sleep;

    use super::*;

    const LONG: Duration = Duration::from_secs(3);

    #[tokio::test(start_paused = true)]
    async fn a_problem_that_lasts_is_reported_once_and_one_that_passes_is_not() {
        let (outages, reported) = (Outages::new(), Mutex::new(Vec::new()));
        let report = outages.report(LONG, |error| {
            reported
                .lock()
                .unwrap_or_else(|e| e.into_inner())
                .push(error)
        });
        let script = async {
            for last in [RendezvousError::Expired, RendezvousError::Gone] {
                outages.note(last);
                sleep(LONG / 3).await;
            }
            outages.over();
            assert_eq!(outages.last(), None);
            sleep(LONG).await;
            for _ in 0..5 {
                outages.note(RendezvousError::AlreadyUsed);
                sleep(LONG * 2 / 3).await;
            }
            outages.over();
            outages.note(RendezvousError::Contradiction);
            sleep(LONG * 2).await;
        };
        tokio::select! {
            () = report => {}
            () = script => {}
        }
        let reported = reported.into_inner().unwrap_or_default();
        assert_eq!(
            reported,
            [RendezvousError::AlreadyUsed, RendezvousError::Contradiction]
        );
    }
}
