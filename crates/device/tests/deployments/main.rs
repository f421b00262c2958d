//! Deployments as people have them: what `doctor` says of each, and what a sign-in does there.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod between;
mod doctor;
mod guide;
mod homeserver;
mod newer;
mod nginx;
mod quirks;

// The proxies of the rendezvous server's tests.
#[allow(dead_code)]
#[path = "../../../rendezvous/tests/proxies/program.rs"]
mod proxy_program;

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
