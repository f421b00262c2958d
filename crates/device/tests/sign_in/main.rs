//! Whole sign-ins: two devices over the sandbox.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[macro_use]
mod each_revision;

mod account;
mod attacker;
mod browser;
mod choosing;
mod failures;
mod fault_proxy;
mod hostile;
mod lost;
mod meeting;
mod passphrase;
mod paths;
mod remains;
mod revision;
mod round_trips;
mod scripted_peer;
mod sign_out;
mod stranger;
mod test_env;
