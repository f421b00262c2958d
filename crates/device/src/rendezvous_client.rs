//! The rendezvous session over HTTP. Network errors are retried, and every response is checked.
//!
//! MSC4108 and MSC4388, section "Insecure rendezvous session". `matrix_qr_protocol::rendezvous`
//! says what is sent and what an answer means; this module knows time, lost connections and the
//! `Prefer: wait` of servers that support it.
//!
//! | file | what it does |
//! |---|---|
//! | `create.rs`, `create_msc4388.rs`, `join.rs`, `patience.rs` | the first exchange, before there is a [`RendezvousClient`] |
//! | `client.rs`, `deliver.rs` | reading and writing |
//! | `state.rs` | what is known between two requests |
//! | `pace.rs`, `outage.rs` | pauses, and what to tell the person meanwhile |
//! | `wire.rs`, `error.rs` | one exchange, and what can go wrong |

mod client;
mod create;
mod create_msc4388;
mod deliver;
mod error;
mod join;
mod outage;
mod pace;
mod patience;
mod state;
mod wire;

pub use client::RendezvousClient;
pub use create::PATHS;
pub use error::RendezvousError;
pub use wire::incoming;
