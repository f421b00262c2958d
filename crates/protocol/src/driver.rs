//! A whole sign-in: the channel, then the login, over a [`Host`] that does what touches the world.
//!
//! | what | where |
//! |---|---|
//! | what a device must bring | `host` |
//! | the channel, up to the check code | `establish` |
//! | the loop: wait for whichever comes first, hand it to [`Login`](crate::login::Login), do what it says | `run` |
//! | messages and last words | `say` |
//!
//! It knows no clock and no network.

mod channel_state;
mod establish;
mod event;
mod host;
mod questions;
mod race;
mod run;
mod say;

pub use self::{
    establish::{
        scan_as_existing_device, scan_as_new_device, show_as_existing_device, show_as_new_device,
    },
    host::{Delivery, ExistingDeviceHost, Host, NewDeviceHost, Progress},
};
