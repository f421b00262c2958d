//! The device's side of OAuth 2.0: a client ID, the device authorization grant, refresh and
//! revocation.
//!
//! MSC4108, section "Login via OIDC Device Authorization Grant"; RFC 8628, RFC 7591 (MSC2966), RFC
//! 7009 (MSC4254).

mod client;
mod device_grant;
mod device_id;
mod error;
mod exchange;
mod polling;
mod registration;
mod revocation;
mod tokens;
mod under_way;

pub use client::OAuth;
pub use device_grant::DeviceAuthorization;
pub use device_id::new_device_id;
pub use error::OAuthError;
pub use polling::TokenOutcome;
pub use registration::{Client, ClientMetadata};
pub use tokens::Tokens;
