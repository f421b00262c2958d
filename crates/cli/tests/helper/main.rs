//! Programs that use `matrix-qr helper`, with a process of it for each device.

#![allow(
    missing_docs,
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[path = "../../../device/tests/own_keys/account.rs"]
mod account;
mod caller;
mod conversation;
mod document;
mod endings;
#[path = "../../../device/tests/own_keys/holder.rs"]
mod holder;
mod meet;
#[path = "../../../device/tests/sign_in/meeting.rs"]
mod meeting;
mod scan;
mod schema;
mod shell;
mod sign_in;
#[path = "../support/mod.rs"]
mod support;
