//! End-to-end encryption of a device, against the sandbox: real ciphers, real signatures, the real
//! store.
//!
//! The world of a test: the sandbox's homeserver, a proxy in front of it that counts and can meddle
//! with every answer, the account's first device (set up as such) and a store directory for each
//! device.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod backup;
mod existing_device;
mod export;
mod first_device;
mod homeserver;
mod import;
#[path = "../log_capture/mod.rs"]
mod log_capture;
mod logs;
mod proxy;
mod store;
mod test_env;
