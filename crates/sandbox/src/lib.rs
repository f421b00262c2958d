//! A small homeserver, an OAuth 2.0 authorization server and a rendezvous service, to try Matrix
//! sign-in by QR code against. For tests and demonstrations only: in memory, on loopback, with one
//! account.
//!
//! The sandbox answers every request that the two devices of a sign-in make, and checks what a real
//! server checks: tokens and scopes must be valid, and signatures must verify before keys are
//! published. A [`Record`] says what it has seen. It misbehaves only if a [`Fault`] is set.
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use matrix_qr_sandbox::{Decision, Options, Sandbox};
//!
//! let sandbox = Sandbox::start(Options::default()).await?;
//! let first = sandbox.first_session("FIRSTDEVICE").await?;
//! // A new device starts a sign-in. Then, instead of the person at the consent page:
//! let code = sandbox.next_pending().await;
//! assert!(sandbox.decide(&code, Decision::Allow));
//! # drop(first);
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it has |
//! |---|---|
//! | `sandbox`, `options` | [`Sandbox`]: starts and stops the servers; [`Options`] |
//! | `guard`, `serve` | loopback only; one HTTP/1.1 listener, which can also drop a connection |
//! | `homeserver` | the Client-Server API: a file for each part of the specification |
//! | `oauth` | the authorization server: MSC2964, MSC2965, MSC2966, MSC2967, RFC 8628 |
//! | `rendezvous` | the service of `matrix-qr-rendezvous`, and the faults of its connections |
//! | `state` | what the servers share, and everything that passes between them |
//! | `account` | the account: devices, keys, identity, backups, rooms |
//! | `signatures`, `matrix_error` | signed JSON; errors of the Client-Server API |
//! | `faults` | the table of faults, and which of them are set |
//! | `late` | answers that are held back, and which of them came one after the other |
//! | `record`, `first_session` | what the sandbox has seen; the session of the first device |
//! | `synapse` | a real Synapse in place of the homeserver |
//! | `random` | tokens, codes and IDs |
//!
//! A request passes through `serve` and `guard` to a handler in `homeserver`, `oauth` or
//! `rendezvous`. The handler asks `faults` whether to misbehave, then reads or changes `account` or
//! the authorization server through `state`. Neither server calls the other: `state` introspects
//! tokens for the homeserver, and announces devices for the authorization server.

mod account;
mod faults;
mod first_session;
mod guard;
mod homeserver;
mod late;
mod matrix_error;
mod oauth;
mod options;
mod random;
mod record;
mod rendezvous;
mod sandbox;
mod serve;
mod signatures;
mod state;
mod synapse;

pub use axum::http::Method;

pub use crate::{
    faults::{Fault, Faults, KnownFault, LateServer, UnknownFault},
    first_session::FirstSession,
    oauth::grant::Decision,
    options::Options,
    record::{LateAnswer, Record, RecordedUpload},
    sandbox::Sandbox,
    synapse::{Synapse, SynapseError},
};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
