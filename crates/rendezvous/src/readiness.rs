//! Whether the store can be used, for all callers together: a check costs the store as much as a
//! sign-in.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use crate::store::unavailable::Unavailable;

/// The minimum time between two checks.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Readiness(Arc<Mutex<Option<CheckResult>>>);

/// The result of the last check, and when it finished.
#[derive(Clone, Copy)]
struct CheckResult {
    ready: Result<(), Unavailable>,
    at: Instant,
}

impl Readiness {
    /// The last result if it is recent, or else a new one. Concurrent callers wait for the same
    /// check.
    ///
    /// The check runs in a task of its own, so it goes on when its caller is cancelled: otherwise
    /// cancelled callers could cause a check each.
    pub(crate) async fn check(
        &self,
        check: impl Future<Output = Result<(), Unavailable>> + Send + 'static,
    ) -> Result<(), Unavailable> {
        let last = self.0.clone();
        let checked = tokio::spawn(async move {
            let mut last = last.lock().await;
            if let Some(last_check) = last.filter(|last_check| last_check.at.elapsed() < EVERY) {
                return last_check.ready;
            }
            let ready = check.await;
            *last = Some(CheckResult {
                ready,
                at: Instant::now(),
            });
            ready
        });
        checked.await.unwrap_or(Err(Unavailable::new("other")))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{
        Arc,
        atomic::{AtomicU32, Ordering::Relaxed},
    };

    use tokio::time::{advance, sleep, timeout};

    use super::*;

    /// A slow store that is full at the first check.
    async fn slow(checks: Arc<AtomicU32>) -> Result<(), Unavailable> {
        let before = checks.fetch_add(1, Relaxed);
        sleep(Duration::from_millis(300)).await;
        if before == 0 {
            Err(Unavailable::new("OOM"))
        } else {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn concurrent_callers_check_once_a_second() {
        let (readiness, checks) = (Readiness::default(), Arc::new(AtomicU32::new(0)));
        let ask = || readiness.check(slow(checks.clone()));
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        assert_eq!([a, b, c], [Err(Unavailable::new("OOM")); 3]);
        advance(EVERY - Duration::from_millis(1)).await;
        assert!(ask().await.is_err());
        advance(Duration::from_millis(1)).await;
        assert!(ask().await.is_ok());
        assert_eq!(checks.load(Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn cancelled_callers_do_not_cause_more_checks() {
        let (readiness, checks) = (Readiness::default(), Arc::new(AtomicU32::new(0)));
        for _ in 0..20 {
            let gone = timeout(
                Duration::from_millis(10),
                readiness.check(slow(checks.clone())),
            )
            .await;
            assert!(gone.is_err());
        }
        assert!(readiness.check(slow(checks.clone())).await.is_err());
        assert_eq!(checks.load(Relaxed), 1);
    }
}
