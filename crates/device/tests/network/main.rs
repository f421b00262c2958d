//! The device's side of the network, against servers that do exactly what a test says, and against
//! the sandbox.
#![allow(
    missing_docs,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod discovery;
mod homeserver;
mod oauth;
mod rendezvous_client;
mod rendezvous_client_msc4388;
mod sandbox;
mod server;
