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
pub(crate) use error::{advice_on_status, passes};
pub use matrix_qr_protocol::web_url::join;
pub(crate) use metadata::issuer_metadata;
pub use metadata::{DEVICE_GRANT, OPENID_CONFIGURATION, ServerMetadata, server_metadata};
pub(crate) use well_known::look_up;
pub use well_known::{first_url, resolve, well_known_url};
