//! What the tests of the program share.

pub(crate) mod command;
pub(crate) mod sandbox;
pub(crate) mod schema;
pub(crate) mod terminal;
