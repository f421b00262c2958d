//! `--web` in a real headless Chromium: the person at a page of each device.
//!
//! `#[ignore]`: it needs Debian's `chromium` and `chromium-driver`, some of it `nginx`, too. `cargo xtask test` runs it, and
//! reports what to install.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

mod accessibility;
mod camera;
#[path = "../../../rendezvous/tests/conformance/certificates.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod certificates;
mod demo;
mod meeting;
mod other_pages;
mod people;
#[path = "../../../page/examples/preview.rs"]
#[allow(
    dead_code,
    unreachable_pub,
    reason = "an example, which is a program, too"
)]
mod preview;
mod proxy;
#[path = "../../../rendezvous/tests/proxies/program.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod proxy_program;
mod screen_reader;
mod sign_ins;
#[path = "../support/mod.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod support;
mod troubles;
#[path = "../../../sandbox/tests/it/webdriver.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod webdriver;
