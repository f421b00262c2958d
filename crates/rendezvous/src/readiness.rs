//! Whether the store can be used, for all who ask: the question costs the store as much as a
//! sign-in does.

use std::{future::Future, sync::Arc, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use crate::store::unavailable::Unavailable;

/// How often the store is asked, at most.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Readiness(Arc<Mutex<Option<CheckResult>>>);

/// What the store said, and when.
#[derive(Clone, Copy)]
struct CheckResult {
    ready: Result<(), Unavailable>,
    at: Instant,
}

impl Readiness {
    /// What it said a moment ago, or else what it says now. Who comes meanwhile waits for that.
    ///
    /// In a task of its own: the question goes on when who asked it is gone, else whoever asks and
    /// goes would ask each time.
    pub(crate) async fn check(
        &self,
        asked: impl Future<Output = Result<(), Unavailable>> + Send + 'static,
    ) -> Result<(), Unavailable> {
        let last = self.0.clone();
        let answer = tokio::spawn(async move {
            let mut last = last.lock().await;
            if let Some(said) = last.filter(|said| said.at.elapsed() < EVERY) {
                return said.ready;
            }
            let ready = asked.await;
            *last = Some(CheckResult {
                ready,
                at: Instant::now(),
            });
            ready
        });
        answer.await.unwrap_or(Err(Unavailable::new("other")))
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

    /// A store that takes its time, and is full when it is first asked.
    async fn slow(asked: Arc<AtomicU32>) -> Result<(), Unavailable> {
        let before = asked.fetch_add(1, Relaxed);
        sleep(Duration::from_millis(300)).await;
        if before == 0 {
            Err(Unavailable::new("OOM"))
        } else {
            Ok(())
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_ask_once_a_second() {
        let (readiness, asked) = (Readiness::default(), Arc::new(AtomicU32::new(0)));
        let ask = || readiness.check(slow(asked.clone()));
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        assert_eq!([a, b, c], [Err(Unavailable::new("OOM")); 3]);
        advance(EVERY - Duration::from_millis(1)).await;
        assert!(ask().await.is_err());
        advance(Duration::from_millis(1)).await;
        assert!(ask().await.is_ok());
        assert_eq!(asked.load(Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn who_asks_and_goes_does_not_ask_more_often() {
        let (readiness, asked) = (Readiness::default(), Arc::new(AtomicU32::new(0)));
        for _ in 0..20 {
            let gone = timeout(
                Duration::from_millis(10),
                readiness.check(slow(asked.clone())),
            )
            .await;
            assert!(gone.is_err());
        }
        assert!(readiness.check(slow(asked.clone())).await.is_err());
        assert_eq!(asked.load(Relaxed), 1);
    }
}
