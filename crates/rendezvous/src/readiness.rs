//! Whether the store can be used, for all who ask: the question costs the store as much as a sign-in does.

use std::{future::Future, time::Duration};

use tokio::{sync::Mutex, time::Instant};

use crate::Unavailable;

/// How often the store is asked, at most.
const EVERY: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(crate) struct Readiness(Mutex<Option<Said>>);

/// What the store said, and when.
#[derive(Clone, Copy)]
struct Said {
    ready: Result<(), Unavailable>,
    at: Instant,
}

impl Readiness {
    /// What it said a moment ago, or else what it says now. Who comes meanwhile waits for that.
    pub(crate) async fn shared(
        &self,
        asked: impl Future<Output = Result<(), Unavailable>>,
    ) -> Result<(), Unavailable> {
        let mut last = self.0.lock().await;
        if let Some(said) = last.filter(|said| said.at.elapsed() < EVERY) {
            return said.ready;
        }
        let ready = asked.await;
        *last = Some(Said { ready, at: Instant::now() });
        ready
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use tokio::time::{advance, sleep};

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn many_who_ask_ask_once_a_second() {
        let (readiness, asked) = (Readiness::default(), AtomicU32::new(0));
        let ask = || {
            readiness.shared(async {
                asked.fetch_add(1, Relaxed);
                sleep(Duration::from_millis(300)).await;
                if asked.load(Relaxed) == 1 { Err(Unavailable::new("OOM")) } else { Ok(()) }
            })
        };
        let (a, b, c) = tokio::join!(ask(), ask(), ask());
        assert_eq!([a, b, c], [Err(Unavailable::new("OOM")); 3]);
        advance(EVERY - Duration::from_millis(1)).await;
        assert!(ask().await.is_err());
        advance(Duration::from_millis(1)).await;
        assert!(ask().await.is_ok());
        assert_eq!(asked.load(Relaxed), 2);
    }
}
