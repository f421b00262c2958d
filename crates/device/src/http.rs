//! All HTTP requests go through here: bounded in size and time, https only, no redirects.

mod bounds;
mod client;
mod error;
#[cfg(fuzzing)]
pub mod fuzzing;
mod names;
mod policy;
mod redaction;

pub use bounds::{Bounds, USUAL_ANSWER, USUAL_TIME};
pub use client::{Http, HttpRequest, HttpResponse};
pub use error::HttpError;
pub use policy::Policy;
pub(crate) use policy::host;
pub(crate) use redaction::redact;
