//! From the homeserver that a QR code names to the endpoints of its OAuth server.
//!
//! MSC4108, section "Discoverability of the capability"; MSC2965 in its final, its unstable and its
//! first form.

mod document;
mod error;
mod fetch;
mod metadata;
mod well_known;

pub use error::DiscoveryError;
pub(crate) use error::{passes, when};
pub use matrix_qr_protocol::web_url::join;
pub use metadata::{DEVICE_GRANT, ServerMetadata, server_metadata};
pub(crate) use metadata::{OPENID_CONFIGURATION, issuer_metadata};
pub use well_known::resolve;
pub(crate) use well_known::{first_url, look_up, well_known_url};
