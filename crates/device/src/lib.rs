#![cfg_attr(feature = "matrix-sdk", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "matrix-sdk"),
    doc = "A Matrix device that signs in by QR code, built without matrix-sdk-crypto: the caller \
           holds the device's keys. `README.md` introduces the crate."
)]
//!
//! # How it works
//!
//! What the two devices say to each other is in [`matrix_qr_protocol`]; this crate does what that
//! asks for. A sign-in goes through these modules in this order:
//!
//! | module | what it does |
//! |---|---|
//! | `start`, `showing` | [`Start`]: show a code or scan one; which proposal the shown code follows |
//! | `own_device` | [`OwnDevice`]: the existing device asks first whether the new one is its person's |
//! | `new_device` | [`sign_in`]: what the new device does at each step |
//! | `existing_device` | [`Device::grant`]: what the existing device does at each step |
//! | `consent_link` | [`ConsentLink`]: whether the page to open is the homeserver's or its authorization server's |
//! | `person`, `silence` | [`Person`], the front end; what it is told when a step takes long |
//! | `host` | a device as [`matrix_qr_protocol::driver`] needs it: session, person, answers |
//! | [`discovery`] | from the name of a homeserver to the endpoints of its authorization server |
//! | [`rendezvous_client`] | the rendezvous session over HTTP |
//! | [`oauth`], `device_name` | client ID, device authorization grant, refresh, revocation; the device's name |
//! | [`client_server_api`] | the calls of the Client-Server API |
//! | [`keys`] | the device's keys and the account's secrets, whoever holds them: checks, signature, the one upload, key backup |
//! | [`encryption`] | matrix-sdk-crypto with its store as the holder of the keys (feature `matrix-sdk`) |
//! | [`session`] | the files: the session, its lock, what it takes to revoke an unfinished one |
//!
//! A device that is signed in uses:
//!
//! | module | what it does |
//! |---|---|
//! | `device`, `facts` | [`Device`], opened from disk; [`Facts`], what is not secret about it |
//! | `access`, `access_token` | the session with tokens that are valid, refreshed when needed; a token for another program |
//! | `sign_out`, `end_session` | [`SignOut`]; revokes the tokens and checks that they are refused |
//! | [`first_device`] | sets up an account whose first device this is, for tests and the demonstration |
//!
//! All of them use:
//!
//! | module | what it does |
//! |---|---|
//! | [`http`] | every request: bounded, `https` only |
//! | `retry` | repeats what failed for a moment |
//! | `private` | files and directories that only their owner can read |
//! | [`secret`], `random` | a text that is never printed; the operating system's random numbers |
//! | `user_error` | this crate's errors as a sentence, a cause and advice |

//!
//! # A program that becomes a device
//!
//! This is `examples/sign_in.rs`.
//!
// Without the feature it does not compile, so it is only text then.
#![cfg_attr(feature = "matrix-sdk", doc = "```no_run")]
#![cfg_attr(not(feature = "matrix-sdk"), doc = "```text")]
#![doc = include_str!("../examples/sign_in.rs")]
//! ```
//!
//! # A holder of keys
//!
//! This is `examples/own_keys.rs`.
//!
//! ```no_run
#![doc = include_str!("../examples/own_keys.rs")]
//! ```

mod access;
mod access_token;
pub mod client_server_api;
mod consent_link;
mod device;
mod device_name;
pub mod discovery;
#[cfg(feature = "matrix-sdk")]
pub mod encryption;
mod end_session;
mod existing_device;
mod facts;
#[cfg(feature = "matrix-sdk")]
pub mod first_device;
mod host;
pub mod http;
pub mod keys;
mod new_device;
pub mod oauth;
mod own_device;
mod person;
mod private;
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

pub use access_token::{AccessToken, Standing, access_token, standing};
pub use consent_link::ConsentLink;
pub use device::Device;
pub use device_name::{DeviceName, NotADeviceName};
pub use existing_device::{Announce, GrantOptions, Granted};
pub use facts::Facts;
pub use new_device::{SignInOptions, SignedIn, sign_in};
pub use own_device::OwnDevice;
pub use person::{Opening, Person, ProgressEvent};
pub use ruma::{DeviceId, OwnedUserId, UserId};
pub use showing::Showing;
pub use sign_out::{SignOut, Subject, sign_out_here};
pub use start::{RendezvousAt, Start};
