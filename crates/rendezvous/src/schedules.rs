//! The store in memory, the readers that wait, and the counts of sessions, in many orders of what
//! threads do.
//!
//! This program is a test (`cargo test -p matrix-qr-rendezvous --test schedules`). It compiles the
//! real files with locks, counters and a clock of [Shuttle](https://docs.rs/shuttle) in place of
//! those in `sync.rs`. Shuttle runs one thread at a time, decides at each lock, counter, wake-up and
//! look at the clock which thread goes on, and reports when all of them wait for ever.
//!
//! It has no built-in harness, because that would also run the tests in the server's files, which
//! need real threads. `docs/verification.md` says what is not proved.
#![allow(
    dead_code,
    unused_imports,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "a test, of files that are used as a whole elsewhere"
)]

mod limits;
// For Redis, which is compiled where the feature is on.
mod log_throttle;
mod orders;
mod peer;
mod proxies;
mod store;
mod wait;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use self::orders::{broken::BROKEN, fails, holds, properties::PROPERTIES};
pub(crate) use self::{
    limits::{Limits, Permit},
    orders::sync,
    store::Store,
};

fn main() -> ExitCode {
    let properties = PROPERTIES
        .into_iter()
        .map(|(name, run)| Trial::test(name, move || holds(name, run)));
    let broken = BROKEN.into_iter().map(|(name, run, found)| {
        Trial::test(format!("found::{name}"), move || fails(name, run, found))
    });
    libtest_mimic::run(&Arguments::from_args(), properties.chain(broken).collect()).exit_code()
}
