//! A Matrix device that signs in, or is signed in, by QR code (MSC4108, MSC4388): HTTP, OAuth 2.0,
//! end-to-end encryption and the session on disk.
//!
//! There are two calls. [`sign_in`] makes this machine a new device of an account;
//! [`Device::grant`] signs in somebody else's machine from a device that exists. A front end
//! implements [`Person`], and is told and asked everything through it.
//!
//! What the two devices say to each other is in [`matrix_qr_protocol`]; this crate does what that
//! asks for.

mod access;
mod device;
mod device_name;
pub mod discovery;
pub mod encryption;
mod end_session;
mod existing_device;
pub mod first_device;
pub mod homeserver;
mod host;
pub mod http;
mod new_device;
pub mod oauth;
mod person;
mod random;
pub mod rendezvous_client;
mod retry;
pub mod secret;
pub mod session;
mod showing;
mod sign_out;
mod silence;
mod start;
mod user_error;

pub use access::{AccessToken, Standing, access_token, standing};
pub use device::{Device, Facts};
pub use device_name::{DeviceName, NotADeviceName};
pub use existing_device::{Announce, GrantOptions, Granted};
pub use new_device::{SignInOptions, SignedIn, sign_in};
pub use person::{Opening, Person, ProgressEvent};
pub use ruma::{OwnedUserId, UserId};
pub use showing::Showing;
pub use sign_out::{SignOut, Subject, sign_out_here};
pub use start::{Rendezvous, Start};
