//! The ways in which the sandbox can misbehave: one at a time or several, at any moment, also by
//! name.
//!
//! To add a fault, add a row to `table`: the command line, the help text and [`Fault::all`] take
//! everything from it. Then ask [`Faults`] for it where it strikes, and try it in a test:
//! `every_fault_is_tried` fails until then.

mod active;
mod late_server;
mod parameter;
mod table;

pub(crate) use self::active::ExchangeOutcome;
pub use self::{
    active::Faults,
    late_server::LateServer,
    table::{Fault, KnownFault, UnknownFault},
};
