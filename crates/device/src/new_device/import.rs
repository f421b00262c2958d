//! Secret sharing, step 3, as a task of its own.
//!
//! A person may give up in the middle of it. Writes to the store would go on for a moment after
//! their future was dropped, and bring back the keys that were just wiped. So it is never dropped:
//! the clean-up waits for its end.

use std::{future::Future, time::Duration};

use matrix_qr_protocol::login::NotImported;
use tokio::{sync::Mutex, task::JoinHandle, time::timeout};

use crate::{
    keys::{ImportError, Imported},
    user_error::{ToUserError, out_of_order},
};

/// Longer than any call to a homeserver that cannot be reached.
const LONGEST: Duration = Duration::from_secs(15);

type ImportOutcome = Result<Imported, NotImported>;

/// The import, once it has begun.
#[derive(Default)]
pub(super) struct Importing(Mutex<Option<JoinHandle<ImportOutcome>>>);

impl Importing {
    /// Runs it to its end, or until the caller is dropped.
    pub(super) async fn run(
        &self,
        work: impl Future<Output = ImportOutcome> + Send + 'static,
    ) -> ImportOutcome {
        let mut task = self.0.lock().await;
        let outcome = task.insert(tokio::spawn(work)).await;
        *task = None;
        outcome.unwrap_or_else(|_| Err(NotImported::Failed(out_of_order())))
    }

    /// Waits for an import that the caller of [`Self::run`] did not wait for.
    pub(super) async fn settled(&self) {
        if let Some(task) = self.0.lock().await.take() {
            let _ = timeout(LONGEST, task).await;
        }
    }
}

/// How an import that failed is reported to the login.
pub(super) fn not_imported(error: ImportError) -> NotImported {
    match error {
        ImportError::Refused(_) => NotImported::Refused(error.to_user_error()),
        _ => NotImported::Failed(error.to_user_error()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_import_that_nobody_waits_for_is_still_brought_to_its_end() {
        let (importing, ended) = (Importing::default(), Arc::new(AtomicBool::new(false)));
        let end = ended.clone();
        let work = async move {
            tokio::time::sleep(Duration::from_secs(3)).await;
            end.store(true, Ordering::Relaxed);
            Err(NotImported::Failed(out_of_order()))
        };
        let dropped = timeout(Duration::from_secs(1), importing.run(work)).await;
        assert!(dropped.is_err() && !ended.load(Ordering::Relaxed));
        importing.settled().await;
        assert!(ended.load(Ordering::Relaxed));
        importing.settled().await;
    }
}
