//! The server as its clients meet it: over HTTP, on a port of its own.
#![allow(missing_docs, clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod api;
mod browsers;
mod connections;
mod http2;
mod limits;
mod operations;
mod support;
mod waiting;
