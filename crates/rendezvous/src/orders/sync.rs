//! What `crate::sync` is here: as the server's, but Shuttle decides who goes first.

use std::{
    future::poll_fn,
    sync::LazyLock,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

pub(crate) use std::sync::{Arc, PoisonError};

pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
use tokio::sync::futures::Notified;
pub(crate) use tokio::sync::watch;

use self::atomic::{AtomicBool, Ordering::SeqCst};

/// When all clocks begin.
static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);

shuttle::lazy_static! {
    static ref CLOCK: Mutex<Clock> = Mutex::default();
    static ref TURN: AtomicBool = AtomicBool::new(false);
}

/// It stands still unless [`pass`] is called.
#[derive(Default)]
struct Clock {
    elapsed: Duration,
    sleeping: Vec<Waker>,
}

/// The current time.
pub(crate) fn now() -> Instant {
    *BEGINNING + CLOCK.lock().unwrap().elapsed
}

/// Lets this time pass.
pub(crate) fn pass(time: Duration) {
    let mut clock = CLOCK.lock().unwrap();
    clock.elapsed += time;
    let sleeping = std::mem::take(&mut clock.sleeping);
    drop(clock);
    sleeping.into_iter().for_each(Waker::wake);
}

/// Waits until this moment.
pub(crate) async fn sleep_until(at: Instant) {
    poll_fn(|context| {
        let mut clock = CLOCK.lock().unwrap();
        if *BEGINNING + clock.elapsed >= at {
            return Poll::Ready(());
        }
        clock.sleeping.push(context.waker().clone());
        Poll::Pending
    })
    .await;
}

/// Another thread may go first. Shuttle gives no turn where a lock has just been released.
fn turn() {
    TURN.load(SeqCst);
}

/// Tokio's, with a turn for the other threads before each use. That it is right in itself is tested
/// by tokio, with loom.
#[derive(Default)]
pub(crate) struct Notify(tokio::sync::Notify);

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notified(&self) -> Notified<'_> {
        turn();
        self.0.notified()
    }

    pub(crate) fn notify_waiters(&self) {
        turn();
        self.0.notify_waiters();
    }

    pub(crate) fn notify_one(&self) {
        turn();
        self.0.notify_one();
    }
}
