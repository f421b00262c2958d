//! A rendezvous server for Matrix sign-in by QR code, as MSC4108 of 2024 and MSC4388 describe it
//! ("Insecure rendezvous session"): two APIs before one store, which do not see each other's
//! sessions.
//!
//! Two devices that share a URL (or, in MSC4388, a homeserver and an ID) exchange payloads at it,
//! one at a time, through a server that neither of them trusts. A payload is at most 4096 bytes; a
//! session lives for minutes.
//!
//! [`Rendezvous`] is the service: [`Config`] before a [`Store`], which is [`Memory`], or `Redis`
//! where several instances share the sessions or one must survive a restart (the feature `redis`,
//! on by default). [`Rendezvous::router`] fits it into any axum or tower server, [`serve`] runs it
//! on a listener, with timeouts for slow clients. Nothing is global: several can be in one process.
//! The binary of the same name does that from the command line.
//!
//! ```
//! use matrix_qr_rendezvous::{Config, Memory, router};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A homeserver's own routes, with the rendezvous service below a path of theirs.
//! let config = Config::new("https://matrix.example.org/qr".parse()?);
//! let homeserver: axum::Router = axum::Router::new().nest_service("/qr", router(Memory::default(), config));
//! # drop(homeserver);
//! # Ok(())
//! # }
//! ```
//!
//! Below a path of its own it serves MSC4108 only. MSC4388's clients come to
//! `/_matrix/client/v1/rendezvous` and `/_matrix/client/unstable/io.element.msc4388/rendezvous`,
//! and below these: `examples/embed.rs` sends both there.

mod config;
mod creation;
mod etag;
mod json;
mod limits;
mod log_throttle;
mod media_type;
mod metrics;
mod operations;
mod paths;
mod payload;
mod peer;
mod proxies;
mod readiness;
mod refusal;
mod rendezvous;
mod response;
mod server;
mod service;
mod store;
mod wait;

pub use crate::{
    config::{Config, Timeouts},
    creation::Creation,
    limits::{Limits, Permit, Rate},
    proxies::{ForwardedHeader, Proxies},
    rendezvous::Rendezvous,
    server::{Listener, serve, serve_router},
    store::{
        Store,
        id::{SessionId, WriteTag},
        memory::Memory,
        session::{
            Errcodes, NewSession, ReadOutcome, SessionSnapshot, StoreChange, Write, WriteOutcome,
        },
        unavailable::Unavailable,
    },
};

#[cfg(feature = "whoami")]
pub use crate::creation::{WhoamiClient, WhoamiClientError};

#[cfg(feature = "redis")]
pub use crate::store::redis::{
    ClientCertificate, Redis, RedisCertificates, RedisTlsError, RedisUrl, RedisUrlError,
};

/// The service as a plain axum router. See [`Rendezvous::router`] for what whoever serves it must
/// see to.
pub fn router<S: Store>(store: S, config: Config) -> axum::Router {
    Rendezvous::with_store(store, config).router()
}
