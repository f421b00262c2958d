//! Deployments as people have them, and what a sign-in does there. `crates/doctor` has the others'
//! tests: what it says of each.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

// Half of its faults are for the tests of `crates/doctor`.
#[allow(dead_code)]
mod meddling_proxy;
mod quirks;

// The two devices and the two people of the sign-in tests.
#[allow(dead_code)]
#[path = "../sign_in/fault_proxy.rs"]
mod fault_proxy;
#[allow(dead_code)]
#[path = "../sign_in/meeting.rs"]
mod meeting;
#[allow(dead_code)]
#[path = "../sign_in/revision.rs"]
mod revision;
#[allow(dead_code)]
#[path = "../sign_in/scripted_peer.rs"]
mod scripted_peer;
#[allow(dead_code)]
#[path = "../sign_in/test_env.rs"]
mod test_env;
