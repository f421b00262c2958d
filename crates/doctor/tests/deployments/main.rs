//! Deployments as people have them, and what the examination says of each.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod faults;
mod guide;
mod msc4388;
mod nginx;
mod scripted_homeserver;

// Our rendezvous server behind a proxy, which the sign-in tests of `crates/device` have, too.
#[path = "../../../device/tests/deployments/meddling_proxy.rs"]
mod meddling_proxy;

// The proxies of the rendezvous server's tests.
#[allow(dead_code)]
#[path = "../../../rendezvous/tests/proxies/program.rs"]
mod proxy_program;

// The two devices and the two people of its sign-in tests.
#[allow(dead_code)]
#[path = "../../../device/tests/sign_in/fault_proxy.rs"]
mod fault_proxy;
#[allow(dead_code)]
#[path = "../../../device/tests/sign_in/meeting.rs"]
mod meeting;
#[allow(dead_code)]
#[path = "../../../device/tests/sign_in/revision.rs"]
mod revision;
#[allow(dead_code)]
#[path = "../../../device/tests/sign_in/test_env.rs"]
mod test_env;
