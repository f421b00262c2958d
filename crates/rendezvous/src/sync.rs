//! Where threads meet: locks, counters, wake-ups, and time. The store, the waiting readers and the
//! counts of sessions have these from here alone, so that `schedules.rs` can compile them with
//! others, which try many orders of what threads do.

pub(crate) use std::sync::{Arc, Mutex, MutexGuard, PoisonError, atomic};
use std::time::Instant;

pub(crate) use tokio::sync::{Notify, watch};

/// The current time.
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// Waits until this moment.
pub(crate) async fn sleep_until(at: Instant) {
    tokio::time::sleep_until(at.into()).await;
}
