//! A rendezvous server for Matrix sign-in by QR code, as MSC4108 of 2024 and MSC4388 describe it
//! ("Insecure rendezvous session"): two APIs in front of one store. Neither sees the other's
//! sessions.
//!
//! Two devices that share a URL (in MSC4388: a homeserver and an ID) exchange payloads through a
//! server that neither of them trusts. A session holds one payload of at most 4096 bytes, which
//! each write replaces, and lives for minutes.
//!
//! [`Rendezvous`] is the service: a [`Config`] and a [`Store`]. The store is [`Memory`], or `Redis`
//! where several instances share the sessions or sessions must survive a restart (feature `redis`,
//! on by default). [`Rendezvous::router`] is a router for any axum or tower server; [`serve`]
//! serves a listener, with timeouts for slow clients. There is no global state: one process can
//! contain several services. The binary of the same name runs one from the command line.
//!
//! ```
//! use matrix_qr_rendezvous::{Config, Memory, router};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // A homeserver's own routes, with the rendezvous service below one of its paths.
//! let config = Config::new("https://matrix.example.org/qr".parse()?);
//! let homeserver: axum::Router = axum::Router::new().nest_service("/qr", router(Memory::default(), config));
//! # drop(homeserver);
//! # Ok(())
//! # }
//! ```
//!
//! Below a path of its own the service offers MSC4108 only. MSC4388's clients send their requests
//! to `/_matrix/client/v1/rendezvous` and `/_matrix/client/unstable/io.element.msc4388/rendezvous`,
//! and below these: `examples/embed.rs` routes both to the service.
//!
//! # What a request goes through
//!
//! | step | module |
//! |---|---|
//! | A connection is accepted, counted and watched; with the PROXY protocol its first bytes name the `peer` | `server` |
//! | Preflights are answered, browser navigations are refused, and the path (`paths`) and the media type (`media_type`) tell which API is meant | `service` |
//! | The client's address, from the `peer` or from a header that a trusted proxy sets | `proxies` |
//! | The API: methods, conditions, bodies | `etag` (MSC4108) or `json` (MSC4388) |
//! | Whether the client may do this now, and has room for one more session | `limits` |
//! | Whether the client may create sessions: anybody, or users of a homeserver | `creation` |
//! | The payload is read, up to its size limit | `payload` |
//! | The session is created, read, written or deleted | `rendezvous`, in the `store` |
//! | A reader that has seen the payload waits for the next one, as long as it would `prefer` | `wait` |
//! | The outcome becomes HTTP, with the headers that every response has | `response`, or `refusal` for an error |
//! | The response is counted | `metrics` |
//!
//! Beside the requests:
//!
//! | module | what it does |
//! |---|---|
//! | `config` | The settings |
//! | `operations` | The operator's routes: metrics, liveness, readiness |
//! | `readiness` | Limits how often the store is checked |
//! | `log_throttle` | Limits how often a line is logged |
//! | `sync` | Where threads meet, so that `schedules.rs` can try many orders of what they do |

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
mod prefer;
mod proxies;
mod readiness;
mod refusal;
mod rendezvous;
mod response;
mod server;
mod service;
mod store;
mod sync;
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

/// The service as a plain axum router. [`Rendezvous::router`] says what its server must take care
/// of.
pub fn router<S: Store>(store: S, config: Config) -> axum::Router {
    Rendezvous::with_store(store, config).router()
}

/// The code of the README, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
