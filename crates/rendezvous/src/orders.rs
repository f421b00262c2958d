//! Tries many orders of what threads do.
//!
//! | module | what it has |
//! |---|---|
//! | `sync` | what `crate::sync` is here |
//! | `server` | a server's sessions, and what threads do with them |
//! | `properties` | what must be true in every order |
//! | `broken` | servers that are wrong on purpose: each must be found |

pub(crate) mod broken;
pub(crate) mod properties;
mod server;
pub(crate) mod sync;

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::Instant,
};

use libtest_mimic::Failed;
use shuttle::{
    Config, FailurePersistence, MaxSteps, Runner,
    scheduler::{PctScheduler, RandomScheduler, Scheduler},
};

/// A property, or a server that is wrong: what happens in one order.
pub(crate) type Run = fn();

/// The orders are the same in each run.
const SEED: u64 = 0x6d61_7472_6978;

/// How many orders each kind of schedule tries. A longer run begins with those of a shorter one.
fn orders() -> usize {
    std::env::var("ORDERS").map_or(2_000, |orders| orders.parse().expect("a number"))
}

pub(crate) fn holds(name: &str, run: Run) -> Result<(), Failed> {
    let begun = Instant::now();
    let tried = explore(run, FailurePersistence::Print);
    println!(
        "{name}: {tried} orders in {:.1} s",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}

/// Some order must lead to the failure that is described.
pub(crate) fn fails(name: &str, run: Run, found: &str) -> Result<(), Failed> {
    println!("{name}: the failure that follows is wanted");
    let outcome = catch_unwind(AssertUnwindSafe(|| explore(run, FailurePersistence::None)));
    let Err(failure) = outcome else {
        return Err(format!("{name} is not found").into());
    };
    let text = failure.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| failure.downcast_ref::<&str>().copied());
    match text {
        Some(text) if text.contains(found) => Ok(()),
        _ => Err(format!("{name}: {text:?} is not “{found}”").into()),
    }
}

/// Tries random orders, and orders in which few threads overtake others: the second kind finds what
/// needs one thread to be late by a lot.
fn explore(run: Run, persistence: FailurePersistence) -> usize {
    let random = RandomScheduler::new_from_seed(SEED, orders());
    let few = PctScheduler::new_from_seed(SEED, 3, orders());
    tried(random, run, persistence.clone()) + tried(few, run, persistence)
}

fn tried(scheduler: impl Scheduler + 'static, run: Run, persistence: FailurePersistence) -> usize {
    let mut config = Config::new();
    config.failure_persistence = persistence;
    // That its counters are stronger than ours is said in docs/verification.md.
    config.silence_warnings = true;
    // None needs a tenth of it: a thread goes round in circles.
    config.max_steps = MaxSteps::FailAfter(20_000);
    Runner::new(scheduler, config).run(run)
}
