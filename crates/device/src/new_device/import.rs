//! Secret sharing, step 3, as a task of its own.
//!
//! A person may give up in the middle of it. A write to the store would go on for a moment after
//! its future was dropped, and bring back the keys that were just wiped. So no call to the holder
//! of the keys is dropped: the clean-up waits for its end. Nothing else goes on: no request, and no
//! other call to the holder.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use matrix_qr_protocol::login::{
    NotImported,
    message::{Backup, Secrets},
};
use ruma::{DeviceId, UserId};
use tokio::{sync::Mutex, task::JoinHandle, time::timeout};

use crate::{
    keys::{
        CrossSigningError, ImportError, Imported, KeyHolder, KeyHolderError, KeyUpload,
        VerifiedDevice,
    },
    user_error::{ToUserError, out_of_order},
};

/// How long a call to the holder may go on after the sign-in was given up. Then it is dropped.
const LONGEST: Duration = Duration::from_secs(15);

type ImportOutcome = Result<Imported, NotImported>;

/// The import, once it has begun.
#[derive(Default)]
pub(super) struct Importing {
    task: Mutex<Option<JoinHandle<ImportOutcome>>>,
    turns: Arc<Turns>,
}

/// Whether the holder works, and whether it may begin to.
#[derive(Default)]
struct Turns {
    working: Mutex<()>,
    given_up: AtomicBool,
}

impl Importing {
    /// The holder of the keys, until the import is given up.
    pub(super) fn holder<K>(&self, keys: Arc<K>) -> ImportHolder<K> {
        let turns = self.turns.clone();
        ImportHolder { keys, turns }
    }

    /// Runs it to its end, or until the caller is dropped.
    pub(super) async fn run(
        &self,
        work: impl Future<Output = ImportOutcome> + Send + 'static,
    ) -> ImportOutcome {
        let mut task = self.task.lock().await;
        let outcome = task.insert(tokio::spawn(work)).await;
        *task = None;
        outcome.unwrap_or_else(|_| Err(NotImported::Failed(out_of_order())))
    }

    /// Ends an import that the caller of [`Self::run`] did not wait for. Nothing of it goes on
    /// after this.
    pub(super) async fn give_up(&self) {
        self.turns.given_up.store(true, Ordering::SeqCst);
        if let Some(task) = self.task.lock().await.take() {
            let _ = timeout(LONGEST, self.turns.working.lock()).await;
            task.abort();
            let _ = task.await;
        }
    }
}

/// The holder of the keys, for an import that may be given up.
pub(super) struct ImportHolder<K> {
    keys: Arc<K>,
    turns: Arc<Turns>,
}

impl<K> ImportHolder<K> {
    /// A call that begins before the import is given up, and its result if it ends before that.
    async fn turn<T, E: From<KeyHolderError>>(
        &self,
        call: impl Future<Output = Result<T, E>> + Send,
    ) -> Result<T, E> {
        let _working = self.turns.working.lock().await;
        self.go_on()?;
        let result = call.await?;
        self.go_on()?;
        Ok(result)
    }

    fn go_on(&self) -> Result<(), KeyHolderError> {
        if self.turns.given_up.load(Ordering::SeqCst) {
            return Err(KeyHolderError {
                what: "the sign-in was given up before the keys were stored".to_owned(),
                advice: "Start again with a new code.",
            });
        }
        Ok(())
    }
}

impl<K: KeyHolder> KeyHolder for ImportHolder<K> {
    async fn device_keys(
        &self,
        user_id: &UserId,
        device_id: &DeviceId,
    ) -> Result<KeyUpload, KeyHolderError> {
        self.turn(self.keys.device_keys(user_id, device_id)).await
    }

    async fn keep(&self, device: &VerifiedDevice) -> Result<(), KeyHolderError> {
        self.turn(self.keys.keep(device)).await
    }

    async fn secrets(&self) -> Result<Secrets, CrossSigningError> {
        self.turn(self.keys.secrets()).await
    }

    async fn backup_key(&self) -> Result<Option<Backup>, KeyHolderError> {
        self.turn(self.keys.backup_key()).await
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
    use ruma::{device_id, user_id};
    use tokio::time::{Instant, sleep};

    use super::*;

    /// A holder that takes some time for each call, and remembers which calls it has completed.
    #[derive(Default)]
    struct SlowHolder {
        time: Duration,
        began: AtomicBool,
        ended: AtomicBool,
    }

    impl SlowHolder {
        fn new(seconds: u64) -> Arc<Self> {
            Arc::new(Self {
                time: Duration::from_secs(seconds),
                ..Self::default()
            })
        }

        async fn work(&self) -> Result<(), KeyHolderError> {
            self.began.store(true, Ordering::Relaxed);
            sleep(self.time).await;
            self.ended.store(true, Ordering::Relaxed);
            Ok(())
        }

        fn calls(&self) -> (bool, bool) {
            let [began, ended] = [&self.began, &self.ended].map(|it| it.load(Ordering::Relaxed));
            (began, ended)
        }
    }

    impl KeyHolder for SlowHolder {
        async fn device_keys(&self, _: &UserId, _: &DeviceId) -> Result<KeyUpload, KeyHolderError> {
            self.work().await?;
            let keys = r#"{"device_keys":{}}"#;
            Ok(serde_json::from_str(keys).unwrap())
        }

        async fn keep(&self, _: &VerifiedDevice) -> Result<(), KeyHolderError> {
            self.work().await
        }

        async fn secrets(&self) -> Result<Secrets, CrossSigningError> {
            self.work().await?;
            Err(CrossSigningError::Missing(Vec::new()))
        }

        async fn backup_key(&self) -> Result<Option<Backup>, KeyHolderError> {
            self.work().await?;
            Ok(None)
        }
    }

    /// A call to this holder, then a request to a server that takes some time. Given up after a
    /// second. Returns how long that takes, and whether the request was sent.
    async fn given_up(holder: &Arc<SlowHolder>) -> (Duration, bool) {
        let (importing, sent) = (Importing::default(), Arc::new(AtomicBool::new(false)));
        let (keys, request) = (importing.holder(holder.clone()), sent.clone());
        let work = async move {
            let keys = keys
                .device_keys(user_id!("@a:b.example"), device_id!("D"))
                .await;
            let failed = |error| Err(not_imported(ImportError::KeyHolder(error)));
            if let Err(error) = keys {
                return failed(error);
            }
            request.store(true, Ordering::Relaxed);
            sleep(Duration::from_secs(20)).await;
            unreachable!("the answer to a request that was given up")
        };
        let second = Duration::from_secs(1);
        assert!(timeout(second, importing.run(work)).await.is_err());
        let begin = Instant::now();
        importing.give_up().await;
        importing.give_up().await;
        let time = begin.elapsed();
        sleep(Duration::from_secs(60)).await;
        assert_eq!(Arc::strong_count(holder), 1, "something of it goes on");
        (time, sent.load(Ordering::Relaxed))
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_to_the_holder_ends_and_no_request_follows_it() {
        let holder = SlowHolder::new(4);
        assert_eq!(given_up(&holder).await, (Duration::from_secs(3), false));
        assert_eq!(holder.calls(), (true, true));
    }

    #[tokio::test(start_paused = true)]
    async fn a_holder_that_hangs_is_not_waited_for() {
        let holder = SlowHolder::new(30);
        assert_eq!(given_up(&holder).await, (LONGEST, false));
        assert_eq!(holder.calls(), (true, false));
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_is_not_waited_for_at_all() {
        let holder = SlowHolder::new(0);
        assert_eq!(given_up(&holder).await, (Duration::ZERO, true));
    }

    #[tokio::test(start_paused = true)]
    async fn no_call_to_the_holder_begins_later() {
        let (importing, holder) = (Importing::default(), SlowHolder::new(0));
        let keys = importing.holder(holder.clone());
        importing.give_up().await;
        assert!(keys.backup_key().await.is_err() && keys.secrets().await.is_err());
        assert_eq!(holder.calls(), (false, false));
    }
}
