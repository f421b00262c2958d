//! Section "Insecure rendezvous session" of MSC4108 and of MSC4388: the client's side, as pure
//! requests and responses.
//!
//! Nothing here sends anything. A caller sends each [`Request`] with whatever HTTP client it has,
//! bounds the time and the size, does **not** follow redirects by itself, sends `Content-Length` (0
//! for an empty body, too), and passes the [`Response`] back.
//!
//! ```text
//! device G   create -> created -> RendezvousSession     send -> sent     receive -> received     delete
//! device S   QR code -> RendezvousSession::join         receive -> received     send -> sent     delete
//! ```
//!
//! A session is created in one of the two APIs: [`create`] is MSC4108's, [`json::create`] is
//! MSC4388's. From then on its [`Location`] says which it is.
//!
//! | file | what it has |
//! |---|---|
//! | `http.rs`, `error.rs`, `answer.rs` | requests, responses and what a response means |
//! | `location.rs`, `session_id.rs`, `payload.rs` | where a session is, and what is stored there |
//! | `etag.rs`, `json.rs` | how a session is created, one file for each API |
//! | `etag_session.rs`, `json_session.rs` | the calls on a session, one file for each API |
//! | `certainty.rs` | what is known of a write whose answer was lost |
//! | `session.rs` | the two together |

mod answer;
mod certainty;
mod error;
mod etag;
mod etag_session;
mod http;
pub mod json;
mod json_body;
mod json_session;
mod location;
mod payload;
mod session;
mod session_id;

pub use self::answer::{Received, Sent};
pub use self::error::RendezvousApiError;
pub use self::etag::{Created, create, created};
pub use self::http::{Method, Request, Response};
pub use self::location::{Location, MAX_SESSION_URL_BYTES, SessionUrl};
pub use self::payload::{Binding, MAX_PAYLOAD_BYTES, Payload};
pub use self::session::RendezvousSession;
pub use self::session_id::{ApiRoot, SequenceToken, SessionId};

#[cfg(test)]
mod tests;
