//! The sandbox over real HTTP.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says what it expects by failing"
)]

mod backup;
mod browser;
mod common;
mod consent;
mod discovery;
mod faults;
mod grant;
mod guard;
mod keys;
mod registration;
mod rendezvous;
mod rooms;
mod synapse;
mod tokens;
mod webdriver;
