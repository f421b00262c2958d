//! Whole sign-ins: two devices over the sandbox.

#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[macro_use]
mod revision;

mod account;
mod browser;
mod choosing;
mod failures;
mod lost;
mod meeting;
mod paths;
mod scripted_peer;
mod remains;
mod sign_out;
mod stranger;
mod fault_proxy;
mod test_env;
