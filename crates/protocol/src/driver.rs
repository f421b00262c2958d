//! A whole sign-in: the channel, then the login, over a [`Host`] that does what touches the world.
//!
//! | what | where |
//! |---|---|
//! | what a device must bring | `host` |
//! | the channel, up to the check code | `establish` |
//! | the loop: wait for an event, hand it to the login, do what that says | `run` |
//! | a question of the login to the method that answers it | `questions` |
//! | messages and last words | `say` |
//!
//! It knows no clock and no network.

mod channel_state;
mod establish;
mod host;
mod questions;
mod run;
mod say;
mod wait;

pub use self::{
    establish::{
        scan_as_existing_device, scan_as_new_device, show_as_existing_device, show_as_new_device,
    },
    host::{Delivery, ExistingDeviceHost, Host, NewDeviceHost, Progress},
};
