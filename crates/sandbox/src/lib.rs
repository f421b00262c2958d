//! A small homeserver and an OAuth 2.0 authorization server, with a rendezvous service beside them,
//! to try Matrix sign-in by QR code against: for tests and demos only, in memory, on loopback only,
//! for one account.
//!
//! It answers every call that the two devices of a sign-in make, and answers honestly: tokens and
//! scopes are checked, nothing signed is published unless its signatures verify, and a [`Record`]
//! says what was seen. It misbehaves only when told to, in the ways that [`Fault::all`] names.
//!
//! ```
//! # async fn example() -> std::io::Result<()> {
//! use matrix_qr_sandbox::{Decision, Options, Sandbox};
//!
//! let sandbox = Sandbox::start(Options::default()).await?;
//! let first = sandbox.first_session("FIRSTDEVICE").await?;
//! // ... a new device asks to be signed in; then, in place of the person at the consent page:
//! let code = sandbox.next_pending().await;
//! assert!(sandbox.decide(&code, Decision::Allow));
//! # drop(first);
//! sandbox.stop().await;
//! # Ok(())
//! # }
//! ```
//!
//! Two halves: `homeserver` (the Client-Server API) and `oauth` (MSC2964, MSC2965, MSC2966,
//! MSC2967, RFC 8628), each on a port of its own. What passes between them is in `state`. With
//! [`Options::synapse`] the first half is a real Synapse.

mod account;
mod faults;
mod first_session;
mod guard;
mod homeserver;
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
    faults::{Fault, Faults, KnownFault, UnknownFault},
    first_session::FirstSession,
    oauth::grant::Decision,
    options::Options,
    record::{KeyUpload, Record},
    sandbox::Sandbox,
    synapse::{Synapse, SynapseError},
};
