//! The server over HTTP, on a port of its own, with each store.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

#[macro_use]
mod stores;

mod api;
mod browsers;
mod certificates;
mod connections;
mod draining;
mod http2;
mod json;
mod limits;
mod linearizable;
mod operations;
mod peers;
mod redis;
mod redis_reached;
mod redis_ready;
mod redis_sentinel;
mod redis_server;
mod support;
mod waiting;
